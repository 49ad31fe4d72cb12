import json
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cenet.data.labels.detect import IGNORED, detect_encoding
from cenet.data.labels.schema import read_nnunet_dataset
from cenet.data.loading import load_sample
from cenet.datasets.nnunet import read_nnunet
from cenet.errors import CenetError

DATASET = {
    "channel_names": {"0": "T1", "1": "T2"},
    "labels": {"background": 0, "cup": 2, "disc": 1, "ignore": 3},
    "file_ending": ".png",
    "numTraining": 2,
    "name": "eyes",
}


@pytest.fixture
def raw(tmp_path):
    """Two cases of two channels, 3 x 1 pixels each."""
    for number, case in enumerate(("eye_10", "eye_9")):
        for channel in range(2):
            save(tmp_path / "imagesTr" / f"{case}_000{channel}.png", [[10 * number + channel] * 3])
        save(tmp_path / "labelsTr" / f"{case}.png", [[0, 1, 3]] if number else [[0, 2, 1]])
    return declare(tmp_path)


def save(path, values):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.array(values, np.uint8)).save(path)


def declare(folder, **changes):
    content = {key: value for key, value in (DATASET | changes).items() if value is not None}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


def test_cases_are_samples_in_natural_order(raw):
    one, other = read_nnunet(raw)
    assert (one.name, one.group, other.name) == ("eye_9", "eye_9", "eye_10")
    assert one.image == raw / "imagesTr" / "eye_9_0000.png"
    assert one.channels == (raw / "imagesTr" / "eye_9_0001.png",)
    assert one.label == (raw / "labelsTr" / "eye_9.png",)


def test_channels_are_stacked_and_labels_named_by_dataset_json(raw):
    samples = read_nnunet(raw)
    labels = detect_encoding(samples, num_classes=3, folder=raw)
    assert labels.describe() == "0 -> background, 1 -> disc, 2 -> cup, 3 -> ignored"
    image, label, _ = load_sample(samples[0], labels)
    assert image.tolist() == [[[10, 11]] * 3]
    assert label.tolist() == [[0, 1, IGNORED]]


def test_a_classes_json_overrides_dataset_json(raw):
    (raw / "classes.json").write_text('{"classes": [{"name": "all", "value": [1, 2]}], "ignore": 3}')
    assert detect_encoding(read_nnunet(raw), num_classes=1, folder=raw).names == ("all",)


def test_the_number_of_classes_must_fit(raw):
    with pytest.raises(CenetError, match=r"dataset\.json: it names 2 classes, .*; pass --num-classes 3"):
        detect_encoding(read_nnunet(raw), num_classes=1, folder=raw)


def test_an_expression_for_the_group_is_searched_in_the_case(raw):
    assert [sample.group for sample in read_nnunet(raw, group_pattern="[0-9]+$")] == ["9", "10"]


def test_three_channels_may_lie_in_one_rgb_file(tmp_path):
    save(tmp_path / "imagesTr" / "eye_0000.png", [[[1, 2, 3]]])
    save(tmp_path / "labelsTr" / "eye.png", [[1]])
    declare(tmp_path, channel_names={"0": "R", "1": "G", "2": "B"}, numTraining=1)
    (sample,) = read_nnunet(tmp_path)
    assert sample.channels == ()
    assert load_sample(sample)[0].tolist() == [[[1, 2, 3]]]


def test_hidden_files_are_passed_over(raw):
    (raw / "imagesTr" / ".DS_Store").touch()
    assert len(read_nnunet(raw)) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"channel_names": None}, "channel_names: Field required"),
        ({"channel_names": {}}, "channel_names"),
        ({"channel_names": {"1": "T2"}}, 'must be numbered "0", "1"'),
        ({"labels": None}, "labels: Field required"),
        ({"labels": {"disc": 1}}, "the label background must be 0"),
        ({"labels": {"0": "background", "1": "disc"}}, "labels"),
        ({"labels": {"background": 0, "whole": [1, 2]}}, "whole is a region of several values, which is not read"),
        ({"labels": {"background": 0}}, "classes"),
        ({"labels": {"background": 0, "a": 1, "b": 1}}, "same value"),
        ({"labels": {"background": 0, "a": True}}, "labels"),
        ({"file_ending": ".nii.gz"}, ".nii.gz is not read; save every slice as a 2D image"),
        ({"file_ending": None}, "file_ending: Field required"),
        ({"channel_names": {"0": "grey"}}, "dataset.json names 1 channel"),
        ({"file_ending": ".tif"}, "its name is not CASE_0000.tif"),
        ({"channel_names": {"0": "a", "1": "b", "2": "c"}}, "imagesTr/eye_9_0002.png is missing"),
    ],
)
def test_a_dataset_json_that_does_not_fit_is_reported(raw, changes, words):
    with pytest.raises(CenetError) as caught:
        read_nnunet(declare(raw, **changes))
    message = str(caught.value)
    assert message.startswith(str(raw))
    assert words in message
    assert "; " in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("dataset.json", "it has no dataset.json"),
        ("imagesTr/eye_9_0001.png", "imagesTr/eye_9_0001.png is missing; add it, or remove the case eye_9"),
        ("imagesTr/eye_9_0000.png", "imagesTr/eye_9_0000.png is missing"),
    ],
)
def test_a_missing_file_is_named(raw, gone, message):
    (raw / gone).unlink()
    with pytest.raises(CenetError) as caught:
        read_nnunet(raw)
    assert message in str(caught.value)


def test_a_case_without_label_has_none(raw):
    (raw / "labelsTr" / "eye_9.png").unlink()
    assert [bool(sample.label) for sample in read_nnunet(raw)] == [False, True]


def test_a_label_whose_images_are_gone_is_passed_over(raw):
    before = read_nnunet(raw)
    for path in (raw / "imagesTr").glob("eye_9_*"):
        path.unlink()
    assert read_nnunet(raw) == before[1:]


def test_missing_folders_are_reported(tmp_path):
    declare(tmp_path)
    with pytest.raises(CenetError, match="it has no folder imagesTr"):
        read_nnunet(tmp_path)
    (tmp_path / "imagesTr").mkdir()
    with pytest.raises(CenetError, match="it has no folder labelsTr"):
        read_nnunet(tmp_path)
    (tmp_path / "labelsTr").mkdir()
    with pytest.raises(CenetError, match="it contains no image"):
        read_nnunet(tmp_path)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            key: st.none()
            | st.booleans()
            | st.integers(-2, 300)
            | st.sampled_from([".png", "", {"0": "grey"}, {"background": 0, "a": 1}])
            | st.dictionaries(
                st.sampled_from(["0", "1", "background", "ignore", "a"]), st.integers(-1, 3) | st.text(max_size=2)
            )
            for key in ("channel_names", "labels", "file_ending", "numTraining", "other")
        },
    )
)
def test_any_dataset_json_is_read_or_told(content):
    with tempfile.TemporaryDirectory() as folder, suppress(CenetError):
        Path(folder, "dataset.json").write_text(json.dumps(content))
        assert read_nnunet_dataset(Path(folder)).declared.names
