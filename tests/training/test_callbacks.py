"""The learning curve, the best weights and the progress bar, with a trainer that is made up."""

import csv
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from cenet.config.presets import load_recipe
from cenet.inference.run import Run
from cenet.inference.run_metadata import RunMetadata
from cenet.networks.pretrained import sha256
from cenet.training import callbacks
from cenet.training.callbacks import RunRecorder, TrainingProgressBar, find_validation_fall


@pytest.fixture
def run(tmp_path):
    return Run.create(
        tmp_path / "run",
        load_recipe("folder"),
        RunMetadata(command="cenet train", started_from="random weights", in_channels=3),
    )


def after_epoch(epoch, score=0.5):
    metrics = {"loss_epoch": 1.25 - epoch / 10, "validation_dice": score}
    return SimpleNamespace(
        callback_metrics={name: torch.tensor(value) for name, value in metrics.items()},
        current_epoch=epoch,
        global_step=10 * (epoch + 1),
        num_training_batches=10,
        optimizers=[SimpleNamespace(param_groups=[{"lr": 0.1}, {"lr": 0.2 / (epoch + 1)}])],
    )


def module_at(epoch, thresholds=(0.5,), skipped=0):
    network = nn.ModuleDict({"head": nn.Conv2d(3, 1, 1)})
    nn.init.constant_(network["head"].bias, epoch)
    predictor = SimpleNamespace(network=network)
    return SimpleNamespace(network=None, predictor=predictor, thresholds=thresholds, skipped=skipped)


def kept(run):
    return load_file(run.path / "weights.safetensors")["head.bias"].item()


def test_the_best_weights_are_kept_with_what_belongs_to_them(run):
    recorder = RunRecorder(run)
    for epoch, score in enumerate([0.0, 0.2, 0.6, 0.4, 0.6]):
        recorder.on_validation_end(after_epoch(epoch, score), module_at(epoch, (0.3 + epoch / 10,)))
        assert kept(run) == min(epoch, 2)
    facts = Run(run.path).facts
    assert (facts.epoch, facts.thresholds) == (2, (0.5,))
    assert facts.validation_dice == pytest.approx(0.6)
    assert facts.weights_sha256 == sha256(run.path / "weights.safetensors")


@pytest.mark.parametrize("selection", ["last", "average"])
def test_the_weights_of_every_epoch_replace_those_before_where_the_recipe_says_so(run, selection):
    run.recipe = run.recipe.replace(selection=selection)
    recorder = RunRecorder(run)
    for epoch, score in enumerate([0.1, 0.6, 0.4]):
        finish_epoch(recorder, epoch, score, validated=epoch < 2)
        assert kept(run) == epoch
    assert Run(run.path).facts.epoch == 2


def test_a_run_that_is_resumed_in_an_epoch_without_validation_keeps_the_thresholds_of_the_last_one(run):
    run.recipe = run.recipe.replace(selection="last", validate_every=2)
    first, second = RunRecorder(run), RunRecorder(run)
    finish_epoch(first, 1, 0.7, thresholds=(0.3,))
    second.load_state_dict(first.state_dict())
    finish_epoch(second, 2, 0.1, thresholds=(), validated=False)
    facts = Run(run.path).facts
    assert (facts.epoch, facts.thresholds, facts.validation_dice) == (2, (0.3,), pytest.approx(0.7))


def finish_epoch(recorder, epoch, score, *, thresholds=(0.5,), skipped=0, validated=True):
    trainer, module = after_epoch(epoch, score), module_at(epoch, thresholds, skipped)
    if epoch == 0:
        recorder.on_train_start(trainer, module)
    if validated:
        recorder.on_validation_end(trainer, module)
    recorder.on_train_epoch_end(trainer, module)


@pytest.mark.parametrize(
    ("scores", "notes"), [([0.7, 0.1, 0.2], 1), ([0.7, 0.65, 0.72], 0), ([0.1, 0.4, 0.2], 1), ([0.5], 0)]
)
def test_a_validation_that_falls_while_the_loss_falls_is_noted_once(run, capsys, scores, notes):
    recorder = RunRecorder(run)
    for epoch, score in enumerate(scores):
        finish_epoch(recorder, epoch, score)
    assert capsys.readouterr().err.count("--precise-norm-batches") == notes


def test_a_validation_that_falls_with_a_rising_loss_is_not_noted():
    rising = [{"validation_dice": 0.7, "loss": 0.4}, {"validation_dice": 0.1, "loss": 0.6}]
    unvalidated = [*rising, {"validation_dice": float("nan"), "loss": 0.1}]
    assert find_validation_fall(rising) is find_validation_fall(unvalidated) is None


