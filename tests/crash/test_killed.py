"""Processes that are killed at any rename, or at any moment, and started again, end as if they were never killed.

The default run kills at a few places; CENET_CRASH=all, or `make crash`, at every rename and at 30 moments.
"""

import os
import re
import shutil
import signal

import numpy as np
import pytest
import torch

from cenet.cli.main import main

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")

EVERYWHERE = os.environ.get("CENET_CRASH") == "all"
MOMENTS = range(30 if EVERYWHERE else 1)
SECONDS = re.compile(rb"^(\d+,\d+,.*),[\d.]+,(\d+)$", re.MULTILINE)  # a row of curve.csv holds how long an epoch took
OTHER_EACH_TIME = (".lock", "environment.json", "report.json", "report.md", ".npz", ".cenet.jsonl")
OWN_LEFTOVERS = re.compile(r"\.cenet-[0-9a-f]{16}\.part|new\.ckpt")


def run_in_child(arguments, *, rename=None, after=None):
    """Run a command in a process of its own, which is killed at a rename (from 0) or after some seconds.

    Returns:
        Whether it was killed.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status)
    try:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        replace, done = os.replace, []

        def replace_or_die(*names, **options):
            if len(done) == rename:
                os.kill(os.getpid(), signal.SIGKILL)
            done.append(names)
            replace(*names, **options)

        os.replace = replace_or_die
        if after is not None:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, after)  # which ends the process without a word
        status = main([str(argument) for argument in arguments])
    except BaseException:
        status = 99
    finally:
        os._exit(status)


def contents(folder):
    """Every file below a folder, without what says how long something took, and where."""
    files = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not name.endswith(OTHER_EACH_TIME):
            files[name] = SECONDS.sub(rb"\1,\2", path.read_bytes())
    return files


def check_no_leftovers(folder):
    assert [path for path in folder.rglob("*") if OWN_LEFTOVERS.fullmatch(path.name)] == []


@pytest.fixture(scope="module")
def place(draw, keep):
    """A folder with images and files of the user's, in which every command works. Not to be changed."""
    torch.set_num_threads(1)
    folder = keep("crash")
    draw(folder / "data", shape=(32, 32), regions=False)
    (folder / "runs").mkdir()
    (folder / "runs" / "mine.part").write_text("mine")
    return folder


@pytest.fixture(scope="module")
def short(small):
    return *small, "--epochs", 2, "--steps-per-epoch", 1


@pytest.fixture(scope="module")
def whole(place, short):
    """What is left by a training, a cross-validation and a prediction that are not killed."""
    runs = place / "whole"
    assert main([str(word) for word in train(place, runs / "run", short)]) == 0
    assert main([str(word) for word in cross_validate(place, runs / "folds", short)]) == 0
    assert main([str(word) for word in predict(place, runs / "run", runs / "masks")]) == 0
    return runs


def train(place, run, short):
    return "train", "folder", "--data", place / "data", "--output", run, *short


def cross_validate(place, folder, short):
    words = list(short)
    at = words.index("--test-fraction")
    options = (*words[:at], *words[at + 2 :], "--epochs", 1)
    return "cross-validate", "folder", "--data", place / "data", "--output", folder, "--folds", 2, *options


def predict(place, run, output):
    return "predict", run, place / "data" / "images", "--output", output, "--device", "cpu"


def finish(command, run):
    """Start a training again until it is finished: it is resumed where that can be done, else it begins anew."""
    resumed = ("train", "--resume", run, "--device", "cpu", "--precision", "32-true", "--workers", 0)
    if not (run / "run.json").exists() or main([str(word) for word in resumed]) != 0:
        assert main([str(word) for word in command]) == 0


def check_same_run(run, other):
    ours, theirs = contents(run), contents(other)
    for files in (ours, theirs):  # they hold the folder's name, and a scoring that was killed is counted too
        for name in [name for name in files if name.endswith(("run.json", "MODEL_CARD.md"))]:
            text = re.sub(rb"runs/[\w-]+", b"RUN", files[name])
            files[name] = re.sub(rb'"test_scored": \d+', b"", text)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []
    check_no_leftovers(run)


@pytest.mark.parametrize("rename", range(25) if EVERYWHERE else (0, 1, 4, 5, 12, 17))
def test_a_training_killed_at_a_rename_ends_as_if_it_was_not(place, whole, short, rename):
    run = place / "runs" / "run"
    command = train(place, run, short)
    before = contents(place / "data")
    killed = run_in_child(command, rename=rename)
    if killed:
        finish(command, run)
    check_same_run(run, whole / "run")
    assert contents(place / "data") == before
    assert (place / "runs" / "mine.part").read_text() == "mine"
    assert killed or rename > 17  # else there were fewer renames than are tried
    shutil.rmtree(run)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_training_killed_at_a_moment_ends_as_if_it_was_not(place, whole, short, moment):
    run = place / "runs" / "run"
    command = train(place, run, short)
    run_in_child(command, after=0.02 + np.random.default_rng(moment).uniform(0, 1.5))
    if not (run / "run.json").exists() or b'"finished": true' not in (run / "run.json").read_bytes():
        finish(command, run)
    check_same_run(run, whole / "run")
    shutil.rmtree(run)


@pytest.mark.parametrize("rename", range(0, 60, 3) if EVERYWHERE else (0, 21))
def test_a_cross_validation_killed_at_a_rename_ends_as_if_it_was_not(place, whole, short, rename):
    folder = place / "runs" / f"folds-{rename}"
    command = cross_validate(place, folder, short)
    if run_in_child(command, rename=rename):
        assert main([str(word) for word in command]) == 0
    check_same_run(folder, whole / "folds")
    shutil.rmtree(folder)


@pytest.mark.parametrize("rename", range(8) if EVERYWHERE else (2,))
def test_a_prediction_killed_at_a_rename_ends_as_if_it_was_not(place, whole, rename):
    output = place / "runs" / "masks"
    command = predict(place, whole / "run", output)
    if run_in_child(command, rename=rename):
        assert main([str(word) for word in command]) == 0
    assert contents(output) == contents(whole / "masks")
    check_no_leftovers(output)
    shutil.rmtree(output)
