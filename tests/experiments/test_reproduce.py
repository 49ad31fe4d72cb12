"""A fold of a released model, trained again: what is compared, and with what."""

import json
import shutil

import pytest
from released import INFO, release
from tiny_network import TINY

from cenet.errors import CenetError
from cenet.evaluation.report import EvaluationReport
from cenet.experiments.reproduce import format_reproduction, reproduce
from cenet.inference.run import Run
from cenet.models import installed
from cenet.models.installed import find_fold
from cenet.models.model_info import MODEL, ModelReference


@pytest.fixture
def model(run, tmp_path, monkeypatch):
    """A released model that stores the fold of its run."""
    folder = release(run, tmp_path / "models")
    (folder / "fold").mkdir()
    for name in ("recipe.json", "splits.json"):
        shutil.copy(run / name, folder / "fold" / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(installed, "search_folders", lambda: [folder.parent])
    return folder


def store(model, low, high):
    fold = INFO.reproduction.model_copy(update={"part": "foreground", "low": low, "high": high})
    info = json.loads((model / MODEL).read_text())
    (model / MODEL).write_text(json.dumps({**info, "reproduction": fold.model_dump()}))


def test_the_stored_fold_is_trained_again_and_compared_with_the_interval(cenet, model, run, images, machine, capsys):
    store(model, 0.0, 1.0)
    result = reproduce("tiny-eyes", images, device=machine)
    assert result.run.as_posix() == "runs/tiny-eyes-1.0-fold-1"
    again = Run(result.run)
    assert again.split == Run(run).split
    assert again.recipe == Run(run).recipe
    assert again.recipe.network == TINY
    assert again.facts.weights_sha256 == Run(run).facts.weights_sha256  # the same seed on the same machine
    report = EvaluationReport.load(result.run / "evaluation-test-region")
    assert result.value == report.classes[0].thresholds[0].per_image["dice"].value
    assert result.agrees
    assert "lies within 0.0000 to 1.0000" in format_reproduction(result)
    store(model, 0.999, 1.0)
    options = ("--device", "cpu", "--precision", "32-true", "--workers", 0)
    assert cenet("reproduce", "tiny-eyes", "--data", images, *options) == 1  # what is finished is not done again
    assert "lies outside" in capsys.readouterr().out
    assert Run(result.run).facts.test_scored == 1


def test_a_fold_starts_from_the_model_that_the_release_names(
    model, run, images, machine, unfitted, monkeypatch, tmp_path
):
    store(model, 0.0, 1.0)
    start = release(run, model.parent, name="earlier-eyes")
    content = json.loads((model / MODEL).read_text())
    content["reproduction"]["started_from_model"] = {"name": "earlier-eyes", "version": "0.9"}
    (model / MODEL).write_text(json.dumps(content))
    with pytest.raises(CenetError, match=r"^earlier-eyes 1\.0: the fold started from version 0\.9; "):
        reproduce("tiny-eyes", images, device=machine)
    assert not (tmp_path / "runs").exists()
    content["reproduction"]["started_from_model"]["version"] = "1.0"
    (model / MODEL).write_text(json.dumps(content))
    monkeypatch.setattr("cenet.experiments.reproduce.evaluate", lambda path, **_: pytest.fail("not trained"))
    with pytest.raises(pytest.fail.Exception):
        reproduce("tiny-eyes", images, device=machine)
    assert unfitted["run"].facts.init_from == str(start)
    assert unfitted["run"].facts.started_from_model == ModelReference(name="earlier-eyes", version="1.0")


def test_another_seed_and_output_are_used(model, images, machine, unfitted, tmp_path, monkeypatch):
    store(model, 0.0, 1.0)
    monkeypatch.setattr("cenet.experiments.reproduce.evaluate", lambda path, **_: pytest.fail("not trained"))
    with pytest.raises(pytest.fail.Exception):
        reproduce("tiny-eyes", images, output=tmp_path / "mine", seed=7, device=machine)
    assert unfitted["run"].recipe.seed == 7
    assert unfitted["run"].path == tmp_path / "mine"


def test_the_run_of_another_seed_is_not_compared(model, images, machine, unfitted, tmp_path, monkeypatch):
    store(model, 0.0, 1.0)
    monkeypatch.setattr("cenet.experiments.reproduce.evaluate", lambda path, **_: pytest.fail("not trained"))
    with pytest.raises(pytest.fail.Exception):
        reproduce("tiny-eyes", images, seed=7, device=machine)
    run = unfitted["run"]
    assert run.path.as_posix() == "runs/tiny-eyes-1.0-fold-1-seed-7"
    run.update(finished=True, epoch=0, weights_sha256="0" * 64)
    with pytest.raises(CenetError, match=f"^{run.path}: was started with seed 7, not 8; choose another --output"):
        reproduce("tiny-eyes", images, output=run.path, seed=8, device=machine)


def test_a_run_of_another_split_is_not_compared(model, run_copy, images, machine):
    store(model, 0.0, 1.0)
    parts = json.loads((run_copy / "splits.json").read_text())
    parts["train"], parts["test"] = parts["test"], parts["train"]
    (run_copy / "splits.json").write_text(json.dumps(parts))
    with pytest.raises(CenetError, match=f"^{run_copy}: was started with another split; choose another --output$"):
        reproduce("tiny-eyes", images, output=run_copy, device=machine)


def test_a_model_without_a_fold_and_other_images_are_refused(cenet, model, draw, machine, tmp_path, capsys):
    with pytest.raises(CenetError):
        reproduce("tiny-eyes", draw(tmp_path / "others", seed=9), device=machine)
    assert not (tmp_path / "runs").exists()
    info = json.loads((model / MODEL).read_text())
    (model / MODEL).write_text(json.dumps({**info, "reproduction": None}))
    assert cenet("reproduce", "tiny-eyes", "--data", tmp_path / "missing") == 1
    assert "stores no fold" in capsys.readouterr().err
    with pytest.raises(CenetError) as refusal:
        find_fold("tiny-eyes")
    assert str(model / "recipe.json") in refusal.value.remedy
    assert cenet("reproduce", "tiny-eye", "--data", tmp_path) == 1
    assert "did you mean tiny-eyes?" in capsys.readouterr().err
