"""DRIVE and CHASE_DB1 as distributed, and photographs in a plain folder."""

import shutil

import numpy as np
import pytest
from PIL import Image

from cenet.config.presets import RECIPES
from cenet.data.io.read import read_label
from cenet.data.labels.detect import detect_encoding
from cenet.data.loading import load_sample
from cenet.data.make_splits import choose_test_groups
from cenet.datasets.folder import read_folder
from cenet.datasets.fundus_vessels import read_chase, read_drive, read_hrf, read_vessels
from cenet.datasets.registry import TASKS
from cenet.datasets.resolve import resolve_label_encoding
from cenet.errors import CenetError
from cenet.phantoms import write_phantoms

# --- DRIVE ---


DRIVE_FILES = ("images/{}_training.tif", "1st_manual/{}_manual1.gif", "mask/{}_training_mask.gif")


@pytest.fixture
def drive(tmp_path):
    """Drawn files in the layout of DRIVE, 6 x 5 pixels each; the vessel is row number % 5."""
    folder = tmp_path / "DRIVE"
    for pattern in DRIVE_FILES:
        (folder / "training" / pattern).parent.mkdir(parents=True)
    for number in range(21, 41):
        photograph, manual, mask = (folder / "training" / pattern.format(number) for pattern in DRIVE_FILES)
        Image.new("RGB", (6, 5), (number, 2, 3)).save(photograph)
        vessels = np.zeros((5, 6), np.uint8)
        vessels[number % 5] = 255
        Image.fromarray(vessels).save(manual)
        inside = np.full((5, 6), 255, np.uint8)
        inside[0, 0] = 0
        Image.fromarray(inside).save(mask)
    return folder


def test_drive_has_twenty_samples_each_of_its_own_patient(drive):
    samples = read_drive(drive)
    assert [sample.name for sample in samples] == [f"{number}_training" for number in range(21, 41)]
    assert [sample.group for sample in samples] == [str(number) for number in range(21, 41)]
    assert samples[3].image == drive / "training" / "images" / "24_training.tif"
    assert samples[3].label == (drive / "training" / "1st_manual" / "24_manual1.gif",)
    assert samples[3].region == drive / "training" / "mask" / "24_training_mask.gif"


def test_the_files_of_a_sample_belong_together(drive):
    labels = detect_encoding(read_drive(drive), num_classes=1)
    for number, sample in enumerate(read_drive(drive), start=21):
        image, label, region = load_sample(sample, labels)
        assert (image[..., 0] == number).all()
        assert (label[number % 5] == 1).all()
        assert label.sum() == 6
        assert region.sum() == 29


def test_the_parent_folder_will_do_of_drive(drive):
    assert read_drive(drive.parent) == read_drive(drive)


def test_the_test_half_is_not_read_even_with_labels(drive):
    for name in ("images/01_test.tif", "1st_manual/01_manual1.gif", "mask/01_test_mask.gif"):
        (drive / "test" / name).parent.mkdir(parents=True)
        (drive / "test" / name).touch()
    assert len(read_drive(drive)) == 20


def test_an_expression_for_the_group_holds_of_drive(drive):
    assert {sample.group for sample in read_drive(drive, group_pattern="^[0-9]")} == {"2", "3", "4"}


@pytest.mark.parametrize("number", [21, 30, 40])
def test_a_photograph_that_is_gone_is_passed_over_of_drive(drive, number):
    before = read_drive(drive)
    (drive / "training" / DRIVE_FILES[0].format(number)).unlink()
    assert read_drive(drive) == [sample for sample in before if sample.group != str(number)]


def test_a_photograph_without_manual_has_no_label_of_drive(drive):
    (drive / "training" / DRIVE_FILES[1].format(30)).unlink()
    assert [sample.group for sample in read_drive(drive) if not sample.label] == ["30"]


def test_a_field_of_view_that_is_gone_is_reported_when_it_is_needed(drive):
    path = drive / "training" / DRIVE_FILES[2].format(30)
    path.unlink()
    with pytest.raises(CenetError, match=f"^{path}: "):
        load_sample(read_drive(drive)[9])


def test_a_training_folder_without_photographs_is_reported(drive):
    for path in (drive / "training" / "images").iterdir():
        path.unlink()
    with pytest.raises(CenetError, match=r"images: none of 21_training\.tif to 40_training\.tif is in it"):
        read_drive(drive)


def test_another_folder_is_answered_with_the_expected_tree(tmp_path):
    with pytest.raises(CenetError, match=r"no folder training.*training/1st_manual/21_manual1\.gif"):
        read_drive(tmp_path)


