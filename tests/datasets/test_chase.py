import numpy as np
import pytest

from cenet.data.labels.detect import detect_encoding
from cenet.data.loading import load_sample
from cenet.datasets.fundus_vessels import read_chase
from cenet.errors import CenetError

NAMES = [f"Image_{child:02}{eye}" for child in range(1, 15) for eye in "LR"]


def make(folder, images, manual):
    for name in NAMES:
        for path in (images / f"{name}.jpg", manual / f"{name}_1stHO.png", manual / f"{name}_2ndHO.png"):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).touch()
    return folder


@pytest.fixture(params=["flat", "folders"])
def chase(request, tmp_path):
    """Empty files in one of the two layouts."""
    folder = tmp_path / "CHASE_DB1"
    flat = request.param == "flat"
    return make(folder, folder if flat else folder / "images", folder if flat else folder / "manual")


def test_chase_has_two_eyes_of_each_child(chase):
    samples = read_chase(chase)
    assert [sample.name for sample in samples] == NAMES
    assert [sample.group for sample in samples] == [name[6:8] for name in NAMES]
    assert {(sample.region, sample.fundus) for sample in samples} == {(None, True)}  # it is found on the photograph


def test_the_first_observer_is_the_truth(chase):
    for sample in read_chase(chase):
        assert sample.image.name == f"{sample.name}.jpg"
        assert [path.name for path in sample.label] == [f"{sample.name}_1stHO.png"]
        assert sample.label[0].is_file()


def test_the_parent_folder_will_do(chase):
    assert read_chase(chase.parent) == read_chase(chase)


def test_an_expression_for_the_group_holds(chase):
    assert {sample.group for sample in read_chase(chase, group_pattern="[LR]$")} == {"L", "R"}


def test_a_photograph_that_is_gone_is_passed_over(chase):
    next(chase.rglob("Image_07R.jpg")).unlink()
    assert [sample.name for sample in read_chase(chase)] == [name for name in NAMES if name != "Image_07R"]


def test_a_photograph_without_manual_has_no_label(chase):
    next(chase.rglob("Image_07R_1stHO.png")).unlink()
    assert [sample.name for sample in read_chase(chase) if not sample.label] == ["Image_07R"]


def test_another_folder_is_told(tmp_path):
    with pytest.raises(CenetError, match=r"there is no Image_01L\.jpg in it; "):
        read_chase(tmp_path)
    with pytest.raises(CenetError, match="there is no such folder"):
        read_chase(tmp_path / "nowhere")


@pytest.mark.data
def test_chase_as_distributed_is_read(data_set):
    samples = read_chase(data_set("CHASE_DB1"))
    labels = detect_encoding(samples, num_classes=1, names=("vessel",))
    assert labels.describe() == "0 -> background, 1 -> vessel"
    for sample in samples[::9]:
        image, label, region = load_sample(sample, labels)
        assert (image.shape, label.shape, region.shape) == ((960, 999, 3), (960, 999), (960, 999))
        assert set(np.unique(label)) == {0, 1}
        assert 0.03 < label.mean() < 0.15
        assert 0.6 < region.mean() < 0.8
        assert label[~region].sum() < 0.01 * label.sum()
