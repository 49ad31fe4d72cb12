import json
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from cenet.data.io.read import read_label
from cenet.data.labels.detect import IGNORED, LabelEncoding, detect_encoding
from cenet.data.sample import Sample
from cenet.datasets.folder import read_folder
from cenet.datasets.fundus_vessels import read_chase
from cenet.errors import CenetError

RED, GREEN, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 0)


def file(path, pixels, dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.array(pixels, dtype)
    if path.suffix == ".tif":
        tifffile.imwrite(path, array)
    else:
        Image.fromarray(array).save(path)
    return path


@pytest.fixture
def drawn(tmp_path):
    """Draws samples with one label file each, from rows of values."""

    def draw(*labels, suffix="png", **options):
        return [
            Sample(
                f"{index}", tmp_path / f"{index}.png", (file(tmp_path / f"label-{index}.{suffix}", [row], **options),)
            )
            for index, row in enumerate(labels)
        ]

    return draw


def read_all(samples, **options):
    labels = detect_encoding(samples, **options)
    assert LabelEncoding.model_validate_json(labels.model_dump_json()) == labels
    return labels, [labels.read(sample).tolist()[0] for sample in samples]


def refusal(act, *arguments, **options):
    with pytest.raises(CenetError) as error:
        act(*arguments, **options)
    message = str(error.value)
    assert "; " in message
    assert "\n" not in message
    return message


# --- one file, one value for each class -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "num_classes", "description", "classes"),
    [
        ([[0, 1], [0, 0]], 1, "0 -> background, 1 -> foreground", [[0, 1], [0, 0]]),
        ([[0, 255], [255, 255]], 1, "0 -> background, 255 -> foreground", [[0, 1], [1, 1]]),
        ([[0, 0], [1, 1]], 1, "0 -> background, 1 -> foreground", [[0, 0], [1, 1]]),
        ([[4, 252], [4, 4]], 1, "4 -> background, 252 -> foreground", [[0, 1], [0, 0]]),
        ([[0, 128]], 1, "0 -> background, 128 -> foreground", [[0, 1]]),
        ([[0, 255]], 2, "0 -> background, 255 -> foreground", [[0, 1]]),
        ([[1, 2]], 2, "1 -> background, 2 -> foreground", [[0, 1]]),
        ([[0, 2], [0, 1]], 3, "0 -> background, 1 -> class 1, 2 -> class 2", [[0, 2], [0, 1]]),
        ([[0, 2], [0, 0]], 3, "0 -> background, 1 -> class 1, 2 -> class 2", [[0, 2], [0, 0]]),
        ([[0, 255], [0, 80]], 3, "0 -> background, 80 -> class 1, 255 -> class 2", [[0, 2], [0, 1]]),
    ],
)
def test_values_are_recognised_over_the_whole_set(drawn, rows, num_classes, description, classes):
    labels, read = read_all(drawn(*rows), num_classes=num_classes)
    assert (labels.kind, labels.describe(), read) == ("values", description, classes)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("full", [1, 255, 4000])
def test_wider_numbers_are_recognised(drawn, dtype, full):
    assert read_all(drawn([0, full, 0], suffix="tif", dtype=dtype), num_classes=1)[1] == [[0, 1, 0]]


def test_labels_are_uint8(drawn):
    (sample,) = drawn([0, 255])
    assert detect_encoding([sample], num_classes=1).read(sample).dtype == np.uint8


@pytest.mark.parametrize(
    ("rows", "num_classes", "words"),
    [
        ([[0, 0], [0, 0]], 1, ["label-0.png", "only background", "mark the foreground"]),
        ([[0, 0]], 3, ["only background"]),
        ([[0, 1], [0, 255]], 1, ["label-0.png: the label holds 0, 1", "label-1.png holds 0, 255", "classes.json"]),
        ([[0, 0], [0, 255], [1, 0]], 1, ["label-1.png: the label holds 0, 255", "label-2.png holds 0, 1"]),
        ([[0, 1], [0, 2], [0, 3]], 1, ["label-0.png: the label holds 0, 1", "label-1.png holds 0, 2"]),
        ([[1, 2]], 1, ["the values 1, 2", "--num-classes 2", "classes.json"]),
        ([[255, 255]], 1, ["the values 255", "; give their meaning in a classes.json"]),
        ([[0, 1, 255]], 1, ["the values 0, 1, 255", "--num-classes 3", "--ignore-value 255"]),
        ([[0, 0], [0, 1, 255]], 1, ["label-1.png", "--ignore-value 255"]),
        ([[0, 128, 255]], 1, ["the values 0, 128, 255", "--num-classes 3", "--ignore-value 128", "--ignore-value 255"]),
        ([[0, 1, 2, 3]], 1, ["--num-classes 4"]),
        ([[0, 1, 2]], 2, ["0, 1, 2, but 2 classes are requested", "--num-classes 3"]),
        ([[0, 255]], 3, ["0, 255, but 3 classes are requested", "--num-classes 1"]),
        ([[0, 80, 160, 255]], 3, ["--num-classes 4", "--ignore-value 255"]),
        ([range(0, 200, 2)], 1, ["0, 2, 4, 6, 8, 10, 12, 14, ...", "save the label as PNG from its source"]),
    ],
)
def test_what_is_ambiguous_is_asked_with_the_options_that_decide(drawn, rows, num_classes, words):
    message = refusal(detect_encoding, drawn(*rows), num_classes=num_classes)
    for part in words:
        assert part in message


