"""How many classes labels hold, and that labels which number objects are one."""

import json

import numpy as np
import pytest
from PIL import Image

from cenet.config.plan import Choice
from cenet.data.labels.count_classes import count_classes
from cenet.data.labels.detect import detect_encoding
from cenet.data.sample import Sample
from cenet.errors import CenetError


def save_labels(folder, labels):
    samples = []
    for number, label in enumerate(labels):
        path = folder / f"{number}.png"
        Image.fromarray(np.asarray(label)).save(path)
        samples.append(Sample(str(number), path, (path,)))
    return samples


def draw_objects(count, dtype=np.uint8):
    label = np.zeros((8, 4 * max(count, 3)), dtype)
    for number in range(1, count + 1):
        label[2:5, 4 * number - 4 : 4 * number - 2] = number
    return label


@pytest.mark.parametrize(
    ("values", "num_classes"),
    [([0, 255], 1), ([0, 1], 1), ([0, 1, 2], 3), ([0, 1, 2, 3, 4], 5), ([0, 128, 255], 3), ([0], 1), ([0, 1, 3], 4)],
)
def test_values_are_counted(tmp_path, values, num_classes):
    labels = [np.tile(np.array(values, np.uint8), (6, 2)) for _ in range(3)]
    count = count_classes(save_labels(tmp_path, labels))
    assert count.num_classes == num_classes
    assert not count.nested


def test_a_declaration_takes_precedence(tmp_path):
    samples = save_labels(tmp_path, [np.array([[0, 9]], np.uint8)])
    names = [{"name": name} for name in ("disc", "cup")]
    (tmp_path / "classes.json").write_text(json.dumps({"classes": names, "nested": True}))
    count = count_classes(samples, folder=tmp_path)
    assert (count.num_classes, count.nested) == (3, True)


def test_folders_for_classes_and_files_for_objects_are_counted(tmp_path):
    (sample,) = save_labels(tmp_path, [draw_objects(1)])
    two = Sample("a", sample.image, sample.label * 2, classes=("artery", "vein"))
    assert count_classes([two]).num_classes == 3
    assert count_classes([Sample("b", sample.image, sample.label * 2)]).num_classes == 1


@pytest.mark.parametrize("counts", [(3, 7, 5), (40,), (0, 50, 1)])
def test_labels_that_number_objects_are_one_class_whatever_numbers_come_later(tmp_path, counts):
    samples = save_labels(tmp_path, [draw_objects(count) for count in counts])
    assert count_classes(samples).num_classes == 1
    encoding = detect_encoding(samples, num_classes=1)
    assert "number of an object" in encoding.describe()
    (tmp_path / "later").mkdir()
    (later,) = save_labels(tmp_path / "later", [draw_objects(300, np.uint16)])
    assert encoding.read(later).sum() == 300 * 6
    assert encoding.read(later).max() == 1


def test_classes_that_are_in_every_image_are_not_taken_for_objects(tmp_path):
    samples = save_labels(tmp_path, [draw_objects(5) for _ in range(4)])
    assert count_classes(samples).num_classes == 6
    with pytest.raises(CenetError):
        detect_encoding(samples, num_classes=1)


def test_values_in_many_pieces_are_not_taken_for_objects(tmp_path):
    labels = [np.tile(draw_objects(count), (2, 1)) for count in (3, 5, 7)]
    assert count_classes(save_labels(tmp_path, labels)).num_classes == 8


def test_colours_are_classes_beside_black(tmp_path):
    label = np.zeros((6, 9, 3), np.uint8)
    label[:, 3:6], label[:, 6:] = (250, 50, 83), (0, 170, 255)
    count = count_classes(save_labels(tmp_path, [label, label]))
    assert count.num_classes == 3
    assert "black for the background" in count.reason


def test_smoothed_edges_are_no_classes(tmp_path):
    label = np.zeros((40, 40), np.float32)
    label[10:30, 10:30] = 255
    smooth = np.asarray(Image.fromarray(label.astype(np.uint8)).resize((61, 61), Image.Resampling.BICUBIC))
    assert len(np.unique(smooth)) > 3
    count = count_classes(save_labels(tmp_path, [smooth] * 2))
    assert count.num_classes == 1


