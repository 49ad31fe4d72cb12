import numpy as np
import pytest
from PIL import Image

from cenet.errors import CenetError
from cenet.tasks.reading import read
from cenet.tasks.sample import Sample


def draw(path, shape, value=0):
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)
    return path


def test_all_three_are_read(tmp_path):
    sample = Sample(
        "eye",
        draw(tmp_path / "image.png", (5, 7, 3), 9),
        label=draw(tmp_path / "label.png", (5, 7), 255),
        region=draw(tmp_path / "region.png", (5, 7), 255),
    )
    image, label, region = read(sample)
    assert (image.shape, label.shape, region.shape) == ((5, 7, 3), (5, 7), (5, 7))
    assert (image == 9).all()
    assert (label == 1).all()
    assert region.all()


def test_what_a_sample_lacks_is_none(tmp_path):
    image, label, region = read(Sample("eye", draw(tmp_path / "image.png", (5, 7, 3))))
    assert image.shape == (5, 7, 3)
    assert label is None
    assert region is None


def test_the_number_of_classes_reaches_the_label(tmp_path):
    sample = Sample("eye", draw(tmp_path / "image.png", (5, 7)), label=draw(tmp_path / "label.png", (5, 7), 3))
    assert (read(sample, num_classes=4)[1] == 3).all()
    with pytest.raises(CenetError, match="--num-classes 4"):
        read(sample, num_classes=3)


@pytest.mark.parametrize("shape", [(7, 5), (5, 6), (4, 7), (10, 14)])
@pytest.mark.parametrize("part", ["label", "region"])
def test_another_size_is_told_with_both_sizes(tmp_path, part, shape):
    drawn = draw(tmp_path / f"{part}.png", shape, 255)
    sample = Sample("eye", draw(tmp_path / "image.png", (5, 7, 3)), **{part: drawn})
    with pytest.raises(CenetError) as told:
        read(sample)
    assert f"{part}.png: its size is {shape[1]} x {shape[0]} pixels" in str(told.value)
    assert "image.png has 7 x 5 pixels; " in str(told.value)


def test_sizes_are_compared_upright(tmp_path):
    image = Image.new("RGB", (7, 5))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "image.jpg", exif=exif)
    label = draw(tmp_path / "label.png", (7, 5))
    assert read(Sample("eye", tmp_path / "image.jpg", label=label))[0].shape == (7, 5, 3)
