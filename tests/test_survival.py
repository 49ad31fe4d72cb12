"""Trainings that are killed, told to end and interrupted, as processes of their own, end as if they were not."""

import os
import signal
import subprocess
import sys
import time

import pytest
import torch

from cenet.inference.run import Run
from cenet.networks.pretrained import sha256
from cenet.training.checkpoints import finished_epochs, latest_checkpoint

SHORT = ("--epochs", 4, "--steps-per-epoch", 2, "--optimiser", "sgd", "--learning-rate", 0.01)


@pytest.fixture
def start(tmp_path):
    """Starts the command line as a process of one thread; what is still alive at the end is killed."""
    started = []

    def process(*arguments):
        with (tmp_path / "errors.txt").open("w") as errors:
            started.append(
                subprocess.Popen(
                    [sys.executable, "-m", "cenet", "train", *map(str, arguments)],
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                )
            )
        return started[-1]

    yield process
    for each in started:
        each.kill()
        each.wait()


def end_after(process, run, *, epochs, number):
    """Send a signal once a checkpoint of so many epochs lies there; gives the exit status."""
    while not any(finished_epochs(path) >= epochs for path in run.glob("checkpoints/epoch-*-*.ckpt")):
        assert process.poll() is None, "it ended too early"
        time.sleep(0.02)
    process.send_signal(number)
    return process.wait()


@pytest.fixture(scope="module")
def uninterrupted(cenet, small, images, keep):
    run = keep("uninterrupted") / "run"
    assert cenet("train", "folder", "--data", images, "--output", run, *small, *SHORT) == 0
    return run


def test_a_training_survives_every_way_to_end_it(start, small, images, uninterrupted, tmp_path):
    run = tmp_path / "run"
    again = ("--resume", run, "--device", "cpu", "--precision", "32-true", "--workers")
    process = start("folder", "--data", images, "--output", run, *small, *SHORT, "--workers", 2)
    assert end_after(process, run, epochs=0, number=signal.SIGTERM) == 143
    message = (tmp_path / "errors.txt").read_text()
    assert f"cenet train --resume {run}" in message
    assert "Traceback" not in message

    assert end_after(start(*again, 0), run, epochs=1, number=signal.SIGINT) == 130
    assert "Traceback" not in (tmp_path / "errors.txt").read_text()

    assert end_after(start(*again, 0), run, epochs=2, number=signal.SIGKILL) == -signal.SIGKILL
    assert not Run(run).facts.finished
    newest = latest_checkpoint(run)
    os.truncate(newest, newest.stat().st_size - 1)
    assert start(*again, 2).wait() == 0
    assert str(newest) in (tmp_path / "errors.txt").read_text()

    assert sha256(run / "weights.safetensors") == sha256(uninterrupted / "weights.safetensors")
    ours, theirs = Run(run).facts, Run(uninterrupted).facts
    assert ours == theirs.model_copy(update={"command": ours.command})
    ours, theirs = (torch.load(latest_checkpoint(each), weights_only=True) for each in (run, uninterrupted))
    torch.testing.assert_close(ours["state_dict"], theirs["state_dict"], rtol=0, atol=0)
    torch.testing.assert_close(ours["optimizer_states"], theirs["optimizer_states"], rtol=0, atol=0)
