"""Two processes train like one; where one is killed, the training is resumed. Run by `make distributed`."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

NETWORK = """
from torch import nn

from cenet.networks import NETWORKS


class Still(nn.Module):
    stride, min_size = 16, 32  # without dropout, of which each process draws its own

    def __init__(self, num_classes, in_channels, normalise):
        super().__init__()
        self.normalise, self.norm = normalise, nn.BatchNorm2d(8)
        self.first, self.head = nn.Conv2d(in_channels, 8, 3, padding=1, bias=False), nn.Conv2d(8, num_classes, 1)

    def forward(self, image):
        return self.head(self.norm(self.first(self.normalise(image))).relu())


NETWORKS["still"] = Still
"""
OPTIONS = "--network still --encoder-weights none --crop-px 32 --batch-size 4 --validate-tta false --keep-checkpoints"
MACHINE = "--device cpu --precision 32-true --workers 0 --plugin still.py"


@pytest.fixture
def place(draw, tmp_path):
    draw(tmp_path / "data", count=12)
    (tmp_path / "still.py").write_text(NETWORK)
    return tmp_path


def start(place, *words, launcher=()):
    command = [sys.executable, *launcher, "-m", "cenet", "train", *words, *MACHINE.split()]
    return subprocess.Popen(command, cwd=place, env={**os.environ, "OMP_NUM_THREADS": "1"})


def train(place, run, *words, epochs=2, **options):
    recipe = ("folder", "--data", "data", *OPTIONS.split(), "--epochs", str(epochs), "--steps-per-epoch", "4")
    return start(place, *recipe, "--output", run, *words, **options)


def is_running(process):
    """Whether a process has not ended, be it that nobody has asked for its status."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def read_curve(run):
    with (run / "curve.csv").open() as file:
        return [(row["step"], float(row["loss"]), float(row["validation_dice"])) for row in csv.DictReader(file)]


def read_weights(run):
    return torch.load(max((run / "checkpoints").glob("*.ckpt")), weights_only=True)["state_dict"]


def assert_alike(run, other, *, rtol):
    for (step, loss, dice), (other_step, other_loss, other_dice) in zip(
        read_curve(run), read_curve(other), strict=True
    ):
        assert step == other_step
        assert (loss, dice) == (pytest.approx(other_loss, rel=rtol), pytest.approx(other_dice, abs=1e-3))
    weights, others = read_weights(run), read_weights(other)
    for name, value in weights.items():
        torch.testing.assert_close(value, others[name], rtol=rtol, atol=rtol)


def test_two_processes_train_like_one(place):
    assert train(place, "one").wait() == 0
    assert train(place, "two", "--devices", "2").wait() == 0
    torchrun = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29731")
    assert train(place, "torchrun", "--devices", "2", launcher=torchrun).wait() == 0
    assert_alike(place / "two", place / "one", rtol=1e-4)
    assert_alike(place / "torchrun", place / "two", rtol=0)
    files = [sorted(path.name for path in (place / run).iterdir()) for run in ("one", "two", "torchrun")]
    assert files[0] == files[1] == files[2]


@pytest.mark.parametrize("victim", ["first", "second"])
def test_a_training_of_which_one_process_is_killed_is_resumed(place, victim):
    assert train(place, "whole", "--devices", "2", epochs=12).wait() == 0
    process = train(place, "killed", "--devices", "2", epochs=12)
    curve = place / "killed" / "curve.csv"
    while not curve.exists() or len(read_curve(curve.parent)) < 2:
        assert process.poll() is None
        time.sleep(0.01)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(process.pid if victim == "first" else int(children[0]), signal.SIGKILL)
    assert process.wait(timeout=120) != 0
    assert len(read_curve(place / "killed")) < 12
    for child in children:  # it ends by itself, as nobody answers it
        while is_running(child):
            time.sleep(0.1)
    assert start(place, "--resume", "killed", "--devices", "2").wait() == 0
    assert_alike(place / "killed", place / "whole", rtol=0)
