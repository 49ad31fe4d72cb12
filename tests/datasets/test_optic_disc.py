import shutil

import numpy as np
import pytest
from PIL import Image

from cenet.data.loading import load_sample
from cenet.datasets.optic_disc import detect_disc_encoding, read_disc
from cenet.datasets.resolve import resolve_label_encoding
from cenet.errors import CenetError

SIZE = 40
FAR = np.hypot(*(np.mgrid[:SIZE, :SIZE] - 20.0))
LEVELS = np.array([0, 64, 128, 191, 255], np.uint8)


def write(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def photograph(path, seed=0):
    noise = np.random.default_rng(seed).integers(0, 20, (SIZE, SIZE, 3))
    write(path, np.where(FAR[..., None] < 19, 120 + noise, 2).astype(np.uint8))


def white(inside):
    return np.where(inside, 255, 0).astype(np.uint8)


def soft(*radii):
    """A soft map of discs that four experts drew."""
    return LEVELS[sum((radius > FAR).astype(int) for radius in radii)]


def drishti(folder, *, names=("drishtiGS_010", "drishtiGS_009"), images="Training/Images/ALL", ending="jpg"):
    for number, name in enumerate(names):
        photograph(folder / images / f"{name}.{ending}", seed=number)
        place = folder / "Training" / "GT" / name / "SoftMap"
        write(place / f"{name}_ODsegSoftmap.png", soft(9, 10, 11, 12))
        write(place / f"{name}_cupsegSoftmap.png", soft(3, 5, 6, 7))
        (place.parent / f"{name}_cdrValues.txt").touch()
    return folder


@pytest.fixture
def plain(tmp_path):
    for name in ("a", "b"):
        photograph(tmp_path / "images" / f"{name}.png")
        write(tmp_path / "masks" / "disc" / f"{name}.png", white(FAR < 10))
        write(tmp_path / "masks" / "cup" / f"{name}.png", white(FAR < 5))
    return tmp_path


@pytest.fixture
def experts(tmp_path):
    for name in ("a", "b"):
        photograph(tmp_path / "images" / f"{name}.png")
        for number in range(1, 6):
            write(tmp_path / "experts" / str(number) / f"{name}.png", white(5 + number > FAR))
    return tmp_path


@pytest.mark.parametrize("images", ["Training/Images", "Training/Images/ALL", "Training/Images/a/b"])
@pytest.mark.parametrize("ending", ["png", "jpg", "PNG"])
def test_drishti_is_found_wherever_its_photographs_lie(tmp_path, images, ending):
    first, second = read_disc(drishti(tmp_path, images=images, ending=ending))
    assert (first.name, second.name) == ("drishtiGS_009", "drishtiGS_010")
    assert first.image == tmp_path / images / f"drishtiGS_009.{ending}"
    assert first.classes == ("disc", "cup")
    assert [path.name for path in first.label] == ["drishtiGS_009_ODsegSoftmap.png", "drishtiGS_009_cupsegSoftmap.png"]
    assert (first.group, first.fundus, first.region) == ("drishtiGS_009", True, None)


def test_the_folder_around_drishti_will_do(tmp_path):
    drishti(tmp_path / "Drishti-GS1_files")
    assert len(read_disc(tmp_path)) == 2
    assert read_disc(tmp_path) == read_disc(tmp_path / "Drishti-GS1_files")


def test_the_test_half_is_not_read(tmp_path):
    drishti(tmp_path)
    photograph(tmp_path / "Test" / "Images" / "drishtiGS_001.png")
    assert len(read_disc(tmp_path)) == 2


def test_soft_maps_are_cut_at_three_of_four(tmp_path):
    samples = read_disc(drishti(tmp_path))
    labels = resolve_label_encoding("disc", samples, num_classes=3, nested=True, folder=tmp_path)
    assert labels.votes == (3, 4)
    expected = np.where(FAR < 5, 2, np.where(FAR < 10, 1, 0))
    for sample in samples:
        image, label, region = load_sample(sample, labels)
        assert (label == expected).all()
        assert image.shape == (SIZE, SIZE, 3)
        assert region.shape == (SIZE, SIZE)


def test_a_group_is_found_in_the_name(tmp_path):
    assert [sample.group for sample in read_disc(drishti(tmp_path), group_pattern="_([0-9]{2})")] == ["00", "01"]
    with pytest.raises(CenetError, match="finds no group in its name"):
        read_disc(tmp_path, group_pattern="patient")


@pytest.mark.parametrize("lost", ["OD", "cup"])
def test_one_soft_map_without_the_other_is_reported(tmp_path, lost):
    drishti(tmp_path)
    path = tmp_path / "Training" / "GT" / "drishtiGS_010" / "SoftMap" / f"drishtiGS_010_{lost}segSoftmap.png"
    path.unlink()
    with pytest.raises(CenetError, match=rf"drishtiGS_010_{lost}segSoftmap\.png: this soft map is missing; "):
        read_disc(tmp_path)


def test_a_photograph_without_soft_maps_has_no_label(tmp_path):
    drishti(tmp_path)
    shutil.rmtree(tmp_path / "Training" / "GT" / "drishtiGS_010")
    first, second = read_disc(tmp_path)
    assert first.label
    assert (second.label, second.classes) == ((), ())


def test_soft_maps_without_a_photograph_are_passed_over(tmp_path):
    drishti(tmp_path)
    (tmp_path / "Training" / "Images" / "ALL" / "drishtiGS_010.jpg").unlink()
    assert [sample.name for sample in read_disc(tmp_path)] == ["drishtiGS_009"]


def test_drishti_without_any_soft_map_or_photograph_is_reported(tmp_path):
    drishti(tmp_path)
    shutil.rmtree(tmp_path / "Training" / "GT")
    with pytest.raises(CenetError, match="GT: it contains no soft map for any photograph; unpack Drishti-GS1"):
        read_disc(tmp_path)
    shutil.rmtree(tmp_path / "Training" / "Images")
    with pytest.raises(CenetError, match="Images: it contains no photograph; unpack Drishti-GS1 again"):
        read_disc(tmp_path)


def test_a_photograph_that_is_there_twice_is_reported(tmp_path):
    drishti(tmp_path)
    photograph(tmp_path / "Training" / "Images" / "drishtiGS_010.png")
    with pytest.raises(CenetError, match=r"drishtiGS_010\.png: .*drishtiGS_010\.jpg has the same name; keep one"):
        read_disc(tmp_path)


def test_a_map_of_binary_values_is_no_soft_map_of_four(tmp_path):
    drishti(tmp_path)
    path = tmp_path / "Training" / "GT" / "drishtiGS_010" / "SoftMap" / "drishtiGS_010_cupsegSoftmap.png"
    write(path, np.where(FAR < 5, 100, 0).astype(np.uint8))
    with pytest.raises(CenetError, match=r"drishtiGS_010_cupsegSoftmap\.png: the soft map holds 100, but 4 experts"):
        resolve_label_encoding("disc", read_disc(tmp_path), num_classes=3, nested=True)


@pytest.mark.parametrize(("num_classes", "nested"), [(1, False), (3, False), (4, True)])
def test_options_that_contradict_drishti_are_reported(tmp_path, num_classes, nested):
    with pytest.raises(CenetError, match=r"nested classes.*: disc, cup; pass --num-classes 3 --nested true"):
        resolve_label_encoding("disc", read_disc(drishti(tmp_path)), num_classes=num_classes, nested=nested)


def test_in_the_plain_layout_the_disc_comes_first(plain):
    a, b = read_disc(plain)
    assert a.classes == b.classes == ("disc", "cup")
    assert a.label == (plain / "masks" / "disc" / "a.png", plain / "masks" / "cup" / "a.png")
    assert a.fundus
    assert b.group == "b"
    labels = resolve_label_encoding("disc", [a, b], num_classes=3, nested=True, folder=plain)
    assert (load_sample(a, labels)[1] == np.where(FAR < 5, 2, np.where(FAR < 10, 1, 0))).all()


def test_without_cups_there_is_one_class(plain):
    shutil.rmtree(plain / "masks" / "cup")
    samples = read_disc(plain)
    assert samples[0].classes == ("disc",)
    labels = resolve_label_encoding("disc", samples, num_classes=1, folder=plain)
    assert (labels.names, labels.nested) == (("disc",), False)
    assert (load_sample(samples[0], labels)[1] == (FAR < 10)).all()


def test_a_cup_that_is_missing_for_one_photograph_is_reported(plain):
    (plain / "masks" / "cup" / "b.png").unlink()
    with pytest.raises(CenetError, match=r"cup: there is no file for b\.png, which the other folders have; "):
        read_disc(plain)


def test_a_cup_outside_its_disc_is_reported(plain):
    write(plain / "masks" / "cup" / "b.png", white(FAR > 15))
    labels = resolve_label_encoding("disc", read_disc(plain), num_classes=3, nested=True, folder=plain)
    with pytest.raises(CenetError, match=r"b\.png: some of cup lies outside disc"):
        labels.read(read_disc(plain)[1])


@pytest.mark.parametrize("names", [("cup",), ("disc", "rim"), ("disc", "cup", "rim")])
def test_other_classes_are_not_of_this_task(tmp_path, names):
    photograph(tmp_path / "images" / "a.png")
    for name in names:
        write(tmp_path / "masks" / name / "a.png", white(FAR < 5))
    with pytest.raises(CenetError, match=r"masks: it holds .*; name its folders disc and, if there is one, cup"):
        read_disc(tmp_path)


def test_one_file_with_a_value_for_each_class_will_do(tmp_path):
    photograph(tmp_path / "images" / "a.png")
    write(tmp_path / "masks" / "a.png", np.where(FAR < 5, 2, np.where(FAR < 10, 1, 0)).astype(np.uint8))
    samples = read_disc(tmp_path)
    assert samples[0].classes == ()
    labels = resolve_label_encoding("disc", samples, num_classes=3, nested=True, names=("disc", "cup"), folder=tmp_path)
    assert (labels.names, labels.nested) == (("disc", "cup"), True)


def test_without_cups_one_file_is_the_disc(tmp_path):
    photograph(tmp_path / "images" / "a.png")
    write(tmp_path / "masks" / "a.png", white(FAR < 10))
    labels = resolve_label_encoding("disc", read_disc(tmp_path), num_classes=1, names=("disc", "cup"), folder=tmp_path)
    assert labels.names == ("disc",)


def test_a_region_overrides_what_is_found(plain):
    for name in ("a", "b"):
        write(plain / "regions" / f"{name}.png", white(FAR < 18))
    assert (load_sample(read_disc(plain)[0])[2] == (FAR < 18)).all()


def test_most_of_the_experts_decide(experts):
    samples = read_disc(experts)
    assert [path.parent.name for path in samples[0].label] == ["1", "2", "3", "4", "5"]
    assert samples[0].fundus
    labels = resolve_label_encoding("disc", samples, num_classes=1, folder=experts)
    assert (labels.kind, labels.names, labels.votes) == ("experts", ("disc",), (3, 5))
    assert (load_sample(samples[0], labels)[1] == (FAR < 8)).all()


@pytest.mark.parametrize(("count", "least"), [(1, 1), (2, 2), (3, 2), (4, 3)])
def test_more_than_half_of_the_experts_are_needed(experts, count, least):
    for number in range(count + 1, 6):
        shutil.rmtree(experts / "experts" / str(number))
    assert detect_disc_encoding(read_disc(experts)).votes == (least, count)


def test_a_photograph_that_no_expert_labelled_has_no_label(experts):
    for number in range(1, 6):
        (experts / "experts" / str(number) / "b.png").unlink()
    assert [len(sample.label) for sample in read_disc(experts)] == [5, 0]


def test_a_missing_expert_is_reported(experts):
    (experts / "experts" / "3" / "b.png").unlink()
    with pytest.raises(CenetError, match=r"experts/3: there is no file for b\.png, which the other folders have; add"):
        read_disc(experts)


def test_a_run_of_five_experts_does_not_read_four(experts):
    labels = detect_disc_encoding(read_disc(experts))
    shutil.rmtree(experts / "experts" / "4")
    with pytest.raises(CenetError, match=r"a\.png: it has the labels of 4 experts, but "):
        labels.read(read_disc(experts)[0])


def test_an_expert_who_drew_no_binary_mask_is_reported(experts):
    write(experts / "experts" / "2" / "a.png", np.where(FAR < 5, 130, white(FAR < 10)).astype(np.uint8))
    with pytest.raises(CenetError, match=r"experts/2/a\.png: .* a binary label has two"):
        resolve_label_encoding("disc", read_disc(experts), num_classes=1, folder=experts)


def test_experts_drew_one_class(experts):
    with pytest.raises(CenetError, match=r"classes, beside the background: disc; pass --num-classes 1 --nested false"):
        resolve_label_encoding("disc", read_disc(experts), num_classes=3, nested=True, folder=experts)


def test_experts_beside_masks_or_without_folders_are_reported(experts):
    write(experts / "masks" / "a.png", white(FAR < 5))
    with pytest.raises(CenetError, match="it has both masks and experts; keep one of them"):
        read_disc(experts)
    shutil.rmtree(experts / "masks")
    write(experts / "experts" / "a.png", white(FAR < 5))
    with pytest.raises(CenetError, match=r"a\.png: this file is beside folders for experts; "):
        read_disc(experts)
    shutil.rmtree(experts / "experts")
    (experts / "experts").mkdir()
    with pytest.raises(CenetError, match="experts: it has no folder for an expert; put the labels into"):
        read_disc(experts)


def test_other_folders_are_refused_with_what_is_expected(tmp_path):
    with pytest.raises(CenetError, match="it has no folder Training or images; name the folder of Drishti-GS1"):
        read_disc(tmp_path)
    with pytest.raises(CenetError, match="there is no such folder"):
        read_disc(tmp_path / "gone")


def test_without_labels_nothing_is_said_of_them():
    assert detect_disc_encoding([]) is None


@pytest.mark.data
def test_drishti_as_distributed_is_read(data_set):
    samples = read_disc(data_set("Drishti-GS1"))
    assert len(samples) == 50
    assert all(len(sample.label) == 2 for sample in samples)
    labels = detect_disc_encoding(samples)
    for sample in samples[:3]:
        label = labels.read(sample)
        disc, cup = (label > 0).sum(), (label == 2).sum()
        assert 0.005 < disc / label.size < 0.1
        assert 0.05 < cup / disc < 0.95