@given(rows=st.lists(st.lists(st.sampled_from([0, 1, 255]), min_size=2, max_size=4), min_size=1, max_size=4))
def test_a_binary_label_is_read_as_drawn_or_asked(rows):
    with tempfile.TemporaryDirectory() as folder:
        paths = [file(Path(folder, f"{index}.png"), [row]) for index, row in enumerate(rows)]
        samples = [Sample(path.stem, path, (path,)) for path in paths]
        values = {value for row in rows for value in row}
        if values in ({0, 1}, {0, 255}, {1, 255}):
            assert read_all(samples, num_classes=1)[1] == [[int(value == max(values)) for value in row] for row in rows]
        else:
            refusal(detect_encoding, samples, num_classes=1)


def test_samples_without_a_label_are_passed_over(drawn):
    unlabelled = Sample("eye", Path("eye.png"))
    assert detect_encoding([unlabelled, *drawn([0, 1])], num_classes=1).names == ("foreground",)
    assert "eye.png: no image has a label" in refusal(detect_encoding, [unlabelled], num_classes=1)
    assert "no image has a label" in refusal(detect_encoding, [], num_classes=1)


def test_the_names_of_a_task_are_used_where_their_number_fits(drawn):
    samples = drawn([0, 1, 2])
    assert detect_encoding(samples, num_classes=3, names=("disc", "cup")).names == ("disc", "cup")
    assert detect_encoding(samples, num_classes=3, names=("vessel",)).names == ("class 1", "class 2")


def test_a_value_that_the_set_did_not_hold_is_reported_with_those_it_held(drawn):
    known, strange = drawn([0, 255], [0, 7])
    labels = detect_encoding([known], num_classes=1)
    message = refusal(labels.read, strange)
    assert message.startswith(str(strange.label[0]))
    assert "holds 7, but the labels are: 0 -> background, 255 -> foreground; " in message


# --- unannotated pixels -------------------------------------------------------------------------------------


def test_a_value_can_be_ignored(drawn):
    labels, read = read_all(drawn([0, 1, 255], [0, 0, 1]), num_classes=1, ignore_value=255)
    assert labels.describe() == "0 -> background, 1 -> foreground, 255 -> ignored"
    assert read == [[0, 1, IGNORED], [0, 0, 1]]


def test_zero_can_be_ignored(drawn):
    assert read_all(drawn([0, 1, 2]), num_classes=2, ignore_value=0)[1] == [[IGNORED, 0, 1]]


def test_a_value_to_ignore_that_no_file_holds_is_reported(drawn):
    assert "--ignore-value 7: no label holds this value; the values are 0, 1; " in refusal(
        detect_encoding, drawn([0, 1]), num_classes=1, ignore_value=7
    )


def test_ignoring_all_that_was_drawn_leaves_nothing(drawn):
    assert "only background" in refusal(detect_encoding, drawn([0, 1]), num_classes=1, ignore_value=1)


def test_masks_of_two_kinds_are_not_made_one_by_ignoring_the_other(drawn):
    message = refusal(detect_encoding, drawn([0, 255], [0, 1]), num_classes=1, ignore_value=255)
    assert "label-0.png: apart from 0 it holds only 255, which " in message
    assert "save all labels in the same way" in message


# --- smoothed edges ------------------------------------------------------------------------------------------


def blob(size=60):
    y, x = np.mgrid[:size, :size]
    return (y - size / 2) ** 2 + (x - size / 2) ** 2 < (size / 3) ** 2


