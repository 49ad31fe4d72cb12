"""A released model goes wherever a run goes; and what version 0.1.0 wrote is opened, or refused with what opens it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from released import INFO, release

import cenet as package
from cenet.cli.main import VERBS
from cenet.config.formats import check_format
from cenet.errors import CenetError
from cenet.inference.check_model import predict_check_image
from cenet.inference.ensemble import open_run
from cenet.inference.run import Run
from cenet.models import installed
from cenet.models.model_info import MODEL

FROZEN = Path(__file__).parent / "frozen" / "0.1.0"


@pytest.fixture(scope="module")
def model(run, keep):
    """A released model of the trained run. Not to be changed."""
    return release(run, keep("models"))


@pytest.fixture(autouse=True)
def place(model, tmp_path, monkeypatch):
    """An empty current folder, and one installed model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(installed, "search_folders", lambda: [model.parent])


def test_a_model_predicts_what_its_run_predicts(cenet, run, images, tmp_path, capsys):
    image = images / "images" / "eye-0.png"
    assert np.array_equal(package.load("tiny-eyes")(image).mask, package.load(run)(image).mask)
    assert np.array_equal(package.predict("tiny-eyes", image).mask, package.load(run)(image).mask)
    assert cenet("predict", "tiny-eyes", image, "--output", tmp_path / "out") == 0
    assert (tmp_path / "out" / "eye-0_mask.png").is_file()
    assert open_run("tiny-eyes").model.version == "1.0"
    assert Run(run).model is None


def test_a_model_is_scored_into_a_folder_of_its_name_and_version(cenet, model, images, tmp_path, capsys):
    before = {path: path.read_bytes() for path in model.iterdir()}
    assert cenet("evaluate", "tiny-eyes", "--data", images, "--device", "cpu", "--overlays", 0) == 0
    folder = tmp_path / "runs" / "tiny-eyes-1.0" / "evaluation-all-region"
    report = json.loads((folder / "report.json").read_text())
    assert (report["runs"][0]["name"], report["runs"][0]["folder"]) == ("tiny-eyes", "")
    assert "cenet evaluate tiny-eyes --split all" in report["commands"][-1]
    assert {path: path.read_bytes() for path in model.iterdir()} == before
    shutil.copytree(folder, tmp_path / "again")
    assert cenet("compare", "tiny-eyes", tmp_path / "again") == 0
    assert cenet("report", "tiny-eyes", "--output", tmp_path / "page.html", "--cases", 0) == 0


def test_a_training_records_the_model_and_the_version_that_it_started_from(images, machine, model, run, unfitted):
    recipe, split = Run(model).recipe, run / "splits.json"
    longer = package.train(recipe, images, output="next", device=machine, init_from="tiny-eyes", splits=split)
    assert longer.facts.started_from_model == INFO.reference
    assert longer.facts.started_from.startswith("run tiny-eyes (released model, version 1.0), weights SHA-256 ")
    assert "--init-from tiny-eyes" in longer.facts.command
    assert set(longer.facts.seen_in_earlier_training) == Run(run).seen_in_training


def test_the_verb_lists_models_and_shows_a_card(cenet, capsys):
    assert cenet("models") == 0
    listed = capsys.readouterr().out
    for words in (
        "tiny-eyes",
        "Drawn eyes, 6 images",
        "0.8123",
        "0.7500 to 0.8600",
    ):
        assert words in listed
    assert cenet("models", "tiny-eyes") == 0
    card = capsys.readouterr().out
    for words in (*INFO.limits, *INFO.failures, INFO.notice, INFO.data[0].terms, INFO.licence, "fold 1 of 3"):
        assert words in card
    assert cenet("models", "tiny-eye") == 1
    assert "did you mean tiny-eyes?" in capsys.readouterr().err
    assert "models" in VERBS


def test_the_verb_checks_whether_a_model_computes_as_at_its_release(cenet, run, tmp_path, monkeypatch, capsys):
    assert cenet("models", "tiny-eyes", "--check") == 1
    assert "stores no prediction" in capsys.readouterr().err
    check = predict_check_image(Run(run), "vessels", 64)
    release(run, tmp_path / "other", check=check)
    monkeypatch.setattr(installed, "search_folders", lambda: [tmp_path / "other"])
    assert cenet("models", "tiny-eyes", "--check") == 0
    assert "computes here what it computed at its release" in capsys.readouterr().out
    assert cenet("models", "--check") == 1


def test_without_models_the_verb_says_that_none_is_installed(cenet, monkeypatch, capsys):
    monkeypatch.setattr(installed, "search_folders", list)
    assert cenet("models") == 0
    assert "No model is installed." in capsys.readouterr().out


def test_a_model_file_of_other_weights_is_refused(model, tmp_path):
    copy = shutil.copytree(model, tmp_path / "copy")
    (copy / MODEL).write_text(INFO.model_dump_json())
    with pytest.raises(CenetError) as refusal:
        Run(copy)
    assert refusal.value.subject == str(copy / MODEL)


# What earlier versions wrote ---------------------------------------------------------------------------------


def test_a_model_of_version_0_1_0_predicts_what_it_predicted_then():
    import tiny_network  # noqa: F401  # its network

    expected = json.loads((FROZEN / "expected.json").read_text())
    predictor = open_run(FROZEN / "tiny-eyes").predictor()
    prediction = predictor((np.arange(48 * 64 * 3) % 251).astype(np.uint8).reshape(48, 64, 3))
    assert prediction.mask.sum() == expected["foreground"]
    np.testing.assert_allclose(prediction.probabilities[0, ::8, ::8], expected["probabilities"], atol=1e-4)


@pytest.mark.parametrize(("name", "opened_by"), [("run.json", 4), ("model.json", 1)])
def test_a_format_that_a_later_version_no_longer_opens_is_refused_with_the_version_that_does(name, opened_by):
    check_format(FROZEN / "tiny-eyes" / name, opened_by)
    with pytest.raises(CenetError) as refusal:
        check_format(FROZEN / "tiny-eyes" / name, opened_by + 1)
    assert "pip install 'cenet==0.1.0'" in refusal.value.remedy


@pytest.mark.parametrize(("number", "words"), [(3, "train it again"), (5, "pip install --upgrade cenet")])
def test_a_run_of_another_format_is_refused_with_what_to_do(tmp_path, number, words):
    copy = shutil.copytree(FROZEN / "tiny-eyes", tmp_path / "copy")
    facts = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**facts, "format": number, "of_another_version": True}))
    with pytest.raises(CenetError) as refusal:
        Run(copy)
    assert refusal.value.subject == str(copy / "run.json")
    assert words in refusal.value.remedy
