import pytest

from cenet.errors import CenetError
from cenet.tasks.lung import patient_of, read_lung


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
    assert patient_of(name) == patient


def test_the_slices_of_a_patient_are_a_group(tmp_path):
    names = ["patient-001_0", "patient-001_1", "patient-002_0", "val_00", "val_01"]
    make(tmp_path, *(f"{part}/{name}.png" for name in names for part in ("images", "masks")))
    groups = {sample.name: sample.group for sample in read_lung(tmp_path)}
    assert groups == dict(zip(names, ["patient-001", "patient-001", "patient-002", "val_00", "val_01"], strict=True))


def test_an_expression_for_the_group_goes_before_the_rule(tmp_path):
    make(tmp_path, *(f"{part}/{name}.png" for name in ("p-1_0", "p-2_0") for part in ("images", "masks")))
    assert {sample.group for sample in read_lung(tmp_path, group="_(.*)$")} == {"0"}
    with pytest.raises(CenetError, match="--group eye finds no group"):
        read_lung(tmp_path, group="eye")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "there is no folder images in it; put slices into images/ and their masks into masks/$"),
        (["CT_001.bmp", "Ground_Truth_CT_001.bmp"], "there is no folder images in it; put"),
        (["2d_images/a.tif", "2d_masks/a.tif"], "there is no folder images in it; rename 2d_images so$"),
        (["images/a.tif", "2d_masks/a.tif"], "there is no folder masks in it; rename 2d_masks so$"),
        (["images/a.tif"], "there is no folder masks in it; put"),
        (["images/a.tif", "masks/b.tif"], r"masks: there is no file for a\.tif; "),
        (["images/a.tif", "masks/a.tif", "masks/b.tif"], r"masks: there is no image for b\.tif; "),
        (["images/a.tif", "images/a.png", "masks/a.tif"], "has the same name; "),
        (["images/a.tif", "masks/a.tif", "masks/a.png"], "is for the same image; "),
        (["images/a.dcm", "masks/a.png"], r"a\.dcm: this is not an image "),
        (["images/a.tif", "masks/a.png", "labels/a.png"], "it holds both masks and labels; "),
        (["images", "masks/a.png"], "there is no folder images in it; "),
    ],
)
def test_another_layout_is_told(tmp_path, names, told):
    with pytest.raises(CenetError, match=told):
        read_lung(make(tmp_path, *names))


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CenetError, match="there is no such folder"):
        read_lung(tmp_path / "nowhere")


@pytest.mark.data
@pytest.mark.parametrize(("name", "count", "groups"), [("kaggle", 18, 18), ("one-patient", 21, 1)])
def test_the_real_folders_are_read(data_folder, name, count, groups):
    samples = read_lung(data_folder / "lung-ct" / name)
    assert len(samples) == count
    assert len({sample.group for sample in samples}) == groups
    assert all(sample.label for sample in samples)


@pytest.mark.data
def test_labels_of_three_classes_side_by_side_are_refused(data_folder):
    with pytest.raises(CenetError, match="there is no folder images in it"):
        read_lung(data_folder / "lung-ct" / "four-slices")