def smoothed(path, kind):
    """Saves a disc with smoothed edges, and gives what it was before."""
    if kind == "jpeg":
        Image.fromarray(blob() * np.uint8(255)).save(path.with_suffix(".jpg"), quality=60)
        return path.with_suffix(".jpg"), blob()
    large = Image.fromarray(blob(180) * np.uint8(255)).resize((60, 60), Image.Resampling.BILINEAR)
    values = np.asarray(large)
    if kind == "float":
        tifffile.imwrite(path.with_suffix(".tif"), values.astype(np.float32) / 255)
        return path.with_suffix(".tif"), values > 127.5
    if kind == "16 bit":
        large = Image.fromarray(values.astype(np.uint16) * 257)
    large.save(path)
    return path, values > 127.5


@pytest.mark.parametrize("kind", ["jpeg", "resized", "float", "16 bit"])
def test_smoothed_edges_are_cut_in_the_middle(tmp_path, kind):
    path, mask = smoothed(tmp_path / "a.png", kind)
    sample = Sample("a", path, (path,))
    assert np.unique(read_label(path)).size > 4
    labels = detect_encoding([sample], num_classes=1)
    assert labels.kind == "edges"
    np.testing.assert_array_equal(labels.read(sample), mask)


def test_the_threshold_between_smoothed_values_is_reported(tmp_path):
    path, _ = smoothed(tmp_path / "a.png", "resized")
    labels = detect_encoding([Sample("a", path, (path,))], num_classes=1)
    assert labels.describe() == "up to 127.5 -> background, above -> foreground"


def test_smoothed_classes_are_refused(tmp_path):
    path, _ = smoothed(tmp_path / "a.png", "resized")
    message = refusal(detect_encoding, [Sample("a", path, (path,))], num_classes=3)
    assert "mixed at edges" in message
    assert "--num-classes 1" in message


def test_grey_areas_are_no_smoothed_edges(tmp_path):
    ramp = np.linspace(0, 255, 80).astype(np.uint8)
    path = file(tmp_path / "a.png", np.tile(ramp, (20, 1)))
    assert "the labels hold the values 0, 3, 6" in refusal(detect_encoding, [Sample("a", path, (path,))], num_classes=1)


@pytest.mark.parametrize(
    "other", [[[0] * 40 + [1] * 40], [[0] * 40 + [100] * 40], [[0] * 20 + [100] * 20 + [255] * 40]]
)
def test_a_file_that_was_drawn_otherwise_does_not_slip_through_the_cut(tmp_path, other):
    path, _ = smoothed(tmp_path / "a.png", "resized")
    fine, odd = Sample("a", path, (path,)), Sample("b", path, (file(tmp_path / "b.png", other),))
    labels = detect_encoding([fine], num_classes=1)
    assert "b.png: the label holds 0, " in refusal(labels.read, odd)
    refusal(detect_encoding, [fine, odd], num_classes=1)


def test_an_empty_file_among_smoothed_ones_is_background(tmp_path):
    path, _ = smoothed(tmp_path / "a.png", "resized")
    empty = Sample("b", path, (file(tmp_path / "b.png", np.zeros((9, 9))),))
    labels = detect_encoding([Sample("a", path, (path,)), empty], num_classes=1)
    assert not labels.read(empty).any()


@pytest.mark.data
@pytest.mark.parametrize("quality", [75, 95])
def test_vessels_saved_as_jpeg_come_back(data_set, tmp_path, quality):
    for sample in read_chase(data_set("CHASE_DB1"))[:2]:
        truth, path = read_label(sample.label[0]), tmp_path / f"{sample.name}.jpg"
        Image.fromarray(truth * np.uint8(255)).save(path, quality=quality)
        copy = Sample(sample.name, sample.image, (path,))
        np.testing.assert_array_equal(detect_encoding([copy], num_classes=1).read(copy), truth)


# --- colours -------------------------------------------------------------------------------------------------


def test_colours_become_classes_in_their_order(drawn):
    samples = drawn([BLACK, RED, GREEN], [BLACK, BLACK, RED])
    labels, read = read_all(samples, num_classes=3)
    assert (labels.kind, labels.names, labels.colours) == ("colours", ("#00ff00", "#ff0000"), ("#00ff00", "#ff0000"))
    assert labels.describe() == "#000000 -> background, #00ff00 -> #00ff00, #ff0000 -> #ff0000"
    assert read == [[0, 2, 1], [0, 0, 2]]


