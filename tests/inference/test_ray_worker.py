"""The workers of Ray, in this process; `make ray` tests them with Ray."""

import json
from pathlib import Path

import pytest

from cenet.data.io.outputs import OutputFolder
from cenet.inference.ensemble import fingerprint_run, open_model
from cenet.inference.input_options import PLAIN_INPUT
from cenet.inference.predict import write_predictions
from cenet.inference.prediction_files import PredictionPlan
from cenet.inference.ray_worker import PredictionWorker, WorkerTask, to_row


@pytest.fixture
def task(run, tmp_path):
    settings = {"run": fingerprint_run(open_model(run)), "tta": False, "probabilities": False}
    return WorkerTask(
        str(run), str(tmp_path / "rayed"), settings, False, False, False, "cpu", "auto", None, 1, PLAIN_INPUT
    )


def read_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def test_workers_write_together_what_one_process_writes(run, images, tmp_path, task):
    write_predictions(run, images / "images", output=tmp_path / "one", device="cpu")
    rows = [to_row(planned) for planned in PredictionPlan([images / "images"], tmp_path / "rayed").predictions]
    one, other = PredictionWorker(task), PredictionWorker(task)
    answers = [worker(row) for worker, row in zip([one, other] * 3, rows, strict=True)]
    assert not any(answer["error"] for answer in answers)
    other(rows[0])  # again, as where the first had died after it was written
    assert read_files(tmp_path / "rayed") == read_files(tmp_path / "one")
    remarks = write_predictions(run, images / "images", output=tmp_path / "rayed", device="cpu")
    assert remarks == ["6 of 6 images were predicted before and are skipped"]
    notes = OutputFolder(tmp_path / "rayed", verb="predict").notes
    assert len({note["image"] for note in notes}) == 6


def test_an_image_that_cannot_be_read_is_an_answer_with_the_fields_of_its_error(tmp_path, task):
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "broken.png").write_bytes(b"")
    (planned,) = PredictionPlan([tmp_path / "images"], tmp_path / "rayed").predictions
    subject, cause, _ = json.loads(PredictionWorker(task)(to_row(planned))["error"])
    assert subject.endswith("broken.png")
    assert "empty" in cause


def test_a_worker_finds_an_image_whose_path_is_relative_to_another_folder(images, tmp_path, task, monkeypatch):
    monkeypatch.chdir(images)
    row = to_row(PredictionPlan([Path("images")], tmp_path / "rayed").predictions[0])
    monkeypatch.chdir(tmp_path)
    assert PredictionWorker(task)(row)["error"] == ""
