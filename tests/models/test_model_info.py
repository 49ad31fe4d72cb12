"""`model.json`: complete, bounded, and refused when it is not what cenet writes."""

import json

import pytest
from released import INFO

from cenet.errors import CenetError
from cenet.models.model_info import MODEL, ModelInfo


def write(folder, **changes):
    fields = {**INFO.model_dump(mode="json"), **changes}
    (folder / MODEL).write_text(json.dumps(fields))
    return folder


def test_it_is_read_as_it_was_written(tmp_path):
    assert ModelInfo.load(write(tmp_path)) == INFO
    assert INFO.reference.model_dump() == {"name": "tiny-eyes", "version": "1.0"}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../elsewhere"},
        {"version": "latest"},
        {"limits": []},
        {"failures": []},
        {"data": []},
        {"notice": "Use it as you like."},
        {"weights_sha256": "0"},
        {"dice_lost": 2},
        {"unknown": 1},
        {"scores": [{**INFO.scores[0].model_dump(), "low": None}]},
        {"scores": [{**INFO.scores[0].model_dump(), "low": 0.9, "high": 0.1}]},
        {"scores": [{**INFO.scores[0].model_dump(), "value": float("nan")}]},
        {"reproduction": {**INFO.reproduction.model_dump(), "low": 0.95}},
    ],
    ids=str,
)
def test_what_cenet_does_not_write_is_refused(tmp_path, change):
    with pytest.raises(CenetError) as refusal:
        ModelInfo.load(write(tmp_path, **change))
    assert refusal.value.subject == str(tmp_path / MODEL)


def test_another_format_is_refused_with_what_opens_it(tmp_path):
    with pytest.raises(CenetError) as refusal:
        ModelInfo.load(write(tmp_path, format=2))
    assert "format 2" in refusal.value.cause
    assert "--upgrade" in refusal.value.remedy
