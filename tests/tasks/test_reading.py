import numpy as np
import pytest
import tifffile
from PIL import Image

from cenet.errors import CenetError
from cenet.tasks.labels import Labels
from cenet.tasks.reading import read
from cenet.tasks.sample import Sample

VESSELS = Labels(kind="values", names=("vessel",), values=((0,), (255,)))


def draw(path, shape, value=0, dtype=np.uint8):
    array = np.full(shape, value, dtype)
    if path.suffix == ".tif":
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path)
    return path


def test_all_three_are_read(tmp_path):
    sample = Sample(
        "eye",
        draw(tmp_path / "image.png", (5, 7, 3), 9),
        label=(draw(tmp_path / "label.png", (5, 7), 255),),
        region=draw(tmp_path / "region.png", (5, 7), 255),
    )
    image, label, region = read(sample, VESSELS)
    assert (image.shape, label.shape, region.shape) == ((5, 7, 3), (5, 7), (5, 7))
    assert (image == 9).all()
    assert (label == 1).all()
    assert region.all()


def test_what_a_sample_lacks_is_none(tmp_path):
    image, label, region = read(Sample("eye", draw(tmp_path / "image.png", (5, 7, 3))), VESSELS)
    assert image.shape == (5, 7, 3)
    assert label is None
    assert region is None


def test_without_a_meaning_no_label_is_read(tmp_path):
    assert read(Sample("eye", draw(tmp_path / "image.png", (5, 7)), (tmp_path / "missing.png",)))[1] is None


def test_the_meaning_of_values_reaches_the_label(tmp_path):
    sample = Sample("eye", draw(tmp_path / "image.png", (5, 7)), (draw(tmp_path / "label.png", (5, 7), 3),))
    assert (read(sample, Labels(kind="values", names=("a", "b"), values=((0,), (1,), (3,))))[1] == 2).all()
    with pytest.raises(CenetError, match=r"label\.png: the label holds 3, but"):
        read(sample, VESSELS)


@pytest.mark.parametrize("shape", [(7, 5), (5, 6), (4, 7), (10, 14)])
@pytest.mark.parametrize("part", ["label", "region", "channels"])
def test_another_size_is_told_with_both_sizes(tmp_path, part, shape):
    drawn = draw(tmp_path / f"{part}.png", shape, 255)
    sample = Sample("eye", draw(tmp_path / "image.png", (5, 7)), **{part: drawn if part == "region" else (drawn,)})
    with pytest.raises(CenetError) as told:
        read(sample, VESSELS)
    assert f"{part}.png: its size is {shape[1]} x {shape[0]} pixels" in str(told.value)
    assert "image.png has 7 x 5 pixels; " in str(told.value)


def test_sizes_are_compared_upright(tmp_path):
    image = Image.new("RGB", (7, 5))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "image.jpg", exif=exif)
    label = draw(tmp_path / "label.png", (7, 5))
    assert read(Sample("eye", tmp_path / "image.jpg", label=(label,)), VESSELS)[0].shape == (7, 5, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_further_channels_lie_behind_the_image(tmp_path, dtype):
    paths = [draw(tmp_path / f"{value}.tif", (5, 7), value, dtype) for value in range(3)]
    image = read(Sample("eye", paths[0], channels=tuple(paths[1:])))[0]
    assert (image.shape, image.dtype) == ((5, 7, 3), dtype)
    assert (image == [0, 1, 2]).all()
    assert image.flags.c_contiguous


def test_channels_of_different_types_are_told(tmp_path):
    grey, deep = draw(tmp_path / "a.png", (5, 7)), draw(tmp_path / "b.png", (5, 7), 9, np.uint16)
    with pytest.raises(CenetError, match=r"b\.png: its values are uint16 where .*a\.png has uint8; save all"):
        read(Sample("eye", grey, channels=(deep,)))


@pytest.mark.parametrize("order", [1, -1])
def test_a_coloured_file_is_not_one_channel(tmp_path, order):
    first, second = [draw(tmp_path / "grey.png", (5, 7)), draw(tmp_path / "rgb.png", (5, 7, 3))][::order]
    with pytest.raises(CenetError, match=r"rgb\.png: a file that is one of several channels must be grey; "):
        read(Sample("eye", first, channels=(second,)))
