"""A note where an image's pixels have another size than those of the training."""

import numpy as np
import pytest
import tifffile

from cenet.config.presets import load_recipe
from cenet.data.sample import Sample
from cenet.data.statistics import find_common_pixel_size
from cenet.inference.compare_pixel_size import describe_other_pixel_size
from cenet.inference.run_metadata import RunMetadata


def write(path, *, um):
    height, width = um if isinstance(um, tuple) else (um, um)
    resolution = {"resolution": (1e4 / width, 1e4 / height), "resolutionunit": "CENTIMETER"} if um else {}
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), metadata=None, **resolution)
    return path


@pytest.mark.parametrize(
    ("sizes", "expected"), [((7.5, 7.6, 7.4), 7.5), ((7.5, 9.0), None), ((7.5, None), None), ((), None)], ids=str
)
def test_a_pixel_size_is_known_where_all_images_state_nearly_the_same(tmp_path, sizes, expected):
    samples = [Sample(str(n), write(tmp_path / f"{n}.tif", um=um)) for n, um in enumerate(sizes)]
    found = find_common_pixel_size(samples)
    assert found == (pytest.approx((expected, expected), rel=1e-3) if expected else None)


def test_what_a_data_set_says_of_its_pixels_comes_first(tmp_path):
    sample = Sample("scan", write(tmp_path / "scan.tif", um=7.5), pixel_um=(3.87, 11.5))
    assert find_common_pixel_size([sample]) == (3.87, 11.5)


@pytest.mark.parametrize(
    ("um", "trained_um", "mode", "is_noted"),
    [
        (5.0, 7.5, "native", True),
        (7.4, 7.5, "native", False),
        (None, 7.5, "native", False),
        (5.0, None, "native", False),
        (5.0, 7.5, "longest", False),
    ],
)
def test_another_size_is_noted_where_it_matters(tmp_path, um, trained_um, mode, is_noted):
    facts = RunMetadata(command="cenet train", started_from="random weights", in_channels=1)
    facts = facts.model_copy(update={"pixel_um": trained_um and (trained_um, trained_um)})
    recipe = load_recipe("folder").replace(resize_mode=mode)
    remark = describe_other_pixel_size(write(tmp_path / "image.tif", um=um), recipe, facts)
    assert (remark is not None) == is_noted
    if remark:
        assert "5 µm" in remark
        assert "7.5 µm" in remark


def test_height_and_width_are_not_confused(tmp_path):
    path = write(tmp_path / "scan.tif", um=(4, 12))
    assert find_common_pixel_size([Sample("scan", path)]) == pytest.approx((4, 12), rel=1e-3)
    facts = RunMetadata(command="cenet train", started_from="random weights", in_channels=1, pixel_um=(4, 12))
    assert describe_other_pixel_size(path, load_recipe("folder").replace(resize_mode="native"), facts) is None
