"""Other programs that follow a training are given its curves, and nothing of its images."""

import sys
from types import ModuleType

import pytest
from pytorch_lightning.loggers import Logger

from cenet.config.presets import load_recipe
from cenet.errors import CenetError
from cenet.training import loggers
from cenet.training.loggers import build_logger, check_logger


class RecordingLogger(Logger):
    """Keeps whatever it is given."""

    name, version = "recording", 0

    def __init__(self):
        super().__init__()
        self.metrics, self.parameters = [], []

    def log_metrics(self, metrics, step=None):
        self.metrics.append(metrics)

    def log_hyperparams(self, params, *_, **__):
        self.parameters.append(params)


def test_a_logger_is_given_curves_alone(cenet, small, images, tmp_path, monkeypatch):
    recording = RecordingLogger()
    monkeypatch.setattr(loggers, "TensorBoardLogger", lambda *_, **__: recording)
    options = (*small, "--epochs", 1, "--steps-per-epoch", 1, "--logger", "tensorboard")
    assert cenet("train", "folder", "--data", images, "--output", tmp_path / "run", *options) == 0
    names = {name for metrics in recording.metrics for name in metrics}
    assert {"loss_step", "validation_dice"} <= names <= {"loss_step", "loss_epoch", "validation_dice", "epoch"}
    assert all(isinstance(value, int | float) for metrics in recording.metrics for value in metrics.values())
    assert all(not parameters for parameters in recording.parameters)


def test_tensorboard_writes_into_the_run_folder(tmp_path):
    logger = build_logger("tensorboard", tmp_path, load_recipe("folder"))
    logger.log_metrics({"loss": 1.0}, step=1)
    logger.finalize("success")
    (written,) = (tmp_path / "tensorboard").rglob("events.out.tfevents.*")
    assert str(tmp_path).encode() not in written.read_bytes()


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_logger_that_is_not_installed_is_one_sentence_and_leaves_nothing(
    cenet, small, images, run, tmp_path, name, monkeypatch, capsys
):
    monkeypatch.setitem(sys.modules, name, None)
    answer = f"cenet: --logger {name}: {name} is not installed; pip install 'cenet[{name}]'\n"
    assert cenet("train", "folder", "--data", images, "--output", tmp_path / "run", *small, "--logger", name) == 1
    assert capsys.readouterr().err == answer
    assert cenet("train", "--resume", run, "--logger", name) == 1
    assert capsys.readouterr().err == answer
    assert list(tmp_path.iterdir()) == []


class Mlflow(RecordingLogger):
    """In place of Lightning's; its server is up or down."""

    is_up = True

    def __init__(self, experiment, *, run_name, tracking_uri, tags):
        super().__init__()
        self.run_name, self.server, self.tags = run_name, tracking_uri, tags

    @property
    def experiment(self):
        if not self.is_up:
            raise ConnectionError("refused")
        return self


def test_mlflow_is_asked_for_a_run_without_account_and_path(tmp_path, monkeypatch):
    monkeypatch.setattr(loggers, "MLFlowLogger", Mlflow)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    logger = build_logger("mlflow", tmp_path, load_recipe("folder"))
    assert logger.server == "http://127.0.0.1:9"
    assert (logger.run_name, logger.tags) == ("folder", {"mlflow.user": "", "mlflow.source.name": "cenet"})


def test_a_server_of_mlflow_that_is_not_named_or_not_up_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", loggers)
    monkeypatch.setattr(loggers, "find_spec", lambda _: object())
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(CenetError, match="no tracking server is named"):
        check_logger("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    check_logger("mlflow")
    monkeypatch.setattr(loggers, "MLFlowLogger", Mlflow)
    monkeypatch.setattr(Mlflow, "is_up", False)
    with pytest.raises(CenetError) as error:
        build_logger("mlflow", tmp_path, load_recipe("folder"))
    assert error.value.subject == "MLFLOW_TRACKING_URI=http://127.0.0.1:9"


def test_a_module_that_only_stands_in_for_a_missing_one_is_none(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard", ModuleType("tensorboard"))
    with pytest.raises(CenetError, match="tensorboard is not installed"):
        check_logger("tensorboard")
