"""Checkpoints: whole under their checksum, passed over when corrupted, and never worse for a full disk."""

import errno
import io
import os
from pathlib import Path

import pytest
import torch

from cenet.errors import CenetError
from cenet.networks.pretrained import sha256
from cenet.training.checkpoints import (
    CHECKPOINTS,
    check_has_checkpoint,
    finished_epochs,
    latest_checkpoint,
    save_checkpoint,
)


def state(number):
    return {"epoch": number, "state_dict": {"weight": torch.full((1000,), float(number))}}


def save_epoch(run, number, content=None):
    return save_checkpoint(run / CHECKPOINTS / f"epoch-{number:04}.ckpt", content or state(number))


def held(run):
    return sorted(path.name for path in (run / CHECKPOINTS).iterdir())


def test_a_checkpoint_is_named_after_its_content_and_holds_it(tmp_path):
    path = save_epoch(tmp_path, 11)
    assert path.name == f"epoch-0011-{sha256(path)[:8]}.ckpt"
    content = torch.load(path, weights_only=True)
    assert content["epoch"] == 11
    assert torch.equal(content["state_dict"]["weight"], torch.full((1000,), 11.0))


def test_the_last_two_are_kept_whatever_the_number_of_digits(tmp_path):
    names = [save_epoch(tmp_path, number).name for number in (0, 1, 2, 9999, 10000)]
    assert held(tmp_path) == sorted(names[-2:])
    assert finished_epochs(latest_checkpoint(tmp_path)) == 10000


def corrupt(path, how):
    content = path.read_bytes()
    path.write_bytes({"short": content[:-100], "empty": b"", "flipped": b"\x00" + content[1:]}[how])


@pytest.mark.parametrize("how", ["short", "empty", "flipped"])
def test_a_corrupted_checkpoint_is_passed_over_with_a_note(tmp_path, capsys, how):
    whole, corrupted = save_epoch(tmp_path, 1), save_epoch(tmp_path, 2)
    corrupt(corrupted, how)
    assert latest_checkpoint(tmp_path) == whole
    assert capsys.readouterr().err == f"note: {corrupted}: is corrupted; the checkpoint before it is used\n"
    save_epoch(tmp_path, 2)
    latest_checkpoint(tmp_path)
    assert capsys.readouterr().err == ""


def test_a_corrupted_checkpoint_is_replaced_when_its_epoch_is_done_again(tmp_path):
    whole, corrupted = save_epoch(tmp_path, 1), save_epoch(tmp_path, 2)
    corrupt(corrupted, "short")
    again = save_epoch(tmp_path, 2, {"other": 1})
    assert held(tmp_path) == sorted([whole.name, again.name])


def test_where_every_checkpoint_is_corrupted_there_is_nothing_to_resume_from(tmp_path, capsys):
    for number in (1, 2):
        corrupt(save_epoch(tmp_path, number), "short")
    words = f"^{tmp_path / CHECKPOINTS}: every checkpoint is corrupted; "
    with pytest.raises(CenetError, match=words):
        latest_checkpoint(tmp_path)
    assert capsys.readouterr().err == ""  # no checkpoint before it is used


def test_a_run_without_a_checkpoint_is_reported(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    with pytest.raises(
        CenetError, match=f"^{tmp_path}: has no checkpoint to resume from; give the command that started it again"
    ):
        check_has_checkpoint(tmp_path)
    (tmp_path / "weights.safetensors").touch()
    with pytest.raises(CenetError, match=r"start from its weights with --init-from$"):
        check_has_checkpoint(tmp_path)
    save_epoch(tmp_path, 0)
    check_has_checkpoint(tmp_path)


def test_a_write_that_was_cut_off_leaves_nothing_that_counts(tmp_path):
    whole = save_epoch(tmp_path, 1)
    (tmp_path / CHECKPOINTS / ".0123456789abcdef.part").write_bytes(b"half")
    (tmp_path / CHECKPOINTS / "new.ckpt").write_bytes(b"not yet named")
    assert latest_checkpoint(tmp_path) == whole


def test_a_disk_that_is_full_at_the_very_end_is_no_worse(tmp_path, monkeypatch):
    older = [save_epoch(tmp_path, number).name for number in (1, 2)]

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CenetError, match=r"\(No space left on device\); free some space$"):
        save_epoch(tmp_path, 3)
    assert held(tmp_path) == older


@pytest.mark.parametrize(
    "stop", [SystemExit(143), KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left on device")]
)
@pytest.mark.parametrize("at", [1, 2, 5])
def test_what_comes_up_while_torch_writes_comes_through(tmp_path, monkeypatch, stop, at):
    older, calls = save_epoch(tmp_path, 1).name, []

    class Stopped(io.FileIO):
        def write(self, content):
            calls.append(len(content))
            if len(calls) == at:
                raise stop
            return super().write(content)

    monkeypatch.setattr(Path, "open", lambda part, mode: Stopped(part, mode.replace("b", "")))
    with pytest.raises(CenetError if isinstance(stop, OSError) else type(stop)) as error:
        save_epoch(tmp_path, 2)
    assert stop in (error.value, error.value.__cause__)
    assert len(calls) >= at
    assert held(tmp_path) == [older]


def test_what_torch_cannot_write_at_all_is_no_matter_of_the_disk(tmp_path):
    with pytest.raises((RuntimeError, AttributeError, TypeError)):
        save_epoch(tmp_path, 1, {"no": lambda: None})
    assert held(tmp_path) == []


def test_a_loading_process_that_dies_while_a_checkpoint_is_written_is_reported_as_such(tmp_path, monkeypatch):
    def written(state, file):
        try:
            raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")
        finally:  # torch ends its archive, and fails for a reason of its own
            raise RuntimeError("unexpected pos 54264960 vs 54264848")

    monkeypatch.setattr(torch, "save", written)
    with pytest.raises(RuntimeError, match=r"^DataLoader worker"):
        save_checkpoint(tmp_path / CHECKPOINTS / "epoch-0001.ckpt", {})
    assert list(tmp_path.rglob("*.ckpt")) == []