@pytest.mark.parametrize("white", [255, 65535])
def test_binary_labels_with_different_foregrounds_are_refused(tmp_path, white):
    dtype = np.uint8 if white == 255 else np.uint16
    labels = [np.array([[0, value]], dtype) for value in (1, white, 1)]
    for use in (count_classes, lambda samples: detect_encoding(samples, num_classes=1)):
        with pytest.raises(CenetError, match=r"0\.png: the label holds 0, 1, but .*1\.png holds 0, "):
            use(save_labels(tmp_path, labels))


def test_masks_of_white_and_of_nearly_white_are_refused_and_not_counted_as_two_classes(tmp_path):
    labels = [np.array([[0, value]], np.uint8) for value in (254, 255, 254)]
    with pytest.raises(CenetError, match=r"0\.png: the label holds 0, 254, but .*1\.png holds 0, 255"):
        count_classes(save_labels(tmp_path, labels))


def test_labels_that_each_hold_one_of_two_classes_are_no_binary_labels(tmp_path):
    assert count_classes(save_labels(tmp_path, [np.array([[0, value]], np.uint8) for value in (1, 2)])).num_classes == 3
    both = [np.array([[0, 1, 255]], np.uint8), np.array([[0, 1, 0]], np.uint8)]
    assert count_classes(save_labels(tmp_path, both), ignore_value=255).num_classes == 1


def test_one_label_of_mixed_grey_among_clean_ones_is_named_and_makes_no_classes(tmp_path):
    clean = np.repeat(np.array([[0, 255]], np.uint8), 9, axis=1)
    for number, grey in enumerate((np.arange(256), np.array([0, 90, 180, 255]))):
        (tmp_path / str(number)).mkdir()
        labels = [clean, clean, np.tile(grey.astype(np.uint8), (4, 1)), clean]
        with pytest.raises(CenetError, match=r"2\.png: .*smoothing mixes values; .*`cenet doctor DATA`"):
            count_classes(save_labels(tmp_path / str(number), labels))


def test_many_values_in_every_label_are_refused_and_few_are_classes(tmp_path):
    with pytest.raises(CenetError, match="40 values, 0, 1, 2"):
        count_classes(save_labels(tmp_path, [np.tile(np.arange(40, dtype=np.uint8), (6, 2))] * 3))
    labels = [np.tile(np.array(values, np.uint8), (6, 2)) for values in ([0, 255], [0, 128, 255], [0, 128])]
    assert count_classes(save_labels(tmp_path, labels)).num_classes == 3


@pytest.mark.parametrize("values", [(0, 1, 255), (0, 1, 2, 255)])
def test_255_above_class_indices_is_not_guessed(tmp_path, values):
    label = np.repeat(np.array(values, np.uint8), 12)[None].repeat(12, axis=0)
    samples = save_labels(tmp_path, [label, label])
    with pytest.raises(CenetError, match="--ignore-value 255"):
        count_classes(samples)
    assert count_classes(samples, ignore_value=255).num_classes == (1 if len(values) == 3 else 3)


def test_the_names_of_many_classes_fit_into_the_reason_of_a_plan(tmp_path):
    names = [{"name": f"vertebra and disc {number}"} for number in range(117)]
    (tmp_path / "classes.json").write_text(json.dumps({"classes": names}))
    count = count_classes(save_labels(tmp_path, [np.array([[0, 9]], np.uint8)]), folder=tmp_path)
    assert count.num_classes == 118
    assert "and 114 more" in Choice(field="num_classes", value="118", reason=count.reason).reason


def colour_objects(count, seed):
    colours = np.random.default_rng(seed).integers(40, 256, (count + 1, 3), np.uint8)
    colours[0] = 0
    return colours[draw_objects(count)]


@pytest.mark.parametrize("count", [8, 50])
def test_a_colour_for_each_object_is_no_class_for_each(tmp_path, count):
    labels = save_labels(tmp_path, [colour_objects(count + number, number) for number in range(3)])
    with pytest.raises(CenetError) as error:
        count_classes(labels)
    assert "--objects" in error.value.remedy


def test_colours_that_come_again_in_each_label_are_classes(tmp_path):
    labels = save_labels(tmp_path, [colour_objects(9, seed=0) for _ in range(3)])
    assert count_classes(labels).num_classes == 10


def test_a_photograph_has_no_objects(tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (60, 60, 3), np.uint8)
    with pytest.raises(CenetError) as error:
        count_classes(save_labels(tmp_path, [photo]))
    assert "--objects" not in error.value.remedy
