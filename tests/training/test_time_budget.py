"""A schedule that fits a number of minutes: the sums with made-up times, and once with real ones."""

import copy
import math
import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_network import TINY

from cenet.config.presets import load_recipe
from cenet.data.labels.detect import LabelEncoding
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError
from cenet.inference.device import DeviceConfig
from cenet.networks import build_network
from cenet.training import time_budget
from cenet.training.module import SegmentationModule
from cenet.training.time_budget import MIN_PASSES, TRAINING_SHARE, fit_schedule, plan_time_budget, warn_of_few_passes

CPU = DeviceConfig("cpu", "32-true", workers=0)
LABELS = LabelEncoding(kind="values", names=("line",), values=((0,), (255,)))
RECIPE = load_recipe("folder").replace(network=TINY, encoder_weights="none", crop_px=32, batch_size=2)

some_seconds = st.floats(1e-3, 1e3)


@given(
    st.integers(1, 500),
    some_seconds,
    some_seconds,
    some_seconds,
    some_seconds,
    st.floats(1, 1e6),
    st.integers(1, 20),
)
def test_a_schedule_fills_the_time_and_no_more(steps, step, validation, epoch, once, seconds, validate_every):
    recipe = RECIPE.replace(validate_every=validate_every, epochs=20)
    costs = {"step": step, "validation": validation, "epoch": epoch, "once": once}
    try:
        planned, needed = fit_schedule(recipe, steps=steps, **costs, seconds=seconds)
    except CenetError:
        assert once + epoch + validation + step > seconds * (1 - 1e-9)
        return
    # a last epoch that is not validated otherwise has its norms estimated, which is part of what a validation costs
    validations = math.ceil(planned.epochs / planned.validate_every)
    assert needed == pytest.approx(
        once + planned.epochs * (planned.steps_per_epoch * step + epoch) + validations * validation
    )
    assert needed <= seconds * (1 + 1e-9)
    assert needed + planned.epochs * step > seconds * (1 - 1e-9)  # one step more in each epoch would not fit
    assert planned.steps_per_epoch >= steps or planned.epochs == 1
    assert planned.validate_every <= planned.epochs
    fields = {"epochs", "steps_per_epoch", "validate_every"}
    assert planned.model_dump(exclude=fields) == recipe.model_dump(exclude=fields)


@pytest.fixture
def samples(images):
    every = TASKS["folder"].read(images)
    return {"train": every[:4], "validation": every[4:]}


def test_a_plan_times_real_steps_and_changes_nothing(samples, capsys):
    network = build_network(RECIPE)
    before, chance = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    planned = plan_time_budget(RECIPE, network, samples, LABELS, CPU, minutes=5)
    assert torch.equal(torch.get_rng_state(), chance)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert network.training
    assert planned.steps_per_epoch >= 2  # 4 images, 2 in a batch
    said = capsys.readouterr().out
    assert said.startswith(f"{planned.epochs:,} epochs of {planned.steps_per_epoch} steps in about ")
    assert 0 < float(said.split()[-2]) <= 4.5


def test_a_training_without_validation_images_is_planned_too(samples):
    recipe = RECIPE.replace(validation_fraction=0, selection="last", patience=None)
    samples = {"train": samples["train"], "validation": []}
    planned = plan_time_budget(recipe, build_network(recipe), samples, LABELS, CPU, minutes=5)
    assert planned.epochs * planned.steps_per_epoch >= 2


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf])
def test_minutes_that_are_no_time_are_refused(minutes, samples):
    with pytest.raises(CenetError, match=r"^--minutes .*: is no time to train in; give a number above 0$"):
        plan_time_budget(RECIPE, build_network(RECIPE), samples, LABELS, CPU, minutes=minutes)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_image_that_cannot_be_loaded_is_refused_before_the_run_is_made(samples, tmp_path, workers):
    broken = tmp_path / "broken.png"
    broken.touch()
    samples["train"] = [replace(sample, image=broken) for sample in samples["train"]]
    with pytest.raises(CenetError) as error:
        plan_time_budget(
            RECIPE, build_network(RECIPE), samples, LABELS, DeviceConfig("cpu", "32-true", workers=workers), minutes=1
        )
    assert (error.value.subject, error.value.remedy) == (str(broken), "copy it again")


def test_a_batch_that_does_not_fit_is_reported_before_the_run_is_made(samples, monkeypatch):
    def fail(*_, **__):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(SegmentationModule, "training_step", fail)
    with pytest.raises(CenetError, match=r"^a batch of 2 images of 32 x 32 px: does not fit into the memory of cpu"):
        plan_time_budget(RECIPE, build_network(RECIPE), samples, LABELS, CPU, minutes=1)


def test_a_few_passes_are_reported_with_the_minutes_that_would_do(samples, monkeypatch, capsys):
    monkeypatch.setattr(time_budget, "MIN_PASSES", 10**9)
    plan_time_budget(RECIPE, build_network(RECIPE), samples, LABELS, CPU, minutes=5)
    assert "--minutes" in capsys.readouterr().err
    monkeypatch.setattr(time_budget, "MIN_PASSES", 0)
    plan_time_budget(RECIPE, build_network(RECIPE), samples, LABELS, CPU, minutes=5)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("epochs", "steps", "images", "step"), [(1, 2, 16, 30), (4, 1, 100, 0.5), (1, 4, 58, 5)])
def test_the_minutes_that_would_do_are_enough(epochs, steps, images, step):
    few = RECIPE.replace(epochs=epochs, steps_per_epoch=steps)
    used = {"images": images, "minutes": 1, "seconds": epochs * steps * step, "step": step}
    minutes = int(re.search(r"--minutes (\d+)", warn_of_few_passes(few, **used))[1])
    fitting, _ = fit_schedule(
        few, steps=steps, step=step, validation=0, epoch=0, once=0, seconds=60 * TRAINING_SHARE * minutes
    )
    assert warn_of_few_passes(fitting, **used) is None
    enough = math.ceil(MIN_PASSES * images / RECIPE.batch_size)
    assert warn_of_few_passes(RECIPE.replace(epochs=1, steps_per_epoch=enough), **used) is None


def test_minutes_for_a_localiser_are_refused(samples):
    recipe = load_recipe("folder").replace(roi_fraction=1.5, resize_mode="square", crop_px=None)
    with pytest.raises(CenetError, match="localiser") as caught:
        plan_time_budget(recipe, None, samples, None, None, minutes=5)
    assert caught.value.subject == "--minutes"