def test_colours_may_have_names(drawn):
    labels, _ = read_all(drawn([BLACK, RED]), num_classes=1, names=("vessel",))
    assert (labels.names, labels.colours) == (("vessel",), ("#ff0000",))


def test_a_black_file_among_coloured_ones_is_background(drawn):
    assert read_all(drawn([BLACK, RED], [BLACK, BLACK], [0, 0]), num_classes=1)[1] == [[0, 1], [0, 0], [0, 0]]


def test_a_fraction_is_no_grey_among_colours(drawn, tmp_path):
    tifffile.imwrite(tmp_path / "half.tif", np.array([[0, 0.5]], np.float32))
    samples = [*drawn([BLACK, RED]), Sample("half", tmp_path / "half.png", (tmp_path / "half.tif",))]
    assert "holds 0, 0.5, but other labels are coloured" in refusal(detect_encoding, samples, num_classes=1)


def test_a_grey_can_be_ignored_among_colours(drawn):
    samples = drawn([BLACK, RED, (255, 255, 255)])
    assert read_all(samples, num_classes=1, ignore_value=255)[1] == [[0, 1, IGNORED]]


@pytest.mark.parametrize(
    ("rows", "num_classes", "message"),
    [
        ([[BLACK, RED]], 3, "--num-classes 1"),
        ([[BLACK, RED, GREEN]], 1, "--num-classes 3"),
        ([[(9, 0, 0), RED]], 1, "none is black"),
        ([[(k, 0, 0) for k in range(40)]], 1, "has 40 colours"),
        ([[(k, 0, 0) for k in range(20)], [(0, k, 0) for k in range(20)]], 1, "--num-classes 39"),
    ],
)
def test_other_colours_are_reported(drawn, rows, num_classes, message):
    assert message in refusal(detect_encoding, drawn(*rows), num_classes=num_classes)


def test_a_colour_that_the_set_did_not_hold_is_reported(drawn):
    known, strange = drawn([BLACK, RED], [BLACK, GREEN])
    assert "holds #00ff00, but" in refusal(detect_encoding([known], num_classes=1).read, strange)


def test_a_coloured_file_is_refused_where_none_was(drawn):
    known, strange = drawn([0, 1], [BLACK, GREEN])
    assert "the label is coloured, but" in refusal(detect_encoding([known], num_classes=1).read, strange)


# --- one file for each class ---------------------------------------------------------------------------------


@pytest.fixture
def layered(tmp_path):
    """Draws a sample with one file for each class."""

    def draw(**rows):
        paths = tuple(file(tmp_path / "masks" / name / "eye.png", [row]) for name, row in rows.items())
        return [Sample("eye", tmp_path / "eye.png", paths, classes=tuple(rows))]

    return draw


def test_files_of_classes_are_laid_over_each_other(layered):
    labels, read = read_all(layered(cup=[0, 0, 255], disc=[0, 255, 0]), num_classes=3)
    assert (labels.kind, labels.names, read) == ("classes", ("cup", "disc"), [[0, 2, 1]])
    assert labels.describe() == "one file for each class (cup, disc): 0 -> outside, 255 -> inside"


def test_a_pixel_of_two_classes_is_reported(layered):
    samples = layered(cup=[0, 0, 1], disc=[0, 1, 1])
    message = refusal(detect_encoding(samples, num_classes=3).read, samples[0])
    assert "are both cup and disc" in message
    assert '"nested": true' in message


def test_nested_classes_lie_inside_the_one_before(layered):
    samples = layered(disc=[0, 1, 1], cup=[0, 0, 1])
    labels, read = read_all(samples, num_classes=3, nested=True)
    assert read == [[0, 1, 2]]
    assert labels.describe().endswith("each class inside the one before")
    (odd,) = layered(disc=[0, 1, 0], cup=[0, 0, 1])
    assert "some of cup lies outside disc" in refusal(labels.read, odd)


def test_nested_classes_are_ordered_by_classes_json(layered, tmp_path):
    samples = layered(cup=[0, 0, 1], disc=[0, 1, 1])
    assert "some of disc lies outside cup" in refusal(
        detect_encoding(samples, num_classes=3, nested=True).read, samples[0]
    )
    (tmp_path / "classes.json").write_text('{"classes": [{"name": "disc"}, {"name": "cup"}], "nested": true}')
    assert read_all(samples, num_classes=3, nested=True, folder=tmp_path)[1] == [[0, 1, 2]]


