"""Training to the end, whatever comes between: with a network of a few numbers, in this process."""

import csv
import dataclasses
import io
import os
import signal
import threading

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_network import TINY, Tiny

from cenet.config.presets import load_recipe
from cenet.data.labels.detect import LabelEncoding
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError
from cenet.inference.device import DeviceConfig
from cenet.inference.predictor import Predictor
from cenet.inference.run import Run
from cenet.inference.run_metadata import RunMetadata
from cenet.networks.normalise import Normalise
from cenet.training import checkpoints
from cenet.training import trainer as fitting
from cenet.training.callbacks import RunRecorder, TrainingProgressBar
from cenet.training.checkpoints import finished_epochs, latest_checkpoint
from cenet.training.loaders import TrainingDataset, norm_loader
from cenet.training.module import SegmentationModule, limit_decay
from cenet.training.norm_statistics import estimate_norm_statistics
from cenet.training.selection import ValidationScores
from cenet.training.trainer import match_run_precision, run_training

CPU = DeviceConfig("cpu", "32-true", workers=0)
LABELS = LabelEncoding(kind="values", names=("line",), values=((0,), (255,)))


@pytest.fixture(autouse=True)
def chosen(monkeypatch):
    """The choice of thresholds needs a network that a recipe can name: here it is only noted."""
    runs = []
    monkeypatch.setattr(fitting, "calibrate_and_set_thresholds", lambda run, samples, **_: runs.append(run.path))
    return runs


@pytest.fixture(scope="module")
def samples(images):
    every = TASKS["folder"].read(images)
    return {"train": every[:4], "validation": every[4:]}


def create_run(path, **changes):
    short = {"epochs": 4, "steps_per_epoch": 2, "batch_size": 2, "crop_px": 32, "patience": None}
    recipe = load_recipe("folder").replace(network=TINY, encoder_weights="none", **short | changes)
    facts = RunMetadata(command="cenet train", started_from="random weights", in_channels=3, labels=LABELS)
    return Run.create(path, recipe, facts)


@pytest.fixture
def begin(tmp_path):
    return lambda name="run", **changes: create_run(tmp_path / name, **changes)


def network(seed=0):
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        return Tiny(1, 3, Normalise(3, mean=[128.0], std=[128.0]))


def state_of(run):
    return torch.load(latest_checkpoint(run.path), weights_only=True)


def rows_of(run):
    return list(csv.DictReader((run.path / "curve.csv").read_text().splitlines()))


def assert_same_end(run, other):
    ours, theirs = state_of(run), state_of(other)
    torch.testing.assert_close(ours["state_dict"], theirs["state_dict"], rtol=0, atol=0)
    torch.testing.assert_close(ours["optimizer_states"], theirs["optimizer_states"], rtol=0, atol=0)
    weights = [load_file(folder.path / "weights.safetensors") for folder in (run, other)]
    torch.testing.assert_close(*weights, rtol=0, atol=0)
    assert Run(run.path).facts == Run(other.path).facts
    assert [row | {"seconds": ""} for row in rows_of(run)] == [row | {"seconds": ""} for row in rows_of(other)]


