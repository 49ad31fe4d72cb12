"""A checkpoint is what this training wrote, or it is refused in one sentence before anything of it is used."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

from cenet.errors import CenetError
from cenet.training.checkpoint_contents import check_checkpoint_fits, load_checkpoint

MODULE = nn.Linear(3, 2)
MOMENTS = {0: {"step": torch.ones(()), "exp_avg": torch.zeros(2, 3)}, 1: {"exp_avg": torch.zeros(2)}}
STATE = {
    "epoch": 1,
    "global_step": 4,
    "state_dict": MODULE.state_dict(),
    "loops": {"fit_loop": {"epoch_progress": {"total": {"ready": 2}}}},
    "callbacks": {"RunRecorder": {"best": 0.5, "rows": []}},
    "optimizer_states": [{"state": MOMENTS, "param_groups": [{"lr": 0.1}]}],
    "lr_schedulers": [{"last_epoch": 4}],
    "stopped": False,
}
PATH = Path("epoch-0002-12345678.ckpt")


def nested(depth):
    return {"a": nested(depth - 1)} if depth else {}


def test_what_a_training_writes_is_read_and_fits(tmp_path):
    torch.save(STATE, tmp_path / PATH)
    check_checkpoint_fits(tmp_path / PATH, load_checkpoint(tmp_path / PATH), MODULE, epochs=2)


@pytest.mark.parametrize(
    "changes",
    [
        {"state_dict": {"weight": 1}},
        {"state_dict": None},
        {"epoch": -1},
        {"epoch": "1"},
        {"global_step": 1.5},
        {"optimizer_states": []},
        {"lr_schedulers": [{}, {}]},
        {"stopped": None},
        {"loops": nested(30)},
        {"loops": {"a": 10**30}},
        {"callbacks": {"RunRecorder": {"best": float("inf")}}},
        {"callbacks": {"RunRecorder": {"best": Path("x")}}},
        {"callbacks": {"RunRecorder": {"best": 1j}}},
        {"callbacks": {"RunRecorder": {(1, 2): 3}}},
    ],
    ids=str,
)
def test_other_contents_are_refused(tmp_path, changes):
    torch.save({**STATE, **changes}, tmp_path / PATH)
    with pytest.raises(CenetError) as error:
        load_checkpoint(tmp_path / PATH)
    assert error.value.subject == str(tmp_path / PATH)


@pytest.mark.parametrize("content", [b"", b"PK", b"\x80\x04K\x01."])
def test_a_foreign_file_is_refused_without_advice_to_load_it_unsafely(tmp_path, content):
    (tmp_path / PATH).write_bytes(content)
    with pytest.raises(CenetError) as error:
        load_checkpoint(tmp_path / PATH)
    assert "weights_only" not in str(error.value)


def change(state, *keys, value):
    state = copy.deepcopy(state)
    place = state
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return state


@pytest.mark.parametrize(
    "state",
    [
        change(STATE, "state_dict", "weight", value=torch.zeros(3, 2)),
        change(STATE, "state_dict", "more", value=torch.zeros(1)),
        change(STATE, "state_dict", "weight", value=torch.zeros(2, 3, dtype=torch.float64)),
        change(STATE, "epoch", value=0),
        change(STATE, "optimizer_states", value=[{}]),
        change(STATE, "optimizer_states", 0, "state", 0, "exp_avg", value=torch.zeros(7)),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(state):
    with pytest.raises(CenetError, match="does not fit this run"):
        check_checkpoint_fits(PATH, state, MODULE, epochs=2)
    with pytest.raises(CenetError, match="does not fit this run"):
        check_checkpoint_fits(PATH, STATE, MODULE, epochs=1)


def test_a_checkpoint_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CenetError, match="there is no such file"):
        load_checkpoint(tmp_path / PATH)