def test_the_number_of_classes_must_fit_the_folders(layered):
    assert "pass --num-classes 3" in refusal(detect_encoding, layered(cup=[0, 1], disc=[1, 0]), num_classes=1)
    assert "pass --num-classes 1" in refusal(detect_encoding, layered(cup=[0, 1]), num_classes=3)


def test_files_of_classes_may_be_of_two_sizes_only_by_mistake(layered):
    samples = layered(cup=[0, 0, 1], disc=[0, 1])
    assert "its size is 2 x 1 pixels, but" in refusal(detect_encoding(samples, num_classes=3).read, samples[0])


def test_all_images_are_labelled_alike(layered, drawn):
    samples = [*drawn([0, 1]), *layered(cup=[0, 1], disc=[1, 0])]
    assert "has one file for all classes, but" in refusal(detect_encoding, samples, num_classes=3)
    labels = detect_encoding(samples[1:], num_classes=3)
    assert "but the labels are: one file for each class" in refusal(labels.read, samples[0])


def test_what_one_class_leaves_undrawn_is_ignored(layered):
    assert read_all(layered(cup=[0, 7, 1, 0], disc=[1, 1, 0, 7]), num_classes=3, ignore_value=7)[1] == [
        [2, 255, 1, 255]
    ]


# --- one file for each object --------------------------------------------------------------------------------


def test_the_files_of_objects_are_united(tmp_path):
    paths = tuple(file(tmp_path / f"{index}.png", [row]) for index, row in enumerate([[0, 255, 0, 0], [0, 0, 0, 255]]))
    samples = [Sample("a", tmp_path / "a.png", paths), Sample("b", tmp_path / "b.png", paths[:1])]
    labels, read = read_all(samples, num_classes=1, names=("nucleus",))
    assert (labels.kind, read) == ("objects", [[0, 1, 0, 1], [0, 1, 0, 0]])
    assert labels.describe() == "one file for each object (nucleus): 0 -> outside, 255 -> inside"
    assert "pass --num-classes 1" in refusal(detect_encoding, samples, num_classes=3)


def test_several_coloured_files_are_refused(tmp_path):
    paths = tuple(file(tmp_path / f"{index}.png", [[BLACK, RED]]) for index in range(2))
    assert "must not be coloured" in refusal(detect_encoding, [Sample("a", paths[0], paths)], num_classes=1)


# --- what the owner declares ---------------------------------------------------------------------------------


def declare(folder, **content):
    (folder / "classes.json").write_text(json.dumps(content))
    return folder


def test_declared_values_go_before_all_else(drawn, tmp_path):
    folder = declare(
        tmp_path,
        classes=[
            {"name": "disc", "value": [128, 129], "colour": "#0000ff"},
            {"name": "cup", "value": 1, "colour": RED_HEX},
        ],
        background={"value": [0, 9]},
        ignore=255,
    )
    labels, read = read_all(drawn([0, 128, 129, 1, 9, 255]), num_classes=3, folder=folder)
    assert labels.describe() == "0 or 9 -> background, 128 or 129 -> disc, 1 -> cup, 255 -> ignored"
    assert (labels.colours, read) == (("#0000ff", RED_HEX), [[0, 1, 1, 2, 0, IGNORED]])


RED_HEX = "#ff0000"


def test_declared_colours_are_read(drawn, tmp_path):
    white = {"background": {"colour": "#ffffff"}}
    folder = declare(
        tmp_path,
        classes=[{"name": "a", "colour": RED_HEX}, {"name": "b", "colour": "#00ff00"}],
        **white,
    )
    labels, read = read_all(drawn([(255, 255, 255), RED, GREEN]), num_classes=3, folder=folder)
    assert (labels.kind, labels.names, read) == ("colours", ("a", "b"), [[0, 1, 2]])


def test_names_alone_leave_the_values_to_be_recognised(drawn, tmp_path):
    folder = declare(tmp_path, classes=[{"name": "vessel", "colour": RED_HEX, "value": None}])
    assert "not coloured; give each class a value" in refusal(
        detect_encoding, drawn([0, 1]), num_classes=1, folder=folder
    )
    folder = declare(tmp_path, classes=[{"name": "vessel"}])
    assert read_all(drawn([0, 252]), num_classes=1, names=("x",), folder=folder)[0].names == ("vessel",)


