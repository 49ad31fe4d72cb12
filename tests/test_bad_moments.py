"""What goes wrong while a run is trained: one sentence at the command line, and nothing is lost."""

import errno
import shutil

import pytest

from cenet.inference.run import Run
from cenet.training.checkpoints import FOLDER, finished_epochs, latest_checkpoint, save_checkpoint

pytestmark = pytest.mark.usefixtures("thin")


@pytest.fixture(scope="module")
def undisturbed(thin, cenet, small, images, keep):
    """A run that nothing went wrong with. Not to be changed."""
    folder = keep("undisturbed") / "run"
    assert cenet("train", "folder", "--data", images, "--output", folder, *small) == 0
    return folder


def go_on(cenet, run):
    return cenet("train", "--resume", run, "--device", "cpu", "--precision", "32-true", "--workers", 0)


def what_was_chosen(run):
    facts = Run(run).facts
    return facts.weights_sha256, facts.epoch, facts.thresholds, facts.calibration, facts.finished


def answers(capsys):
    """What was said beside the progress bars."""
    return [line for line in capsys.readouterr().err.splitlines() if line and not line.endswith("/s]")]


@pytest.mark.parametrize("step", ["torch.save", "os.fsync"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_disk_that_is_full_at_a_checkpoint_costs_no_more_than_an_epoch(
    cenet, small, images, undisturbed, number, step, monkeypatch, capsys, tmp_path
):
    run = tmp_path / "run"

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:

        def until_then(path, state):
            if finished_epochs(path) == number:
                patch.setattr(step, full)
            return save_checkpoint(path, state)

        patch.setattr("cenet.training.checkpoints.save_checkpoint", until_then)
        assert cenet("train", "folder", "--data", images, "--output", run, *small) == 1
    *_, answer = answers(capsys)
    assert answer.startswith(f"cenet: {run / FOLDER}")
    assert "the file cannot be written (No space left on device); free some space" in answer
    left = sorted(path.name for path in (run / FOLDER).iterdir())
    assert [int(name.split("-")[1]) for name in left] == list(range(number))
    if number:
        assert go_on(cenet, run) == 0
        assert what_was_chosen(run) == what_was_chosen(undisturbed)
    else:
        assert go_on(cenet, run) == 1
        assert answers(capsys) == [f"cenet: {run}: has no checkpoint to go on from; delete it and train it anew"]
        assert cenet("train", "folder", "--data", images, "--output", run, *small) == 1
        answer = f"cenet: {run}: is taken; choose another --output, or delete this run, which has learnt nothing"
        assert answers(capsys) == [answer]
        shutil.rmtree(run)
        assert cenet("train", "folder", "--data", images, "--output", run, *small) == 0
        assert what_was_chosen(run) == what_was_chosen(undisturbed)


def tear(path):
    path.write_bytes(path.read_bytes()[:-9])


def test_a_torn_checkpoint_is_passed_over(cenet, undisturbed, tmp_path, capsys):
    run = shutil.copytree(undisturbed, tmp_path / "run")
    Run(run).update(finished=False, thresholds=(0.5,), calibration=())
    torn = latest_checkpoint(run)
    tear(torn)
    assert go_on(cenet, run) == 0
    assert f"note: {torn}: is torn; the checkpoint before it is used" in answers(capsys)
    assert what_was_chosen(run) == what_was_chosen(undisturbed)


def test_where_every_checkpoint_is_torn_the_run_is_left_as_it_was(cenet, undisturbed, tmp_path, capsys):
    run = shutil.copytree(undisturbed, tmp_path / "run")
    for path in (run / FOLDER).iterdir():
        tear(path)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert go_on(cenet, run) == 1
    remedy = "train the run anew with another --output, or delete it first"
    assert answers(capsys) == [f"cenet: {run / FOLDER}: every checkpoint is torn; {remedy}"]
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_weights_that_cannot_be_written_stop_the_training_where_it_can_go_on(
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
    answer = f"cenet: {run / 'weights.safetensors'}: No space left on device; check place, permissions and space"
    assert answers(capsys)[-1] == answer
    assert go_on(cenet, run) == 0
    assert what_was_chosen(run) == what_was_chosen(undisturbed)
