"""`cenet plan`: measure a data set and the machine, and plan a recipe for them."""

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from cenet.config.plan import Choice, Plan
from cenet.config.presets import RECIPES
from cenet.config.recipe import Recipe
from cenet.data.io.read import keep_decoded_labels
from cenet.data.make_splits import choose_test_groups, has_own_split
from cenet.data.sample import Sample
from cenet.data.splits import PARTS, Split, open_split
from cenet.datasets.resolve import count_task_classes, resolve_dataset
from cenet.inference.device import Device, DeviceConfig, to_device_config
from cenet.inference.run import Run
from cenet.models.installed import resolve_run
from cenet.networks import NetworkFactory
from cenet.networks.registry import resolve_network
from cenet.planning.fingerprint import DataFingerprint, summarise_measurements
from cenet.planning.machine import Machine
from cenet.planning.measure import ImageMeasurements, measure_image
from cenet.planning.rules import plan_recipe
from cenet.safe_text import print_line
from cenet.training.initial_weights import starting_fields
from cenet.training.prepare import KEEP_BYTES, TrainingData, prepare_training_data, select_samples

MIN_TEST_GROUPS = 5  # with fewer, none is held out
DEFAULT_MEMORY_GIB = 8.0  # where the system does not say


def plan(
    data: Path | str,
    *,
    task: str = "folder",
    minutes: float | None = None,
    device: DeviceConfig | Device = "auto",
    group_pattern: str | None = None,
    ignore_value: int | None = None,
    splits: Path | str | Split | None = None,
    init_from: Path | str | None = None,
    changes: Mapping[str, Any] | None = None,
) -> Plan:
    """Plan a recipe for a data set and this machine, from what is measured of both.

    Every image of training and validation is read once; of the test part no label is opened. The same data set and
    machine always give the same plan.

    Args:
        data: The folder, laid out as the task says.
        task: Its layout, see `cenet.TASKS`.
        minutes: A time budget for the whole training.
        device: What computes, as for `cenet.train`.
        group_pattern: A pattern that finds the group in an image's name.
        ignore_value: The label value of unannotated pixels.
        splits: A split, or a `splits.json`, whose test part is held out; as for `cenet.train`.
        init_from: A run, or the name of a released model, whose network the recipe gets, to start from its weights.
        changes: Fields of the recipe that are not to be chosen, with their values.

    Returns:
        The recipe, and each choice in it with the measured value that caused it.

    Raises:
        CenetError: The images cannot be used, or a value of `changes` is impossible.

    >>> import cenet
    >>> cenet.plan("eyes").reason("crop_px")  # doctest: +SKIP
    >>> run = cenet.train(cenet.plan("eyes", minutes=30).recipe, "eyes", output="runs/eyes")  # doctest: +SKIP
    """
    planned, _ = plan_training(
        Path(data),
        device=to_device_config(device),
        minutes=minutes,
        group_pattern=group_pattern,
        ignore_value=ignore_value,
        split=open_split(splits),
        earlier=Run(resolve_run(init_from)) if init_from else None,
        changes={"task": task, **(changes or {})},
    )
    return planned


def plan_training(
    data: Path,
    *,
    device: DeviceConfig,
    minutes: float | None = None,
    group_pattern: str | None = None,
    ignore_value: int | None = None,
    split: Split | None = None,
    earlier: Run | None = None,
    changes: Mapping[str, Any] | None = None,
    network: NetworkFactory | None = None,
) -> tuple[Plan, TrainingData]:
    """Plan a recipe, and return the images that were read for it, so that the training need not read them again.

    Args:
        data: The folder.
        device: What computes.
        minutes: A time budget.
        group_pattern: A pattern that finds the group in an image's name.
        ignore_value: The label value of unannotated pixels.
        split: A split to use instead of a new one.
        earlier: The run whose weights the training starts from, and whose network it therefore needs.
        changes: Fields of the recipe that are not to be chosen, with their values.
        network: A network of your own.

    Raises:
        CenetError: The images cannot be used, or a value of `changes` is impossible.
    """
    changes = {**(starting_fields(earlier.recipe) if earlier else {}), **(changes or {})}
    base = Recipe(name="planned", title="planned for a data set and a machine").replace(**_data_fields(changes))
    if network is not None:
        changes["network"] = resolve_network(base, network).network
    samples = resolve_dataset(base.task).read(data, group_pattern=group_pattern)
    held_out = _choose_test_fraction(base, changes, samples, split)
    base = base.replace(test_fraction=float(held_out.value))
    measured: list[ImageMeasurements] = []
    with keep_decoded_labels(KEEP_BYTES):
        base, classes = _count_classes(base, changes, _list_learning(samples, base, split, data), ignore_value, data)
        training_data = prepare_training_data(
            base,
            data,
            group_pattern=group_pattern,
            ignore_value=ignore_value,
            split=split,
            observe=lambda image, label, region: measured.append(
                measure_image(image, label, region, num_foregrounds=max(base.num_classes - 1, 1), nested=base.nested)
            ),
        )
    data_fingerprint = _summarise(training_data, measured)
    machine = measure_machine(device)
    for line in (*data_fingerprint.describe(), f"machine: {machine.describe()}"):
        print_line(line)
    planned = plan_recipe(data_fingerprint, machine, minutes=minutes, base=base, requested=changes)
    recipe = resolve_network(planned.recipe, network)
    return Plan(recipe=recipe, choices=(classes, held_out, *planned.choices), warnings=planned.warnings), training_data


