import numpy as np
import pytest
import tifffile
from PIL import Image

from cenet.data.labels.detect import LabelEncoding
from cenet.data.loading import has_hounsfield_offset, load_region, load_sample
from cenet.data.sample import Sample
from cenet.errors import CenetError

VESSELS = LabelEncoding(kind="values", names=("vessel",), values=((0,), (255,)))


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
    image, label, region = load_sample(sample, VESSELS)
    assert (image.shape, label.shape, region.shape) == ((5, 7, 3), (5, 7), (5, 7))
    assert (image == 9).all()
    assert (label == 1).all()
    assert region.all()


def test_what_a_sample_lacks_is_none(tmp_path):
    image, label, region = load_sample(Sample("eye", draw(tmp_path / "image.png", (5, 7, 3))), VESSELS)
    assert image.shape == (5, 7, 3)
    assert label is None
    assert region is None


def test_without_a_meaning_no_label_is_read(tmp_path):
    assert load_sample(Sample("eye", draw(tmp_path / "image.png", (5, 7)), (tmp_path / "missing.png",)))[1] is None


def test_the_meaning_of_values_reaches_the_label(tmp_path):
    sample = Sample("eye", draw(tmp_path / "image.png", (5, 7)), (draw(tmp_path / "label.png", (5, 7), 3),))
    assert (
        load_sample(sample, LabelEncoding(kind="values", names=("a", "b"), values=((0,), (1,), (3,))))[1] == 2
    ).all()
    with pytest.raises(CenetError, match=r"label\.png: the label holds 3, but"):
        load_sample(sample, VESSELS)


@pytest.mark.parametrize("shape", [(7, 5), (5, 6), (4, 7), (10, 14)])
@pytest.mark.parametrize("part", ["label", "region", "channels"])
def test_another_size_is_reported_with_both_sizes(tmp_path, part, shape):
    drawn = draw(tmp_path / f"{part}.png", shape, 255)
    sample = Sample("eye", draw(tmp_path / "image.png", (5, 7)), **{part: drawn if part == "region" else (drawn,)})
    with pytest.raises(CenetError) as error:
        load_sample(sample, VESSELS)
    assert f"{part}.png: its size is {shape[1]} x {shape[0]} pixels" in str(error.value)
    assert "image.png has 7 x 5 pixels; " in str(error.value)


def test_sizes_are_compared_upright(tmp_path):
    image = Image.new("RGB", (7, 5))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "image.jpg", exif=exif)
    label = draw(tmp_path / "label.png", (7, 5))
    assert load_sample(Sample("eye", tmp_path / "image.jpg", label=(label,)), VESSELS)[0].shape == (7, 5, 3)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_further_channels_lie_behind_the_image(tmp_path, dtype):
    paths = [draw(tmp_path / f"{value}.tif", (5, 7), value, dtype) for value in range(3)]
    image = load_sample(Sample("eye", paths[0], channels=tuple(paths[1:])))[0]
    assert (image.shape, image.dtype) == ((5, 7, 3), dtype)
    assert (image == [0, 1, 2]).all()
    assert image.flags.c_contiguous


def test_channels_of_different_types_are_reported(tmp_path):
    grey, deep = draw(tmp_path / "a.png", (5, 7)), draw(tmp_path / "b.png", (5, 7), 9, np.uint16)
    with pytest.raises(CenetError, match=r"b\.png: its values are uint16 where .*a\.png has uint8; save all"):
        load_sample(Sample("eye", grey, channels=(deep,)))


@pytest.mark.parametrize("order", [1, -1])
def test_a_coloured_file_is_not_one_channel(tmp_path, order):
    first, second = [draw(tmp_path / "grey.png", (5, 7)), draw(tmp_path / "rgb.png", (5, 7, 3))][::order]
    with pytest.raises(CenetError, match=r"rgb\.png: a file that is one of several channels must be grey; "):
        load_sample(Sample("eye", first, channels=(second,)))


def test_image_and_label_of_a_stack_are_those_of_the_page(tmp_path):
    for name, values in (("volume", [5, 6, 7]), ("labels", [0, 255, 0])):
        pages = np.stack([np.full((4, 6), value, np.uint8) for value in values])
        tifffile.imwrite(tmp_path / f"{name}.tif", pages, photometric="minisblack")
    for page in range(3):
        sample = Sample("slice", tmp_path / "volume.tif", (tmp_path / "labels.tif",), page=page)
        image, label, _ = load_sample(sample, VESSELS)
        assert (image == 5 + page).all()
        assert (label == (page == 1)).all()


