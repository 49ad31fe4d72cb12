"""Trainings that are terminated and killed, as processes of their own, end as if they were not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import torch

from cenet.inference.run import Run
from cenet.networks.pretrained import sha256
from cenet.training.checkpoints import finished_epochs, latest_checkpoint
from cenet.training.module import SegmentationModule

SHORT = ("--epochs", 4, "--steps-per-epoch", 2, "--optimiser", "sgd", "--learning-rate", 0.01, "--keep-checkpoints")
SLOW = """
import time
from cenet.networks import NETWORKS
from tiny_network import TINY, Tiny

class Slow(Tiny):
    def forward(self, image):
        time.sleep(0.2 if self.training else 0)
        return super().forward(image)

NETWORKS[TINY] = Slow
"""


def start_slow_training(folder, *arguments):
    """Start the command line as a process of one thread, whose network takes its time."""
    (folder / "slow.py").write_text(SLOW)
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-m", "cenet", "train", *map(str, arguments), "--plugin", str(folder / "slow.py")],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill_after(process, run, *, epochs):
    """Kill the process once a checkpoint of so many epochs lies there."""
    try:
        while not any(finished_epochs(path) >= epochs for path in run.glob("checkpoints/epoch-*-*.ckpt")):
            assert process.poll() is None, "it ended too early"
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()


def test_a_training_survives_being_terminated_and_killed(cenet, small, images, tmp_path, monkeypatch, capfd):
    run, uninterrupted = tmp_path / "run", tmp_path / "uninterrupted"
    assert cenet("train", "folder", "--data", images, "--output", uninterrupted, *small, *SHORT) == 0
    capfd.readouterr()

    with monkeypatch.context() as patch:
        patch.setattr(SegmentationModule, "training_step", lambda *_: signal.raise_signal(signal.SIGTERM))
        assert cenet("train", "folder", "--data", images, "--output", run, *small, *SHORT, "--workers", 2) == 143
    message = capfd.readouterr().err
    assert f"cenet train --resume {run}" in message
    assert "Traceback" not in message

    resume = ("--resume", run, "--device", "cpu", "--precision", "32-true", "--workers")
    kill_after(start_slow_training(tmp_path, *resume, 0), run, epochs=2)
    assert not Run(run).facts.finished
    newest = latest_checkpoint(run)
    os.truncate(newest, newest.stat().st_size - 1)
    assert cenet("train", *resume, 2) == 0
    assert str(newest) in capfd.readouterr().err

    assert sha256(run / "weights.safetensors") == sha256(uninterrupted / "weights.safetensors")
    ours, theirs = Run(run).facts, Run(uninterrupted).facts
    assert ours == theirs.model_copy(update={"command": ours.command})
    ours, theirs = (torch.load(latest_checkpoint(path), weights_only=True) for path in (run, uninterrupted))
    torch.testing.assert_close(ours["state_dict"], theirs["state_dict"], rtol=0, atol=0)
    torch.testing.assert_close(ours["optimizer_states"], theirs["optimizer_states"], rtol=0, atol=0)
