"""Images as PIL holds them become what their files would, or are refused with a remedy."""

import numpy as np
import pytest
from PIL import Image

from cenet.data.io.read import read_image
from cenet.errors import CenetError
from cenet.inference.pixels import to_pixels

RNG = np.random.default_rng(0)
RGB = Image.fromarray(RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8))
WIDE = RNG.integers(0, 65536, (5, 7))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_a_pil_image_gives_what_its_file_would(tmp_path, mode):
    image = Image.fromarray(WIDE.astype(np.uint16)) if mode == "I;16" else RGB.convert(mode)
    assert image.mode == mode
    image.save(tmp_path / "eye.png")
    np.testing.assert_array_equal(to_pixels(image)[0], read_image(tmp_path / "eye.png"), strict=True)


def test_floating_point_numbers_are_those_of_a_tiff(tmp_path):
    image = Image.fromarray(RNG.random((5, 7)).astype(np.float32))
    image.save(tmp_path / "slice.tif")
    np.testing.assert_array_equal(to_pixels(image)[0], read_image(tmp_path / "slice.tif"), strict=True)


def test_sixteen_bits_that_pillow_holds_in_32_are_sixteen_bits():
    image = Image.fromarray(WIDE.astype(np.int32))
    assert image.mode == "I"
    np.testing.assert_array_equal(to_pixels(image)[0], WIDE.astype(np.uint16)[..., None], strict=True)


@pytest.mark.parametrize(
    ("image", "cause"),
    [
        (Image.fromarray(WIDE.astype(np.int32) - 1000), "beyond 16 bits"),
        (Image.fromarray(WIDE.astype(np.int32) * 9), "beyond 16 bits"),
        (Image.fromarray(np.full((5, 7), np.nan, np.float32)), "NaN or infinite"),
        *((RGB.convert(mode), f"mode {mode}") for mode in ("CMYK", "YCbCr", "HSV", "LAB")),
    ],
    ids=["negative", "over 16 bits", "nan", "CMYK", "YCbCr", "HSV", "LAB"],
)
def test_what_could_mean_several_things_is_refused_with_a_remedy(image, cause):
    with pytest.raises(CenetError) as refusal:
        to_pixels(image, name="eye")
    assert refusal.value.subject == "eye"
    assert cause in refusal.value.cause
    assert refusal.value.remedy


@pytest.mark.parametrize(
    "image", [None, 3, "", np.zeros((0, 5, 3), np.uint8), np.zeros((), np.uint8)[None][:0], b"PNG"]
)
def test_what_is_no_image_is_refused(image):
    with pytest.raises(CenetError):
        to_pixels(image)
