"""What a checkpoint holds, checked before anything of it reaches the network or the trainer."""

import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError
from torch import Tensor, nn

from cenet.errors import CenetError

MAX_DEPTH = 16  # of nested lists and dictionaries
MAX_COUNT = 10**12  # of anything that a trainer counts
REMEDY = "delete the file and resume from the one before, or train again with another --output"

State = dict[str, Any]


class CheckpointContents(BaseModel):
    """The state of a training after an epoch, as PyTorch Lightning arranges it.

    Args:
        epoch: The last epoch, from 0.
        global_step: Optimiser steps so far.
        state_dict: Every weight and running statistic.
        loops: What the trainer has counted.
        callbacks: The state of each callback.
        optimizer_states: Of the one optimiser.
        lr_schedulers: Of the one schedule.
        stopped: Whether training ended with this epoch, by lost patience.
    """

    model_config = ConfigDict(extra="ignore", arbitrary_types_allowed=True, strict=True)

    epoch: NonNegativeInt
    global_step: NonNegativeInt
    state_dict: dict[str, Tensor]
    loops: State
    callbacks: dict[str, State]
    optimizer_states: Annotated[list[State], Field(min_length=1, max_length=1)]
    lr_schedulers: Annotated[list[State], Field(min_length=1, max_length=1)]
    stopped: bool


def load_checkpoint(path: Path, *, mmap: bool = False) -> State:
    """Read a checkpoint as tensors and plain values, without running any code that it may hold.

    Args:
        path: The file.
        mmap: Leave the tensors on disk, where only the plain values are needed.

    Raises:
        CenetError: It is corrupted, holds anything else, or is no checkpoint of cenet.
    """
    if not path.is_file():
        raise CenetError(path, "there is no such file", REMEDY)
    try:
        with warnings.catch_warnings(action="ignore"):  # the one sentence below says it all
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except Exception as error:  # a foreign file fails in every way there is
        cause = "is no checkpoint of cenet, or holds more than tensors and plain values, which could run code"
        raise CenetError(path, cause, REMEDY) from error
    try:
        contents = CheckpointContents.model_validate(state)
        for part in (contents.loops, contents.callbacks, contents.optimizer_states, contents.lr_schedulers):
            _check_plain(part)
    except (ValidationError, ValueError) as error:
        raise CenetError(path, "is no checkpoint of cenet", REMEDY) from error
    return dict(state)


def check_checkpoint_fits(path: Path, state: State, module: nn.Module, *, epochs: int) -> None:
    """Refuse a checkpoint of another network or another training.

    Args:
        path: The file, for the error.
        state: Its content, as `load_checkpoint` returns it.
        module: What is trained.
        epochs: How many epochs the training has.

    Raises:
        CenetError: A tensor is missing, is one too many, or has another shape, or a count cannot be.
    """
    own, theirs = module.state_dict(), state["state_dict"]
    for name in own.keys() | theirs.keys():
        if name not in own or name not in theirs or own[name].shape != theirs[name].shape:
            raise CenetError(path, f"does not fit this run: {name} is missing or has another shape", REMEDY)
        if own[name].dtype != theirs[name].dtype:
            raise CenetError(path, f"does not fit this run: {name} has another type", REMEDY)
    _, number, _ = path.stem.split("-")
    if not 0 <= int(number) <= epochs or state["epoch"] != max(int(number) - 1, 0):
        raise CenetError(path, f"does not fit this run: it is of epoch {state['epoch']}", REMEDY)
    (optimiser,) = state["optimizer_states"]
    sizes = [parameter.shape for parameter in module.parameters() if parameter.requires_grad]
    moments = optimiser.get("state")
    if not isinstance(moments, Mapping) or not isinstance(optimiser.get("param_groups"), list):
        raise CenetError(path, "does not fit this run: its optimiser has no state", REMEDY)
    shapes = {tuple(size) for size in sizes} | {()}
    for moment in moments.values():
        values = moment.values() if isinstance(moment, Mapping) else (moment,)
        if len(moments) > len(sizes) or any(isinstance(v, Tensor) and tuple(v.shape) not in shapes for v in values):
            raise CenetError(path, "does not fit this run: its optimiser is of another network", REMEDY)


def _check_plain(value: Any, *, depth: int = 0) -> None:
    """Raise ValueError for what no training writes: deep nesting, numbers beyond counting, objects."""
    if depth > MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str | int):
                raise ValueError("a key is no text")
            _check_plain(item, depth=depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_plain(item, depth=depth + 1)
    elif isinstance(value, float) and math.isinf(value):
        raise ValueError("a number is infinite")
    elif isinstance(value, int) and abs(value) > MAX_COUNT:
        raise ValueError("a number is too large")
    elif not isinstance(value, str | int | float | Tensor | None):
        raise ValueError("it holds an object")