def test_a_stack_of_labels_that_is_too_short_is_reported(tmp_path):
    for name, count in (("volume", 3), ("labels", 2)):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((count, 4, 6), np.uint8), photometric="minisblack")
    with pytest.raises(CenetError, match=r"labels\.tif: there is no page 2 in it, it holds 2, counted from 0; "):
        load_sample(Sample("slice", tmp_path / "volume.tif", (tmp_path / "labels.tif",), page=2), VESSELS)


def photograph(path):
    """A bright circle in a dark surround."""
    rows, columns = np.mgrid[:90, :120]
    inside = np.hypot(rows - 44.5, columns - 59.5) < 40
    Image.fromarray(np.where(inside[..., None], [180, 90, 40], 3).astype(np.uint8)).save(path)
    return inside


def test_the_field_of_view_is_found_on_a_fundus_photograph(tmp_path):
    inside = photograph(tmp_path / "eye.png")
    region = load_sample(Sample("eye", tmp_path / "eye.png", fundus=True))[2]
    assert (region & inside).sum() / (region | inside).sum() > 0.95
    assert load_sample(Sample("eye", tmp_path / "eye.png"))[2] is None


def test_a_region_file_overrides_what_is_found(tmp_path):
    photograph(tmp_path / "eye.png")
    drawn = draw(tmp_path / "region.png", (90, 120), 255)
    sample = Sample("eye", tmp_path / "eye.png", region=drawn, fundus=True)
    assert load_sample(sample)[2].all()
    assert load_region(sample, np.zeros((90, 120, 3), np.uint8)).all()


def test_a_black_photograph_is_reported_by_its_file(tmp_path):
    with pytest.raises(CenetError, match=r"eye\.png: "):
        load_sample(Sample("eye", draw(tmp_path / "eye.png", (90, 120, 3)), fundus=True))


def scan(path, *values, dtype=np.int16):
    tifffile.imwrite(path, np.array([values], dtype), photometric="minisblack")
    return Sample("slice", path, hounsfield=True)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("values", [(-1000, 40, 3000), (-1024, 0), (-3024, -800, 32767), (-500, 100), (-4096, 0)])
def test_hounsfield_units_are_read_as_they_are(tmp_path, dtype, values):
    image = load_sample(scan(tmp_path / "slice.tif", *values, dtype=dtype))[0]
    assert image.dtype == np.float32
    assert image.ravel().tolist() == list(values)


@pytest.mark.parametrize(
    ("values", "dtype", "span"),
    [
        ((-499, 100), np.int16, "from -499 to 100"),
        ((0, 255), np.int16, "from 0 to 255"),
        ((0, 1), np.float32, "from 0 to 1"),
        ((-1, 1), np.float32, "from -1 to 1"),
        ((-4097, 100), np.int16, "from -4097 to 100"),
        ((-1000, 40000), np.int32, "from -1000 to 40000"),
        ((24, 1064), np.int16, "from 24 to 1064"),
    ],
)
def test_values_that_cannot_be_hounsfield_units_are_reported_with_their_range(tmp_path, values, dtype, span):
    with pytest.raises(CenetError, match=rf"slice\.tif: its values reach {span}, which cannot be .*; save Hou"):
        load_sample(scan(tmp_path / "slice.tif", *values, dtype=dtype))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_slice_with_nan_or_infinity_is_refused(tmp_path, value):
    with pytest.raises(CenetError, match=r"slice\.tif: some pixels are NaN or infinite; "):
        load_sample(scan(tmp_path / "slice.tif", -1000, value, dtype=np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_windowed_slices_are_read_as_they_are(tmp_path, dtype):
    assert load_sample(scan(tmp_path / "slice.tif", 0, 255, dtype=dtype))[0].ravel().tolist() == [0, 255]


def test_other_images_may_hold_any_numbers(tmp_path):
    sample = scan(tmp_path / "slice.tif", -1, 1, dtype=np.float32)
    assert load_sample(Sample("slice", sample.image))[0].ravel().tolist() == [-1, 1]


@pytest.mark.parametrize(
    ("values", "dtype", "offset"),
    [
        ((0, 1501), np.uint16, True),
        ((199, 5000), np.uint16, True),
        ((0, 1500), np.uint16, False),
        ((200, 3000), np.uint16, False),
        ((0, 5001), np.uint16, False),
        ((0, 255), np.uint8, False),
        ((-1000, 3000), np.int16, False),
    ],
)
def test_unsigned_values_in_the_range_of_raised_hounsfield_units_are_noticed(tmp_path, values, dtype, offset):
    sample = scan(tmp_path / "slice.tif", *values, dtype=dtype)
    image = load_sample(sample)[0]
    assert has_hounsfield_offset(sample, image) == offset
    assert not has_hounsfield_offset(Sample("photograph", sample.image), image)
