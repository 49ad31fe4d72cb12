"""What goes wrong while a run is trained: the command line names the file, and nothing is lost."""

import errno
import shutil

import pytest

from cenet.inference.operating_point import OperatingPoint
from cenet.inference.run import Run
from cenet.training.checkpoints import CHECKPOINTS, finished_epochs, latest_checkpoint, save_checkpoint


@pytest.fixture(scope="module")
def undisturbed(cenet, small, images, keep):
    """A run that nothing went wrong with. Not to be changed."""
    folder = keep("undisturbed") / "run"
    assert cenet("train", "folder", "--data", images, "--output", folder, *small, "--keep-checkpoints") == 0
    return folder


def resume(cenet, run):
    return cenet("train", "--resume", run, "--device", "cpu", "--precision", "32-true", "--workers", 0)


def what_was_chosen(run):
    facts = Run(run).facts
    return facts.weights_sha256, facts.epoch, facts.operating_points, facts.finished


def answers(capsys):
    """What was said beside the progress bars."""
    return [line for line in capsys.readouterr().err.splitlines() if line and not line.endswith("/s]")]


@pytest.mark.parametrize(("step", "number"), [("torch.save", 0), ("os.fsync", 1), ("torch.save", 2)])
def test_a_disk_that_is_full_at_a_checkpoint_costs_no_more_than_an_epoch(
    cenet, small, images, undisturbed, number, step, monkeypatch, capsys, tmp_path
):
    run = tmp_path / "run"

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:

        def save_until_then(path, state):
            if finished_epochs(path) == number:
                patch.setattr(step, full)
            return save_checkpoint(path, state)

        patch.setattr("cenet.training.checkpoints.save_checkpoint", save_until_then)
        assert cenet("train", "folder", "--data", images, "--output", run, *small) == 1
    *_, answer = answers(capsys)
    assert answer.startswith(f"cenet: {run / CHECKPOINTS}")
    assert "No space left on device" in answer
    left = sorted(path.name for path in (run / CHECKPOINTS).iterdir())
    assert [int(name.split("-")[1]) for name in left] == list(range(number))
    if not number and step == "os.fsync":  # nothing is learnt, so it may also be started again
        assert cenet("train", "folder", "--data", images, "--output", run, *small) == 0
    else:
        assert resume(cenet, run) == 0
    assert what_was_chosen(run) == what_was_chosen(undisturbed)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-9])


def test_a_corrupted_checkpoint_is_passed_over(cenet, undisturbed, tmp_path, capsys):
    run = shutil.copytree(undisturbed, tmp_path / "run")
    Run(run).update(finished=False, operating_points=(OperatingPoint(thresholds=(0.5,)),))
    corrupted = latest_checkpoint(run)
    truncate(corrupted)
    assert resume(cenet, run) == 0
    assert [line for line in answers(capsys) if str(corrupted) in line]
    assert what_was_chosen(run) == what_was_chosen(undisturbed)


def test_where_every_checkpoint_is_corrupted_the_run_is_left_as_it_was(cenet, undisturbed, tmp_path, capsys):
    run = shutil.copytree(undisturbed, tmp_path / "run")
    for path in (run / CHECKPOINTS).iterdir():
        truncate(path)
    Run(run).update(finished=False)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert resume(cenet, run) == 1
    (answer,) = answers(capsys)
    assert answer.startswith(f"cenet: {run / CHECKPOINTS}: every checkpoint ")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_weights_that_cannot_be_written_stop_the_training_where_it_can_resume(
    cenet, small, images, undisturbed, monkeypatch, capsys, tmp_path
):
    run, replace = tmp_path / "run", Run.save_weights

    def full(self, *arguments, **facts):
        if facts["epoch"] == 0:
            raise OSError(errno.ENOSPC, "No space left on device", str(self.path / "weights.safetensors"))
        replace(self, *arguments, **facts)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "save_weights", full)
        assert cenet("train", "folder", "--data", images, "--output", run, *small) == 1
    assert answers(capsys)[-1].startswith(f"cenet: {run / 'weights.safetensors'}: No space left on device; ")
    assert resume(cenet, run) == 0
    assert what_was_chosen(run) == what_was_chosen(undisturbed)