def test_declared_values_settle_what_is_mixed(drawn, tmp_path):
    folder = declare(tmp_path, classes=[{"name": "vessel", "value": [1, 255]}])
    assert read_all(drawn([0, 1], [0, 255]), num_classes=1, folder=folder)[1] == [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ({"classes": [{"name": "a", "value": 1}, {"name": "b", "value": 2}]}, {}, "pass --num-classes 3"),
        ({"classes": [{"name": "a", "value": 1}]}, {"num_classes": 4}, "pass --num-classes 1"),
        (
            {"classes": [{"name": "a", "value": 1}, {"name": "b", "value": 2}], "nested": True},
            {"num_classes": 3},
            "pass --nested true",
        ),
        ({"classes": [{"name": "a", "value": 1}], "nested": False}, {"nested": True}, "pass --nested false"),
        ({"classes": [{"name": "a", "value": 7}]}, {}, "holds 1, which"),
        ({"classes": [{"name": "a", "colour": "#000001"}]}, {}, "give each class a value"),
        ({"classes": [{"name": "a", "value": 1}], "ignore": 9}, {"ignore_value": 0}, "has another value to ignore"),
    ],
)
def test_what_is_declared_must_fit_files_and_options(drawn, tmp_path, content, options, words):
    message = refusal(
        detect_encoding, drawn([0, 1]), **{"num_classes": 1, "folder": declare(tmp_path, **content)} | options
    )
    assert words in message


def test_declared_values_do_not_fit_coloured_files(drawn, tmp_path):
    folder = declare(tmp_path, classes=[{"name": "a", "value": 1}])
    assert "give each class a colour" in refusal(detect_encoding, drawn([BLACK, RED]), num_classes=1, folder=folder)


def test_the_classes_of_folders_are_declared_by_name(layered, tmp_path):
    samples = layered(cup=[0, 1], disc=[1, 0])
    for classes in ([{"name": "cup"}, {"name": "rim"}], [{"name": "cup", "value": 1}, {"name": "disc", "value": 2}]):
        folder = declare(tmp_path, classes=classes)
        assert "name these classes without values" in refusal(detect_encoding, samples, num_classes=3, folder=folder)


# --- anything at all -----------------------------------------------------------------------------------------


@given(
    arrays=st.lists(
        hnp.arrays(
            st.sampled_from([np.uint8, np.uint16, np.int16, np.float32]),
            st.sampled_from([(1, 3), (4, 4), (2, 2, 3)]),
            elements=st.sampled_from([0, 1, 2, 128, 255]),
        ),
        min_size=1,
        max_size=3,
    ),
    num_classes=st.integers(1, 5),
    ignore_value=st.sampled_from([None, 0, 1, 255]),
)
@settings(max_examples=80)
def test_any_labels_give_class_indices_or_one_sentence(arrays, num_classes, ignore_value):
    with tempfile.TemporaryDirectory() as folder:
        samples = []
        for index, array in enumerate(arrays):
            path = Path(folder, f"{index}.tif")
            tifffile.imwrite(path, array, photometric="rgb" if array.ndim == 3 else "minisblack")
            samples.append(Sample(path.stem, path, (path,)))
        with suppress(CenetError):
            labels, read = read_all(samples, num_classes=num_classes, ignore_value=ignore_value)
            assert {value for row in read for value in row} <= {*range(max(num_classes, 2)), IGNORED}
            assert labels.describe()


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "num_classes", "description"),
    [
        ("lung-ct/one-patient", 1, "0 -> background, 1 -> foreground"),
        ("lung-ct/finding-lungs", 1, "0 -> background, 255 -> foreground"),
        ("oct-layers/eight-layers", 9, "0 -> background, 1 -> class 1, 2 -> class 2, "),
    ],
)
def test_real_labels_are_recognised(data_set, name, num_classes, description):
    samples = read_folder(data_set(name))[::4]
    labels = detect_encoding(samples, num_classes=num_classes)
    assert labels.describe().startswith(description)
    assert set(np.unique(labels.read(samples[0]))) <= set(range(max(num_classes, 2)))


def test_the_slices_of_a_stack_are_recognised_together(tmp_path):
    slices = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (0, 9, 0)]
    slices[0].save(tmp_path / "labels.tif", save_all=True, append_images=slices[1:])
    path = tmp_path / "labels.tif"
    samples = [Sample(f"slice-{page}", path, (path,), page=page) for page in range(3)]
    assert detect_encoding(samples, num_classes=1).describe() == "0 -> background, 9 -> foreground"
    with pytest.raises(CenetError, match=r"labels\.tif: this label and all others hold only background"):
        detect_encoding(samples[::2], num_classes=1)
