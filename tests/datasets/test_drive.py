import numpy as np
import pytest
from PIL import Image

from cenet.data.labels.detect import detect_encoding
from cenet.data.loading import load_sample
from cenet.datasets.fundus_vessels import read_drive
from cenet.errors import CenetError

PLACES = ("images/{}_training.tif", "1st_manual/{}_manual1.gif", "mask/{}_training_mask.gif")


@pytest.fixture
def drive(tmp_path):
    """Drawn files in the layout of DRIVE, 6 x 5 pixels each; the vessel is row number % 5."""
    folder = tmp_path / "DRIVE"
    for place in PLACES:
        (folder / "training" / place).parent.mkdir(parents=True)
    for number in range(21, 41):
        photograph, manual, mask = (folder / "training" / place.format(number) for place in PLACES)
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


def test_the_parent_folder_will_do(drive):
    assert read_drive(drive.parent) == read_drive(drive)


def test_the_test_half_is_not_read_even_with_labels(drive):
    for name in ("images/01_test.tif", "1st_manual/01_manual1.gif", "mask/01_test_mask.gif"):
        (drive / "test" / name).parent.mkdir(parents=True)
        (drive / "test" / name).touch()
    assert len(read_drive(drive)) == 20


def test_an_expression_for_the_group_holds(drive):
    assert {sample.group for sample in read_drive(drive, group_pattern="^[0-9]")} == {"2", "3", "4"}


@pytest.mark.parametrize("number", [21, 30, 40])
def test_a_photograph_that_is_gone_is_passed_over(drive, number):
    before = read_drive(drive)
    (drive / "training" / PLACES[0].format(number)).unlink()
    assert read_drive(drive) == [sample for sample in before if sample.group != str(number)]


def test_a_photograph_without_manual_has_no_label(drive):
    (drive / "training" / PLACES[1].format(30)).unlink()
    assert [sample.group for sample in read_drive(drive) if not sample.label] == ["30"]


def test_a_field_of_view_that_is_gone_is_told_when_it_is_needed(drive):
    path = drive / "training" / PLACES[2].format(30)
    path.unlink()
    with pytest.raises(CenetError, match=f"^{path}: "):
        load_sample(read_drive(drive)[9])


def test_a_training_folder_without_photographs_is_told(drive):
    for path in (drive / "training" / "images").iterdir():
        path.unlink()
    with pytest.raises(CenetError, match=r"images: there is no 21_training\.tif in it"):
        read_drive(drive)


def test_another_folder_is_answered_with_the_expected_tree(tmp_path):
    with pytest.raises(CenetError, match=r"no folder training.*training/1st_manual/21_manual1\.gif"):
        read_drive(tmp_path)


def test_the_folder_below_is_answered_with_the_one_above_it(drive):
    with pytest.raises(CenetError, match=r"training: this is a part of DRIVE; name the folder above it$"):
        read_drive(drive / "training")


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(CenetError, match="there is no such folder"):
        read_drive(tmp_path / "DRIVE")


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "DRIVE.zip").touch()
    with pytest.raises(CenetError, match="this is a file"):
        read_drive(tmp_path / "DRIVE.zip")


@pytest.mark.data
def test_drive_as_distributed_is_read(data_set):
    samples = read_drive(data_set("DRIVE"))
    assert len(samples) == 20
    labels = detect_encoding(samples, num_classes=1)
    for sample in samples:
        image, label, region = load_sample(sample, labels)
        assert (image.shape, image.dtype) == ((584, 565, 3), np.uint8)
        assert set(np.unique(label)) == {0, 1}
        assert 0.6 < region.mean() < 0.75
        assert 0.05 < label[region].mean() < 0.2
        # the photograph is bright inside the field of view, so the three files are turned alike
        assert image[region].mean() > 3 * image[~region].mean()
