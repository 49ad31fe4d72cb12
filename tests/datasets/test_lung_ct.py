import numpy as np
import pytest
from PIL import Image

from cenet.data.io.read import read_label
from cenet.data.loading import load_sample
from cenet.datasets.lung_ct import patient_from_name, read_lung
from cenet.datasets.resolve import resolve_label_encoding
from cenet.errors import CenetError


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_slices_are_paired_with_their_masks(tmp_path):
    make(tmp_path, "images/patient-001_0.tif", "masks/patient-001_0.png", "images/patient-001_1.tif")
    drawn, bare = read_lung(tmp_path)
    assert (drawn.name, drawn.image.suffix, drawn.label) == (
        *("patient-001_0", ".tif"),
        (tmp_path / "masks" / "patient-001_0.png",),
    )
    assert bare.label == ()


def test_values_below_zero_are_hounsfield_units(tmp_path):
    (sample,) = read_lung(make(tmp_path, "images/a.tif", "masks/a.tif"))
    assert sample.hounsfield


def test_a_folder_of_labels_will_do(tmp_path):
    assert read_lung(make(tmp_path, "images/a.png", "labels/a.png"))[0].label[0].parent.name == "labels"


@pytest.mark.parametrize(
    ("name", "patient"),
    [
        ("patient-000_0", "patient-000"),
        ("patient-000_12", "patient-000"),
        ("ID_0007_Z_0142", "ID_0007"),
        ("568525_FILE37", "568525"),
        ("1_2_3", "1"),
        ("a1b_c", "a1b"),
        ("val_00", "val_00"),
        ("CT_001", "CT_001"),
        ("CT_001_", "CT_001_"),
        ("slice7", "slice7"),
        ("_", "_"),
        ("7", "7"),
    ],
)
def test_the_patient_stands_before_the_first_line_that_follows_a_number(name, patient):
    assert patient_from_name(name) == patient


def test_the_slices_of_a_patient_are_a_group(tmp_path):
    names = ["patient-001_0", "patient-001_1", "patient-002_0", "val_00", "val_01"]
    make(tmp_path, *(f"{part}/{name}.png" for name in names for part in ("images", "masks")))
    groups = {sample.name: sample.group for sample in read_lung(tmp_path)}
    assert groups == dict(zip(names, ["patient-001", "patient-001", "patient-002", "val_00", "val_01"], strict=True))


def test_a_group_pattern_overrides_the_rule(tmp_path):
    make(tmp_path, *(f"{part}/{name}.png" for name in ("p-1_0", "p-2_0") for part in ("images", "masks")))
    assert {sample.group for sample in read_lung(tmp_path, group_pattern="_(.*)$")} == {"0"}
    with pytest.raises(CenetError, match="--group-pattern eye finds no group"):
        read_lung(tmp_path, group_pattern="eye")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "it has no folder images; put slices into images/ and their masks into masks/$"),
        (["CT_001.bmp", "CT_001_truth.bmp"], "it has no folder images; put"),
        (["2d_images/a.tif", "2d_masks/a.tif"], "it has no folder images; rename 2d_images to images$"),
        (["images/a.tif", "2d_masks/a.tif"], "it has no folder masks; rename 2d_masks to masks$"),
        (["images/a.tif"], "it has no folder masks; put"),
        (["images/a.tif", "masks/b.tif"], r"masks: there is no file for a\.tif; "),
        (["images/a.tif", "masks/a.tif", "masks/b.tif"], r"masks: there is no image for b\.tif; "),
        (["images/a.tif", "images/a.png", "masks/a.tif"], "has the same name; "),
        (["images/a.tif", "masks/a.tif", "masks/a.png"], "is for the same image; "),
        (["images/a.xyz", "masks/a.png"], r"a\.xyz: this is not an image "),
        (["images/a.tif", "masks/a.png", "labels/a.png"], "it has both masks and labels; "),
        (["images", "masks/a.png"], "it has no folder images; "),
    ],
)
def test_another_layout_is_reported(tmp_path, names, message):
    with pytest.raises(CenetError, match=message):
        read_lung(make(tmp_path, *names))


def test_a_folder_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(CenetError, match="there is no such folder"):
        read_lung(tmp_path / "nowhere")


@pytest.mark.data
@pytest.mark.parametrize(("name", "count", "groups"), [("finding-lungs", 170, 170), ("one-patient", 21, 1)])
def test_the_real_folders_are_read(data_set, name, count, groups):
    samples = read_lung(data_set(f"lung-ct/{name}"))
    assert len(samples) == count
    assert len({sample.group for sample in samples}) == groups
    assert all(sample.label for sample in samples)


# Side by side -----------------------------------------------------------------------------------------------


def draw(folder, name, label):
    Image.effect_noise(np.shape(label)[::-1], 60).save(folder / f"{name}.bmp")
    Image.fromarray(np.asarray(label, np.uint8)).save(folder / f"Ground_Truth_{name}.bmp")


@pytest.fixture
def chest():
    """A label as it is distributed: two lungs in a body."""
    label = np.zeros((40, 60), np.uint8)
    label[5:35, 5:55] = 78
    label[10:30, 10:25] = label[10:30, 35:50] = 255
    return label