def print_plan(planned: Plan) -> None:
    """Print every choice with its reason.

    Args:
        planned: The plan.
    """
    for line in planned.describe():
        print_line(line)


def measure_machine(device: DeviceConfig) -> Machine:
    """Return what the planning needs to know of this machine.

    Args:
        device: What computes.
    """
    memory = DEFAULT_MEMORY_GIB
    if device.device == "cuda":
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    else:
        with suppress(AttributeError, ValueError, OSError):  # Windows has no sysconf
            memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return Machine(device.device, device.precision, torch.get_num_threads(), memory)


def _data_fields(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that decide what is read, as they were requested or as the recipe of the task has them."""
    task = str(changes.get("task", "folder"))
    preset = next((recipe for recipe in RECIPES.values() if recipe.task == task != "folder"), None)
    fields: dict[str, Any] = {"task": task}
    if preset is not None:
        fields |= {name: getattr(preset, name) for name in ("num_classes", "nested", "ordered", "threshold_metric")}
        fields |= {name: getattr(preset, name) for name in ("horizontal_flip_only", "loss_outside_fov")}
    names = ["num_classes", "nested", "ordered", "seed", "test_fraction", "validation_fraction", "threshold_metric"]
    names += ["selection", "patience"]  # which a validation fraction of 0 must fit
    return fields | {name: changes[name] for name in names if name in changes}


def _choose_test_fraction(
    base: Recipe, changes: Mapping[str, Any], samples: Sequence[Sample], split: Split | None
) -> Choice:
    if split is not None:
        groups, held_out = len(set(split.groups.values())), len({split.groups[name] for name in split.parts["test"]})
        reason = f"the split that was given holds out {held_out} of {groups} groups"
        return Choice(field="test_fraction", value=str(min(round(held_out / groups, 2), 0.99)), reason=reason)
    groups = len({sample.group for sample in samples})
    if has_own_split(samples):
        held_out = len({sample.group for sample in samples if sample.part == "test"})
        reason = f"the data set says itself which images are for what, and holds out {held_out} of {groups} groups"
        return Choice(field="test_fraction", value=str(min(round(held_out / groups, 2), 0.99)), reason=reason)
    fraction, reason = base.test_fraction, f"{groups} groups are enough to hold some out"
    if "test_fraction" in changes:
        reason = "as requested"
    elif groups < MIN_TEST_GROUPS:
        fraction, reason = 0.0, f"{groups} groups are too few to hold one out: each is needed to learn from"
    return Choice(field="test_fraction", value=str(fraction), reason=reason)


def _list_learning(samples: Sequence[Sample], base: Recipe, split: Split | None, data: Path) -> list[Sample]:
    """Return the samples whose labels may be opened."""
    if split is not None:
        return [sample for part in select_samples(samples, split, data).values() for sample in part]
    test_groups = choose_test_groups(samples, base)
    return [sample for sample in samples if sample.group not in test_groups]


def _count_classes(
    base: Recipe, changes: Mapping[str, Any], learning: Sequence[Sample], ignore_value: int | None, data: Path
) -> tuple[Recipe, Choice]:
    """Return the recipe with the classes that the labels hold, and why."""
    if "num_classes" in changes:
        return base, Choice(field="num_classes", value=str(base.num_classes), reason="as requested")
    count = count_task_classes(base.task, learning, ignore_value=ignore_value, folder=data)
    several = count.num_classes > 2
    nested = base.nested or (count.nested and "nested" not in changes)  # what contradicts the labels is refused
    base = base.replace(
        num_classes=count.num_classes,
        nested=several and nested,
        ordered=several and base.ordered,
    )
    return base, Choice(field="num_classes", value=str(base.num_classes), reason=count.reason)


def _summarise(data: TrainingData, measured: Sequence[ImageMeasurements]) -> DataFingerprint:
    samples = [sample for part in data.samples.values() for sample in part]
    names = [name for part in PARTS[:2] for name in data.split.parts[part]]
    return summarise_measurements(
        measured,
        groups=len({sample.group for sample in samples}),
        test_images=len(data.split.parts["test"]),
        test_groups=len({data.split.groups[name] for name in data.split.parts["test"]}),
        channels=data.statistics.in_channels,
        dtype=data.statistics.dtype,
        value_range=data.statistics.value_range(names),
        classes=data.labels.names,
        nested=data.labels.nested,
        fundus=any(sample.fundus for sample in samples),
        has_regions=any(sample.fundus or sample.region for sample in samples),
    )