def test_a_resumed_run_remembers_its_best_and_its_curve(run):
    first, second = RunRecorder(run), RunRecorder(run)
    finish_epoch(first, 0, 0.7, skipped=2)
    second.load_state_dict(first.state_dict())
    finish_epoch(second, 1, 0.6, skipped=1)
    assert kept(run) == 0
    assert [(row["epoch"], row["validation_dice"]) for row in curve(run)] == [("0", "0.7"), ("1", "0.6")]
    assert second.skipped == 3


def test_weights_of_an_epoch_that_was_lost_are_replaced_by_the_next(run):
    first, second = RunRecorder(run), RunRecorder(run)
    finish_epoch(first, 0, 0.7)
    state, facts = first.state_dict(), (run.path / "run.json").read_text()
    finish_epoch(first, 1, 0.8)
    (run.path / "run.json").write_text(facts)  # it was cut off between the weights and this
    second.run = Run(run.path)
    second.load_state_dict(state)
    finish_epoch(second, 1, 0.6)  # where the same steps do not give the same sums
    assert (kept(run), Run(run.path).facts.validation_dice) == (1, pytest.approx(0.6))
    assert Run(run.path).facts.weights_sha256 == sha256(run.path / "weights.safetensors")


def curve(run):
    with (run.path / "curve.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_curve_has_a_row_for_each_epoch(run):
    recorder = RunRecorder(run)
    finish_epoch(recorder, 0, 0.25, thresholds=(0.31, 0.2), skipped=3)
    finish_epoch(
        recorder, 1, 0.25, validated=False, skipped=10
    )  # the trainer still knows the scores and the loss of before
    finish_epoch(recorder, 2, 0.25, thresholds=())
    first, second, third = curve(run)
    assert float(first.pop("seconds")) >= 0
    scores = ["validation_dice", "validation_threshold"]
    assert list(first) == ["epoch", "step", "loss", "learning_rate", *scores, "skipped"]
    assert list(first.values()) == ["0", "10", "1.25", "0.2", "0.25", "0.31 0.20", "3"]
    assert [second[name] for name in ("loss", *scores, "skipped")] == ["nan", "nan", "nan", "10"]
    assert [third[name] for name in ("loss", *scores, "skipped")] == ["1.05", "0.25", "nan", "0"]
    assert b"\r" not in (run.path / "curve.csv").read_bytes()


def test_the_bar_continues_where_the_training_does_and_shows_known_values(capsys):
    bar = TrainingProgressBar()
    bar.disable()
    trainer = SimpleNamespace(estimated_stepping_batches=10, global_step=4, callback_metrics={})
    bar.on_train_start(trainer, None)
    assert (bar.bar.n, bar.bar.total) == (4, 10)
    bar.on_train_batch_end(trainer, None)
    assert bar.bar.postfix == ""
    trainer.callback_metrics = {"loss_step": torch.tensor(0.5), "validation_dice": torch.tensor(0.25)}
    bar.on_train_batch_end(trainer, None)
    assert bar.bar.postfix == "loss=0.500, validation Dice=0.250"
    bar.on_train_end(trainer, None)
    assert bar.bar.n == 6
    assert "6/10" in capsys.readouterr().err


def test_a_bar_that_has_not_started_shows_nothing(capsys):
    bar = TrainingProgressBar()
    bar.on_train_batch_end(SimpleNamespace(callback_metrics={}), None)
    bar.on_exception(None, None, KeyboardInterrupt())
    assert capsys.readouterr().err == ""


def test_the_curve_of_another_training_is_refused(run):
    recorder = RunRecorder(run)
    with pytest.raises(ValueError, match="another training"):
        recorder.load_state_dict({"best": 0.5, "rows": [{"epoch": 1}], "last_validation": (0.5, (0.5,))})


def test_of_several_processes_the_first_alone_writes(run, monkeypatch, capsys):
    monkeypatch.setattr(callbacks, "current_rank", lambda: 1)
    recorder, bar = RunRecorder(run), TrainingProgressBar()
    before = sorted(path.name for path in run.path.iterdir())
    recorder.on_train_start(None, None)
    recorder.on_validation_end(after_epoch(0), module_at(0))
    recorder.on_train_epoch_end(after_epoch(0), module_at(0))
    assert sorted(path.name for path in run.path.iterdir()) == before
    assert len(recorder.rows) == 1  # all of them resume from the same
    bar.on_train_start(SimpleNamespace(estimated_stepping_batches=9, global_step=0), None)
    bar.on_train_batch_end(after_epoch(0))
    bar.on_train_end(None, None)
    assert "training" not in capsys.readouterr().err