def lungs(folder, **how):
    samples = read_lung(folder)
    return samples, resolve_label_encoding("lung", samples, num_classes=1, names=("lung",), folder=folder, **how)


def test_slices_and_labels_side_by_side_are_paired_by_their_names(tmp_path):
    names = ("p-1_2.bmp", "Ground_Truth_p-1_2.bmp", "p-1_10.bmp", "Ground_Truth_p-1_10.bmp", "b.png", "notes.txt")
    bare, *drawn = read_lung(make(tmp_path, *names, ".Ground_Truth_x.bmp"))
    assert (bare.name, bare.label, bare.group, bare.hounsfield) == ("b", (), "b", True)
    assert [(sample.name, sample.label[0].name, sample.group) for sample in drawn] == [
        ("p-1_2", "Ground_Truth_p-1_2.bmp", "p-1"),
        ("p-1_10", "Ground_Truth_p-1_10.bmp", "p-1"),
    ]
    assert {sample.group for sample in read_lung(tmp_path, group_pattern="^.")} == {"p", "b"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["Ground_Truth_a.bmp"], r"there is no slice for Ground_Truth_a\.bmp; add the slice, or remove the file$"),
        (["a.bmp", "a.png", "Ground_Truth_a.bmp"], r"a\.(bmp|png): a\.(bmp|png) has the same name; rename"),
        (["a.bmp", "Ground_Truth_a.bmp", "Ground_Truth_a.png"], "has the same name; rename"),
    ],
)
def test_files_side_by_side_that_do_not_pair_are_reported(tmp_path, names, message):
    with pytest.raises(CenetError, match=message):
        read_lung(make(tmp_path, *names))


def test_the_air_in_the_body_is_the_foreground(tmp_path, chest):
    draw(tmp_path, "CT_001", chest)
    draw(tmp_path, "CT_002", chest // 255 * 255)  # of a body that is not drawn nothing is missed
    samples, labels = lungs(tmp_path)
    assert labels.describe().startswith("0 or 78 -> background, 255 -> lungs and airway, ")
    for sample in samples:
        assert np.array_equal(labels.read(sample), chest == 255)


def test_a_value_between_is_the_nearest_at_an_edge_and_an_error_elsewhere(tmp_path, chest):
    smooth = chest.copy()
    smooth[9, 10:25], smooth[10, 10:25] = 166, 167
    draw(tmp_path, "CT_001", smooth)
    (sample,), labels = lungs(tmp_path)
    assert np.array_equal(labels.read(sample), smooth > 166)
    smooth[20, 30] = 160
    draw(tmp_path, "CT_001", smooth)
    with pytest.raises(CenetError, match=r"Ground_Truth_CT_001\.bmp: the label holds 160, but the labels are: 0 or"):
        lungs(tmp_path)


def test_a_value_may_be_a_little_off_anywhere_but_not_more(tmp_path, chest):
    draw(tmp_path, "CT_001", np.where(chest == 78, 80, chest))
    (sample,), labels = lungs(tmp_path)
    assert np.array_equal(labels.read(sample), chest == 255)
    draw(tmp_path, "CT_002", np.where(chest == 78, 81, chest))
    with pytest.raises(CenetError, match=r"Ground_Truth_CT_002\.bmp: the label holds 81, but"):
        lungs(tmp_path)


@pytest.mark.parametrize("value", [1, 255])
def test_a_mask_beside_its_slice_is_a_mask(tmp_path, chest, value):
    draw(tmp_path, "CT_001", (chest == 255) * value)
    (sample,), labels = lungs(tmp_path)
    assert labels.describe() == f"0 -> background, {value} -> lung"
    assert np.array_equal(labels.read(sample), chest == 255)


def test_noise_is_no_label_with_a_body(tmp_path):
    draw(tmp_path, "CT_001", np.random.default_rng(0).integers(0, 256, (40, 60)))
    with pytest.raises(CenetError, match=r"Ground_Truth_CT_001\.bmp: the label holds .*, but the labels are: 0 or 78 "):
        lungs(tmp_path)


def test_other_classes_are_not_asked_of_such_labels(tmp_path, chest):
    draw(tmp_path, "CT_001", chest)
    with pytest.raises(CenetError, match="beside the background: lungs and airway; pass --num-classes 1"):
        resolve_label_encoding("lung", read_lung(tmp_path), num_classes=3, folder=tmp_path)
    with pytest.raises(CenetError, match="--ignore-value 78: the labels of task lung have a fixed meaning"):
        lungs(tmp_path, ignore_value=78)


@pytest.mark.data
def test_the_real_slices_side_by_side_are_read_as_distributed(data_set):
    samples, labels = lungs(data_set("lung-ct/four-slices"))
    assert [sample.name for sample in samples] == ["CT_001", "CT_002", "CT_003", "CT_004"]
    for sample in samples:
        image, label, _ = load_sample(sample, labels)
        assert np.array_equal(label, read_label(sample.label[0]) > 166)
        assert 0.05 < label.mean() < 0.35
        assert 3 * image[label == 1].mean() < image[label == 0].mean()  # the lungs are the dark part