def test_the_folder_below_is_answered_with_the_one_above_it(drive):
    with pytest.raises(CenetError, match=r"training: this is only a part of DRIVE; name the folder above it$"):
        read_drive(drive / "training")


def test_a_missing_folder_is_reported(tmp_path):
    with pytest.raises(CenetError, match="there is no such folder"):
        read_drive(tmp_path / "DRIVE")


def test_a_file_in_place_of_the_folder_is_reported(tmp_path):
    (tmp_path / "DRIVE.zip").touch()
    with pytest.raises(CenetError, match="this is a file"):
        read_drive(tmp_path / "DRIVE.zip")


@pytest.mark.data
def test_drive_as_distributed_is_read(data_set):
    samples = read_drive(data_set("DRIVE"))
    assert len(samples) == 20
    labels = detect_encoding(samples[::4], num_classes=1)
    for sample in samples[::4]:
        image, label, region = load_sample(sample, labels)
        assert (image.shape, image.dtype) == ((584, 565, 3), np.uint8)
        assert set(np.unique(label)) == {0, 1}
        assert 0.6 < region.mean() < 0.75
        assert 0.05 < label[region].mean() < 0.2
        # the photograph is bright inside the field of view, so the three files are turned alike
        assert image[region].mean() > 3 * image[~region].mean()


# --- CHASE_DB1 ---


CHASE_NAMES = [f"Image_{child:02}{eye}" for child in range(1, 15) for eye in "LR"]