@pytest.fixture(scope="module")
def uninterrupted(samples, keep):
    """A run that nothing came between. Not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "calibrate_and_set_thresholds", lambda *_, **__: None)
        return run_training(create_run(keep("uninterrupted") / "run"), network(), samples, CPU)


class PowerCut(BaseException):
    """What no program can answer; here it lets the test look at what is left."""


def cut(monkeypatch, where, what, *, at=1):
    """Let the power fail before the call of `where.what` of this number."""
    calls, original = [], getattr(where, what)

    def fail(*arguments, **options):
        calls.append(None)
        if len(calls) == at:
            raise PowerCut
        return original(*arguments, **options)

    monkeypatch.setattr(where, what, fail)


CUTS = {
    "before the first step": (SegmentationModule, "training_step", 1),
    "in the first epoch": (SegmentationModule, "training_step", 2),
    "in the third epoch": (SegmentationModule, "training_step", 6),
    "in a validation": (SegmentationModule, "validation_step", 4),
    "before better weights": (Run, "save_weights", 2),
    "between weights and facts": (Run, "update", 2),
    "before the curve": (RunRecorder, "on_train_epoch_end", 3),
    "before a checkpoint": (checkpoints, "save_checkpoint", 4),
    "before a checkpoint is named": (checkpoints, "hash_file", 4),
    "before the last checkpoint": (checkpoints, "save_checkpoint", 5),
    "before the thresholds": (fitting, "calibrate_and_set_thresholds", 1),
}


@pytest.mark.parametrize("place", CUTS)
def test_a_run_that_was_cut_off_anywhere_ends_as_if_it_was_not(place, begin, samples, uninterrupted, monkeypatch):
    run = begin()
    with monkeypatch.context() as patch:
        where, what, at = CUTS[place]
        cut(patch, where, what, at=at)
        with pytest.raises(PowerCut):
            run_training(run, network(), samples, CPU)
    run_training(Run(run.path), network(seed=99), samples, CPU)  # whatever weights it is given
    assert_same_end(run, uninterrupted)


@pytest.mark.parametrize(
    ("selection", "place"),
    [("last", "before a checkpoint"), ("average", "in the third epoch"), ("average", "before a checkpoint")],
)
def test_whatever_weights_are_kept_a_run_that_was_cut_off_keeps_the_same(selection, place, begin, samples, monkeypatch):
    changes = {"selection": selection, "average_decay": 0.7}
    whole, run = run_training(begin("whole", **changes), network(), samples, CPU), begin(**changes)
    assert whole.facts.epoch == whole.recipe.epochs - 1
    with monkeypatch.context() as patch:
        where, what, at = CUTS[place]
        cut(patch, where, what, at=at)
        with pytest.raises(PowerCut):
            run_training(run, network(), samples, CPU)
    run_training(Run(run.path), network(seed=99), samples, CPU)
    assert_same_end(run, whole)


def test_the_kept_average_is_that_of_the_weights_of_all_steps(begin, samples, monkeypatch):
    seen, original = [], SegmentationModule.on_train_batch_end

    def noted(self, *arguments):
        seen.append({name: value.clone() for name, value in self.network.state_dict().items()})
        original(self, *arguments)

    monkeypatch.setattr(SegmentationModule, "on_train_batch_end", noted)
    run = run_training(begin(selection="average", average_decay=0.7, epochs=2), network(), samples, CPU)
    expected, decay = seen[0], limit_decay(0.7, len(seen))
    assert decay < 0.7
    for state in seen[1:]:
        expected = {name: decay * expected[name] + (1 - decay) * state[name] for name in state}
    for name, value in load_file(run.path / "weights.safetensors").items():
        if value.is_floating_point():
            assert torch.allclose(value, expected[name], atol=1e-6), name


@pytest.mark.parametrize(
    ("selection", "validate_every", "at"), [("best", 1, 5), ("last", 1, 5), ("average", 1, 5), ("average", 2, 3)]
)
def test_precise_norms_survive_a_kill_and_belong_to_the_weights_that_are_kept(
    begin, samples, monkeypatch, selection, validate_every, at
):
    changes = {"selection": selection, "precise_norm_batches": 3, "validate_every": validate_every, "epochs": 3}
    run, whole = begin(**changes), run_training(begin("whole", **changes), network(), samples, CPU)
    with monkeypatch.context() as patch:
        cut(patch, SegmentationModule, "training_step", at=at)
        with pytest.raises(PowerCut):
            run_training(run, network(), samples, CPU)
    run_training(Run(run.path), network(seed=99), samples, CPU)
    assert_same_end(run, whole)

    kept = network()
    kept.load_state_dict(load_file(whole.path / "weights.safetensors"))
    expected = kept.body[1].running_mean.clone()
    dataset = TrainingDataset(samples["train"], whole.recipe, Predictor(kept, whole.recipe).geometry, LABELS)
    estimate_norm_statistics(kept, [kept.body[1]], [batch["image"] for batch in norm_loader(dataset)])
    assert torch.equal(kept.body[1].running_mean, expected)


def test_gradients_are_clipped_where_the_recipe_says_so(begin, samples, monkeypatch):
    norms, original = [], SegmentationModule.on_train_batch_end

    def noted(self, *arguments):
        gradients = [weight.grad for weight in self.network.parameters() if weight.grad is not None]
        norms.append(float(torch.stack([gradient.norm() for gradient in gradients]).norm()))
        original(self, *arguments)

    monkeypatch.setattr(SegmentationModule, "on_train_batch_end", noted)
    run_training(begin(clip_gradients=1e-3, epochs=1), network(), samples, CPU)
    assert norms
    assert max(norms) == pytest.approx(1e-3, rel=1e-3)


def test_a_corrupted_checkpoint_costs_an_epoch_and_changes_nothing(begin, samples, uninterrupted, monkeypatch, capsys):
    run = begin()
    with monkeypatch.context() as patch:
        cut(patch, SegmentationModule, "training_step", at=7)
        with pytest.raises(PowerCut):
            run_training(run, network(), samples, CPU)
    newest = latest_checkpoint(run.path)
    os.truncate(newest, 1000)
    run_training(Run(run.path), network(), samples, CPU)
    assert f"note: {newest}: is corrupted" in capsys.readouterr().err
    assert_same_end(run, uninterrupted)


def test_a_run_with_rare_validations_and_patience_is_resumed_exactly(begin, samples, monkeypatch):
    scores = {1: 0.5, 3: 0.4, 5: 0.3, 7: 0.9}
    original, now = SegmentationModule.on_validation_epoch_end, []

    def noted(self):
        now[:] = [self.current_epoch]
        original(self)

    monkeypatch.setattr(SegmentationModule, "on_validation_epoch_end", noted)
    monkeypatch.setattr(ValidationScores, "best", lambda self: ((0.5,), scores[now[0]]))
    changes = {"epochs": 9, "validate_every": 2, "patience": 2, "steps_per_epoch": 1}
    whole = run_training(begin("whole", **changes), network(), samples, CPU)
    assert [row["epoch"] for row in rows_of(whole)] == list("012345")
    run = begin(**changes)
    for at in (3, 3):  # in the third epoch, and in the fifth
        with monkeypatch.context() as patch:
            cut(patch, SegmentationModule, "training_step", at=at)
            with pytest.raises(PowerCut):
                run_training(Run(run.path), network(), samples, CPU)
    for _ in range(2):  # and once more, where nothing is left to do
        run_training(Run(run.path), network(), samples, CPU)
        assert_same_end(run, whole)


def test_a_finished_run_stays_as_it_is(begin, samples, monkeypatch, chosen):
    run = run_training(begin(), network(), samples, CPU)
    before = {path.name: path.stat().st_mtime_ns for path in run.path.rglob("*.ckpt")}
    monkeypatch.setattr(SegmentationModule, "training_step", None)
    run_training(Run(run.path), network(), samples, CPU)
    assert {path.name: path.stat().st_mtime_ns for path in run.path.rglob("*.ckpt")} == before
    assert chosen == [run.path, run.path]


# Loss without a value ---------------------------------------------------------------------------------------


def poison(monkeypatch, calls):
    """Let the loss of these steps, counted from 0, be NaN, through the image."""
    original, seen = SegmentationModule.training_step, []

    def step(self, batch, number):
        seen.append(None)
        if len(seen) - 1 in calls:
            batch = batch | {"image": batch["image"] * np.nan}
        return original(self, batch, number)

    monkeypatch.setattr(SegmentationModule, "training_step", step)


def test_a_batch_without_a_finite_loss_is_skipped_and_counted(begin, samples, monkeypatch, capsys):
    run = begin()
    poison(monkeypatch, {1, 4, 5})
    run_training(run, network(), samples, CPU)
    assert [row["skipped"] for row in rows_of(run)] == ["1", "0", "2", "0"]
    assert [row["loss"] == "nan" for row in rows_of(run)] == [False, False, True, False]
    assert all(tensor.isfinite().all() for tensor in state_of(run)["state_dict"].values())
    note = "note: skipped 3 batches whose loss is not finite; see curve.csv"
    assert capsys.readouterr().err.splitlines()[-1] == note


def test_a_skipped_batch_leaves_no_trace(begin, samples, monkeypatch):
    run, steps = begin(epochs=1, steps_per_epoch=3), []
    poison(monkeypatch, {1})

    def note(self, trainer, learner, *_):
        state = {**learner.network.state_dict(), **trainer.optimizers[0].state_dict()["state"].get(0, {})}
        steps.append({name: torch.as_tensor(value).clone() for name, value in state.items()})

    monkeypatch.setattr(TrainingProgressBar, "on_train_batch_end", note)
    run_training(run, network(), samples, CPU)
    first, second, third = steps
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(second["body.1.running_mean"], third["body.1.running_mean"])
    assert (second["step"], third["step"]) == (1, 2)


def test_after_five_in_a_row_training_stops_and_names_the_images(begin, samples, monkeypatch):
    run = begin()
    poison(monkeypatch, range(2, 7))
    with pytest.raises(CenetError) as error:
        run_training(run, network(), samples, CPU)
    assert error.value.subject == "recipe folder"
    assert "--learning-rate (it is 0.001)" in error.value.remedy
    named = {sample.image for sample in samples["train"] if str(sample.image) in error.value.cause}
    assert 1 <= len(named) <= 2


def test_the_row_is_counted_over_an_interruption(begin, samples, monkeypatch):
    run = begin()
    with monkeypatch.context() as patch:
        poison(patch, range(1, 9))
        cut(patch, TrainingProgressBar, "on_train_batch_end", at=5)
        with pytest.raises(PowerCut):
            run_training(run, network(), samples, CPU)  # three in a row at the end of the second epoch
    poison(monkeypatch, range(2))
    with pytest.raises(CenetError, match="5 batches in a row"):
        run_training(Run(run.path), network(), samples, CPU)


# Memory, workers, disk --------------------------------------------------------------------------------------

OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("MPS backend out of memory (MPS allocated: 5.00 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:80] data. DefaultCPUAllocator: not enough memory: you tried"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    MemoryError("Unable to allocate 9.31 GiB for an array"),
]


def failing(error):
    def fail(*_, **__):
        raise error

    return fail


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error)[-20:])
def test_a_batch_that_does_not_fit_is_reported_with_what_makes_it_smaller(begin, samples, monkeypatch, error):
    monkeypatch.setattr(Tiny, "forward", failing(error))
    said = "^a batch of 2 images of 32 x 32 px: does not fit into the memory of cpu; lower --batch-size or --crop-px$"
    with pytest.raises(CenetError, match=said):
        run_training(begin(), network(), samples, CPU)


def test_a_batch_that_does_not_fit_on_its_way_back_is_reported_too(begin, samples, monkeypatch):
    monkeypatch.setattr(SegmentationModule, "backward", failing(OUT_OF_MEMORY[0]))
    with pytest.raises(CenetError, match=r"a batch of 2 images of 48 x 48 px: .* lower --batch-size or --size-px$"):
        run_training(begin(crop_px=None, resize_mode="square", size_px=48), network(), samples, CPU)


def test_a_validation_image_that_does_not_fit_is_reported_with_its_size(begin, samples, monkeypatch):
    monkeypatch.setattr(fitting.Predictor, "__call__", failing(OUT_OF_MEMORY[0]))
    said = "^an image of 64 x 48 px: does not fit into the memory of cpu; lower --tile-px$"
    with pytest.raises(CenetError, match=said):
        run_training(begin(), network(), samples, CPU)


def test_another_error_of_the_trainer_stays_as_it_is(begin, samples, monkeypatch):
    monkeypatch.setattr(Tiny, "forward", failing(RuntimeError("mat1 and mat2 shapes cannot be multiplied")))
    with pytest.raises(RuntimeError, match=r"^mat1 and mat2 shapes cannot be multiplied$"):
        run_training(begin(), network(), samples, CPU)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_of_a_loading_process_keeps_its_fields(begin, samples, monkeypatch, workers):
    broken = failing(CenetError("eye.png", "the file is empty", "copy it again"))
    monkeypatch.setattr("cenet.training.loaders.load_sample", broken)
    with pytest.raises(CenetError) as error:
        run_training(begin(), network(), samples, DeviceConfig("cpu", "32-true", workers=workers))
    assert (error.value.subject, error.value.cause, error.value.remedy) == (
        "eye.png",
        "the file is empty",
        "copy it again",
    )


def test_a_loading_process_that_dies_is_reported_with_the_remedy(begin, samples, monkeypatch):
    monkeypatch.setattr("cenet.training.loaders.load_sample", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(CenetError, match=r"^recipe folder: a process that loads images died, .* add --workers 0 \("):
        run_training(begin(), network(), samples, DeviceConfig("cpu", "32-true", workers=1))


def test_a_disk_that_fills_up_stops_the_training_where_it_can_be_resumed(begin, samples, uninterrupted, monkeypatch):
    run = begin()
    with monkeypatch.context() as patch:
        sync, calls = os.fsync, []

        def full(number):
            calls.append(None)
            if len(calls) > 12:
                raise OSError(28, "No space left on device")
            sync(number)

        patch.setattr(os, "fsync", full)
        with pytest.raises(CenetError, match=r"cannot be written \(No space left on device\)"):
            run_training(run, network(), samples, CPU)
    assert 0 < finished_epochs(latest_checkpoint(run.path)) < 4
    run_training(Run(run.path), network(), samples, CPU)
    assert_same_end(run, uninterrupted)


# Signals -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "place",
    [
        (SegmentationModule, "training_step"),
        (SegmentationModule, "validation_step"),
        (fitting, "calibrate_and_set_thresholds"),
    ],
)
def test_a_signal_ends_a_training_that_can_be_resumed(begin, samples, monkeypatch, number, place):
    run, handlers = begin(), (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
    with monkeypatch.context() as patch:
        patch.setattr(*place, lambda *_, **__: signal.raise_signal(number))
        with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit) as stop:
            run_training(run, network(), samples, CPU)
    assert stop.value.args == (() if number == signal.SIGINT else (143,))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers
    run_training(run, network(), samples, CPU)


def test_a_training_may_run_in_a_thread(begin, samples):
    run = begin(epochs=1)
    thread = threading.Thread(target=run_training, args=(run, network(), samples, CPU))
    thread.start()
    thread.join()
    assert finished_epochs(latest_checkpoint(run.path)) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_a_checkpoint_is_written_is_a_signal(begin, samples, uninterrupted, monkeypatch, number):
    run, calls, original = begin(), [], torch.save

    class Signalled(io.BytesIO):
        def write(self, content):
            signal.raise_signal(number)
            return super().write(content)

    def save(state, file):
        calls.append(None)
        original(state, Signalled() if len(calls) == 3 else file)

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", save)
        with pytest.raises(KeyboardInterrupt if number == signal.SIGINT else SystemExit) as stop:
            run_training(run, network(), samples, CPU)
    assert stop.value.args == (() if number == signal.SIGINT else (143,))
    assert finished_epochs(latest_checkpoint(run.path)) == 1
    run_training(Run(run.path), network(), samples, CPU)
    assert_same_end(run, uninterrupted)


# As it began ------------------------------------------------------------------------------------------------


def test_a_run_is_resumed_in_the_precision_and_format_it_was_started_with(begin):
    run, here = begin(), DeviceConfig("cuda", "bf16-mixed", workers=3)
    assert match_run_precision(run, here) == here  # of an earlier version, which did not note them
    run.update(precision="32-true", memory_format="contiguous")
    assert match_run_precision(run, here) == DeviceConfig("cuda", "32-true", workers=3, memory_format="contiguous")


def test_a_machine_that_lacks_the_precision_of_the_run_is_refused(begin):
    run = begin()
    run.update(precision="16-mixed")
    with pytest.raises(
        CenetError, match=f"^{run.path}: was started with --precision 16-mixed, which only cuda supports"
    ):
        match_run_precision(run, CPU)
    assert match_run_precision(run, DeviceConfig("cuda", "bf16-mixed", workers=0)).precision == "16-mixed"


# Deterministic ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workspace", [None, ":16:8"])
def test_deterministic_algorithms_are_asked_for_and_given_back(begin, samples, monkeypatch, workspace):
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG", raising=False)
    if workspace:
        monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", workspace)
    seen, step = [], SegmentationModule.training_step

    def note(self, *arguments):
        seen.append((torch.are_deterministic_algorithms_enabled(), os.environ.get("CUBLAS_WORKSPACE_CONFIG")))
        return step(self, *arguments)

    monkeypatch.setattr(SegmentationModule, "training_step", note)
    run_training(begin("asked", epochs=1), network(), samples, CPU, deterministic=True)
    assert set(seen) == {(True, ":4096:8")}
    run_training(begin("not", epochs=1), network(), samples, CPU)
    assert seen[-1] == (False, workspace)


@pytest.mark.parametrize("selection", ["last", "average"])
@pytest.mark.parametrize("memory_format", ["channels-last", "contiguous"])
def test_the_network_that_learns_has_the_memory_format_that_was_chosen(
    selection, memory_format, begin, samples, monkeypatch
):
    seen, step = [], SegmentationModule.training_step

    def note(self, *arguments):
        weight = self.network.body[0].weight
        seen.append(weight.is_contiguous(memory_format=torch.channels_last))
        return step(self, *arguments)

    monkeypatch.setattr(SegmentationModule, "training_step", note)
    device = dataclasses.replace(CPU, memory_format=memory_format)
    run_training(begin(selection=selection, epochs=1), network(), samples, device)
    assert set(seen) == {memory_format == "channels-last"}