def write_chase(folder, images, manual):
    for name in CHASE_NAMES:
        for path in (images / f"{name}.jpg", manual / f"{name}_1stHO.png", manual / f"{name}_2ndHO.png"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
    return folder


@pytest.fixture(params=["flat", "folders"])
def chase(request, tmp_path):
    """Empty files in one of the two layouts."""
    folder = tmp_path / "CHASE_DB1"
    flat = request.param == "flat"
    return write_chase(folder, folder if flat else folder / "images", folder if flat else folder / "manual")


def test_chase_has_two_eyes_of_each_child(chase):
    samples = read_chase(chase)
    assert [sample.name for sample in samples] == CHASE_NAMES
    assert [sample.group for sample in samples] == [name[6:8] for name in CHASE_NAMES]
    assert {(sample.region, sample.fundus) for sample in samples} == {(None, True)}  # it is found on the photograph


def test_the_first_observer_is_the_truth(chase):
    for sample in read_chase(chase):
        assert sample.image.name == f"{sample.name}.jpg"
        assert [path.name for path in sample.label] == [f"{sample.name}_1stHO.png"]
        assert sample.label[0].is_file()


def test_the_parent_folder_will_do_of_chase(chase):
    assert read_chase(chase.parent) == read_chase(chase)


def test_an_expression_for_the_group_holds_of_chase(chase):
    assert {sample.group for sample in read_chase(chase, group_pattern="[LR]$")} == {"L", "R"}


def test_a_photograph_that_is_gone_is_passed_over_of_chase(chase):
    next(chase.rglob("Image_07R.jpg")).unlink()
    assert [sample.name for sample in read_chase(chase)] == [name for name in CHASE_NAMES if name != "Image_07R"]


def test_a_photograph_without_manual_has_no_label_of_chase(chase):
    next(chase.rglob("Image_07R_1stHO.png")).unlink()
    assert [sample.name for sample in read_chase(chase) if not sample.label] == ["Image_07R"]


def test_another_folder_is_reported(tmp_path):
    with pytest.raises(CenetError, match=r"it has no Image_01L\.jpg; "):
        read_chase(tmp_path)
    with pytest.raises(CenetError, match="there is no such folder"):
        read_chase(tmp_path / "nowhere")


@pytest.mark.data
def test_chase_as_distributed_is_read(data_set):
    samples = read_chase(data_set("CHASE_DB1"))[::9]
    labels = detect_encoding(samples, num_classes=1, names=("vessel",))
    assert labels.describe() == "0 -> background, 1 -> vessel"
    for sample in samples:
        image, label, region = load_sample(sample, labels)
        assert (image.shape, label.shape, region.shape) == ((960, 999, 3), (960, 999), (960, 999))
        assert set(np.unique(label)) == {0, 1}
        assert 0.03 < label.mean() < 0.15
        assert 0.6 < region.mean() < 0.8
        assert label[~region].sum() < 0.01 * label.sum()


# --- HRF ---


HRF_NAMES = ["01_dr", "01_g", "01_h", "02_dr"]


@pytest.fixture(params=["distributed", "without masks"])
def hrf(request, tmp_path):
    """Empty files, with the fields of view and in upper case as distributed, or without."""
    folder, complete = tmp_path / "HRF", request.param == "distributed"
    for name in HRF_NAMES:
        files = [f"images/{name}.{'JPG' if complete else 'jpg'}", f"manual{'1' if complete else ''}/{name}.png"]
        for path in [*files, *([f"mask/{name}_mask.tif"] if complete else [])]:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
    (folder / "images" / "Thumbs.db").touch()
    return folder


def test_each_photograph_of_hrf_is_its_own_group(hrf):
    samples = read_hrf(hrf)
    assert [sample.name for sample in samples] == [sample.group for sample in samples] == HRF_NAMES
    assert [sample.label[0].stem for sample in samples] == HRF_NAMES
    assert {sample.region is not None for sample in samples} == {(hrf / "mask").is_dir()}
    assert read_hrf(hrf.parent) == samples


def test_a_photograph_of_hrf_without_manual_has_no_label(hrf):
    next(hrf.rglob("02_dr.png")).unlink()
    assert [sample.name for sample in read_hrf(hrf) if not sample.label] == ["02_dr"]


def test_a_folder_without_photographs_is_not_hrf(tmp_path):
    with pytest.raises(CenetError) as error:
        read_hrf(tmp_path)
    assert error.value.subject == str(tmp_path)


# --- several sets together ---


def test_public_sets_are_read_together_each_with_its_groups(drive, hrf):
    samples = read_vessels(drive.parent)
    assert [sample.source for sample in samples] == ["DRIVE"] * 20 + ["HRF"] * 4
    assert (samples[0].group, samples[20].group) == ("DRIVE 21", "HRF 01_dr")
    assert [sample.label for sample in samples] == [sample.label for sample in [*read_drive(drive), *read_hrf(hrf)]]


@pytest.mark.data
def test_public_sets_as_distributed_have_one_meaning(data_set):
    root = data_set("HRF").parent
    samples = [sample for sample in read_vessels(root) if sample.name in ("21_training", "Image_01L", "01_h")]
    labels = resolve_label_encoding("vessels", samples, num_classes=1, folder=root)
    for sample in samples:
        label = labels.read(sample)
        assert set(np.unique(label)) == {0, 1}
        assert 0.03 < label.mean() < 0.15


def test_a_part_of_a_split_has_its_share_of_each_set(drive, hrf):
    recipe = RECIPES["vessels"].replace(test_fraction=0.25)
    tests = choose_test_groups(read_vessels(drive.parent), recipe)
    assert sorted(group.split()[0] for group in tests) == ["DRIVE"] * 5 + ["HRF"]


# --- a plain folder ---


@pytest.fixture
def drawn(tmp_path):
    write_phantoms(tmp_path / "set", task="vessels", count=2, seed=0, size_px=96)
    return tmp_path / "set"


def test_the_photographs_are_those_of_a_plain_folder(drawn):
    plain, samples = read_folder(drawn, group_pattern="[0-9]+"), read_vessels(drawn, group_pattern="[0-9]+")
    assert [sample.group for sample in samples] == ["000", "001"]
    for one, other in zip(plain, samples, strict=True):
        assert (one.name, one.image, one.label, one.region) == (other.name, other.image, other.label, other.region)


def test_the_white_of_a_mask_is_vessel(drawn):
    labels = resolve_label_encoding(
        "vessels", read_vessels(drawn), num_classes=1, names=TASKS["vessels"].classes, folder=drawn
    )
    assert labels.describe() == "0 -> background, 255 -> vessel"


def test_a_field_of_view_from_a_file_counts_as_it_is(drawn):
    for sample in read_vessels(drawn):
        assert np.array_equal(load_sample(sample)[2], read_label(drawn / "regions" / sample.image.name) > 0)


def test_without_a_file_the_field_of_view_is_found_on_the_photograph(drawn):
    drew = [load_sample(sample)[2] for sample in read_vessels(drawn)]
    shutil.rmtree(drawn / "regions")
    for sample, region in zip(read_vessels(drawn), drew, strict=True):
        field_of_view = load_sample(sample)[2]
        assert 0.9 < (field_of_view & region).sum() / (field_of_view | region).sum() <= 1
        assert not field_of_view[0, 0]


def test_a_folder_without_images_is_reported(tmp_path):
    with pytest.raises(CenetError, match="it has no folder images; put images into images/"):
        read_vessels(tmp_path)
