"""`cenet train`: from a recipe and a folder of images to a run."""

import shutil
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm

from cenet.config.presets import format_command, load_recipe
from cenet.config.recipe import Recipe
from cenet.data.io.files import check_writable
from cenet.data.labels.detect import LabelEncoding
from cenet.data.sample import Sample
from cenet.data.splits import PARTS, Split, choose_test_groups, make_split
from cenet.data.statistics import DatasetStatistics, compute_fingerprints, compute_statistics
from cenet.datasets.resolve import resolve_dataset, resolve_label_encoding
from cenet.errors import CenetError
from cenet.inference.device import Device, DeviceConfig, to_device_config
from cenet.inference.run import LOCALISER, Run, RunMetadata, check_not_occupied
from cenet.networks import NetworkFactory
from cenet.networks.registry import resolve_network
from cenet.training.checkpoints import check_has_checkpoint, latest_checkpoint
from cenet.training.initial_weights import EARLIER, build_initialised_network, check_no_test_leakage, load_run_weights
from cenet.training.time_budget import plan_time_budget
from cenet.training.trainer import check_tensorboard, match_run_precision, run_training


@dataclass(frozen=True)
class TrainingData:
    """What a training learns from; of the test part it knows names and fingerprints alone."""

    samples: dict[str, list[Sample]]
    split: Split
    survey: DatasetStatistics
    labels: LabelEncoding


def train(
    recipe: Recipe | str,
    data: Path | str,
    *,
    output: Path | str,
    device: DeviceConfig | Device = "auto",
    group_pattern: str | None = None,
    splits: Path | str | Split | None = None,
    ignore_value: int | None = None,
    init_from: Path | str | None = None,
    minutes: float | None = None,
    tensorboard: bool = False,
    deterministic: bool = False,
    network: NetworkFactory | None = None,
) -> Run:
    """Train a recipe on a folder of images, into a new run folder.

    Args:
        recipe: What to train, and how: a recipe, or the name of one, or its `.json` file.
        data: The folder, laid out as the recipe's task says.
        output: The run folder to make.
        device: What computes: `auto`, `cpu`, `cuda` or `mps`, or a whole configuration with precision and workers.
        group_pattern: A pattern that finds the group in an image's name.
        splits: A split, or a `splits.json`, to use instead of a new split; of its test part nothing is opened.
        ignore_value: The label value of pixels that nobody drew.
        init_from: A run whose weights training starts from.
        minutes: A time budget, which the number of steps is made to fit.
        tensorboard: Also log for TensorBoard (an extra).
        deterministic: Compute with algorithms that give the same sums every time.
        network: A network of your own, in place of the one that the recipe names, see `cenet.networks.NetworkFactory`.

    Raises:
        CenetError: Anything in the images, the recipe or the place that cannot be used; nothing is left behind.
    """
    recipe = resolve_network(load_recipe(recipe) if isinstance(recipe, str) else recipe, network)
    data, output, init_from = Path(data), Path(output), Path(init_from) if init_from else None
    splits = Path(splits) if isinstance(splits, str) else splits
    device = to_device_config(device)
    check_not_occupied(output)
    check_writable(output)
    if tensorboard:
        check_tensorboard()
    material = _material(
        recipe, data, group_pattern, ignore_value, Split.from_json(splits) if isinstance(splits, Path) else splits
    )
    survey = material.survey
    command = format_command(
        recipe,
        data.name,
        output=f"runs/{output.name}",
        group_pattern=group_pattern,
        splits=splits and (splits.name if isinstance(splits, Path) else "splits.json"),
        ignore_value=ignore_value,
        init_from=init_from and f"runs/{init_from.name}",
        minutes=minutes,
    )
    in_channels, value_range = survey.in_channels, survey.value_range(material.split.parts["train"])
    learner, started_from = build_initialised_network(recipe, in_channels, value_range, own_network=network)
    if recipe.crop_px is not None and recipe.crop_px < learner.min_size:
        raise CenetError(
            f"recipe {recipe.name}", f"crop_px {recipe.crop_px} is too small", f"use {learner.min_size} or more"
        )
    seen_in_training: set[str] = set()
    if init_from:
        earlier = Run(init_from, network=network)
        check_no_test_leakage(earlier, material.split, data)
        seen_in_training = earlier.seen_in_training
        started_from = load_run_weights(learner, earlier, recipe, in_channels=in_channels)
    if minutes is not None:
        if recipe.roi_fraction is not None:
            cause = "the training of the localiser cannot be planned"
            raise CenetError("--minutes", cause, "set --epochs and --localiser-epochs")
        recipe = plan_time_budget(recipe, learner, material.samples, material.labels, device, minutes=minutes)
    facts = RunMetadata(
        command=command + " --deterministic" * deterministic,
        started_from=started_from,
        seen_in_earlier_training=tuple(sorted(seen_in_training)),
        in_channels=in_channels,
        dtype=survey.dtype,
        value_range=value_range,
        classes=material.labels.names,
        labels=material.labels,
        shares=_shares(recipe, material),
        data=str(data.resolve()),
        group_pattern=group_pattern,
        precision=device.precision,
        precision_reason=device.precision_reason,
        memory_format=device.memory_format,
        deterministic=deterministic,
    )
    run = Run.create(output, recipe, facts, split=material.split, network=network)
    print(device.describe_precision())
    _ensure_localiser(run, material.samples, device, deterministic=deterministic)
    return run_training(run, learner, material.samples, device, tensorboard=tensorboard, deterministic=deterministic)


def resume(
    path: Path | str,
    *,
    data: Path | str | None = None,
    device: DeviceConfig | Device = "auto",
    tensorboard: bool = False,
    deterministic: bool = False,
    network: NetworkFactory | None = None,
) -> Run:
    """Resume a run after its last finished epoch, in the precision and memory format that it was started with.

    Args:
        path: The run folder.
        data: The folder of images, where it has moved.
        device: What computes, as for `train`; precision and memory format are those of the run.
        tensorboard: Also log for TensorBoard.
        deterministic: As for `train`; likewise.
        network: The class of the run's network, where it is one of your own.

    Raises:
        CenetError: The run has nothing to go on with, its images are gone or altered, or the device cannot.
    """
    if tensorboard:
        check_tensorboard()
    path, device = Path(path), to_device_config(device)
    run = Run(path, network=network)
    split, folder, facts = run.split, Path(data or run.facts.data or ""), run.facts
    if split is None or facts.labels is None:
        raise CenetError(run.path, "was imported, not trained", f"use --init-from {run.path} to train on")
    begun = latest_checkpoint(path) is not None
    if not begun and (run.recipe.roi_fraction is None or facts.started_from.startswith(EARLIER)):
        check_has_checkpoint(path)
    device = match_run_precision(run, device)
    deterministic = deterministic if facts.deterministic is None else facts.deterministic
    samples = _listed(run.recipe, folder, facts.group_pattern)
    chosen = _chosen(samples, split, folder)
    _survey(chosen, facts.labels, split, folder)
    if begun:
        learner = run.build_network()
    else:  # it was stopped while its localiser learned
        learner, _ = build_initialised_network(run.recipe, facts.in_channels, facts.value_range, own_network=network)
    print(device.describe_precision())
    _ensure_localiser(run, chosen, device, deterministic=deterministic)
    return run_training(run, learner, chosen, device, tensorboard=tensorboard, deterministic=deterministic)


def _ensure_localiser(run: Run, samples: dict[str, list[Sample]], device: DeviceConfig, *, deterministic: bool) -> None:
    """Train what finds where a run looks, on the same images, or go on with it; into a run in the run's own folder."""
    place, facts = run.path / LOCALISER, run.facts
    if run.recipe.roi_fraction is None or ((place / "run.json").exists() and Run(place).facts.finished):
        return
    print("training the localiser, which sees whole photographs")
    recipe = run.recipe.localiser
    learner, started_from = build_initialised_network(
        recipe, facts.in_channels, facts.value_range, own_network=run.own_network
    )
    if not (place / "run.json").exists():
        shutil.rmtree(place, ignore_errors=True)
        Run.create(place, recipe, facts.model_copy(update={"started_from": started_from}), split=run.split)
    run_training(Run(place, network=run.own_network), learner, samples, device, deterministic=deterministic)
    print("training on what it is to find")


def _material(
    recipe: Recipe, data: Path, group_pattern: str | None, ignore_value: int | None, split: Split | None
) -> TrainingData:
    """Read what is to be learnt from; of the images in the test part the pixels once, for a new split alone."""
    samples = _listed(recipe, data, group_pattern)
    if split is None:
        tests = choose_test_groups(samples, recipe)
        prints = compute_fingerprints(tqdm(samples, desc="checking", unit="image"))
        learnt = [sample for sample in samples if sample.group not in tests]
        labels = _recognised(recipe, learnt, ignore_value, data)
        survey = compute_statistics(tqdm(learnt, desc="reading", unit="image"), labels)
        split = make_split(samples, recipe, tests=tests, fingerprints=prints, statistics=survey)
        chosen = _chosen(samples, split, data)
    else:
        chosen = _chosen(samples, split, data)
        labels = _recognised(recipe, [sample for part in chosen.values() for sample in part], ignore_value, data)
        survey = _survey(chosen, labels, split, data)
        # of these, not of the file; what is not here any more keeps its old group
        split = replace(split, groups=split.groups | {s.name: s.group for s in samples if s.name in split.groups})
    _check_classes(split, survey, labels, data)
    for sample in (sample for part in chosen.values() for sample in part if not survey.pixels[sample.name]):
        told = "nobody drew in it, so nothing is learnt from it; draw it, or remove the image"
        print(f"note: {sample.label[0].name}: {told}", file=sys.stderr)
    parts = ", ".join(f"{len(names)} {part}" for part, names in split.parts.items())
    print(f"{parts}{' (sealed)' * bool(split.parts['test'])}")
    for part, one, other in split.duplicates():
        print(
            f"note: {one} and {other} of the {part} part are the same picture, which counts as two groups in every "
            "interval; remove one, or give them one group with --group-pattern",
            file=sys.stderr,
        )
    sealed = [sample for sample in samples if sample.name in split.parts["test"] and not sample.label]
    if sealed:
        print(
            f"note: {len(sealed)} sealed images, such as {sealed[0].image.name}, have no label yet, so the test part "
            "cannot be scored until they are drawn",
            file=sys.stderr,
        )
    return TrainingData(chosen, split, survey, labels)


def _check_classes(split: Split, survey: DatasetStatistics, labels: LabelEncoding, data: Path) -> None:
    """Refuse to learn from background alone, or to choose by it; name the classes that one of the two parts lacks."""
    lacking = {}
    for part in PARTS[:2]:
        held = {k for name in split.parts[part] for k in survey.pixels[name]}
        if labels.nested:  # what lies inside belongs to what is around it
            held = set(range(max(held, default=0) + 1))
        lacking[part] = [name for k, name in enumerate(labels.names, start=1) if k not in held]
        if len(lacking[part]) == len(labels.names):
            raise CenetError(
                data,
                f"the {part} part holds no {' and no '.join(labels.names)}",
                "add images, or draw another split with --seed or --splits",
            )
    for part, names in lacking.items():
        if names:
            what = "it is not learnt" if part == "train" else "it has no say in the choice of the epoch"
            print(f"note: the {part} part holds no {' and no '.join(names)}; {what}", file=sys.stderr)


def _shares(recipe: Recipe, material: TrainingData) -> tuple[float, ...]:
    """The share of each foreground class in the pixels of the training labels."""
    total: Counter[int] = Counter()
    for name in material.split.parts["train"]:
        total.update(material.survey.pixels[name])
    classes = range(1, max(recipe.num_classes, 2))
    held = [sum(n for k, n in total.items() if k == each or (recipe.nested and k > each)) for each in classes]
    return tuple(round(count / max(total.total(), 1), 6) for count in held)


def _listed(recipe: Recipe, data: Path, group_pattern: str | None) -> list[Sample]:
    task = resolve_dataset(recipe.task)
    samples = task.read(data, group_pattern=group_pattern)
    how = f"by --group-pattern {group_pattern}" if group_pattern else task.grouping
    print(f"{len(samples)} images in {len({sample.group for sample in samples})} groups ({how})")
    return samples


def _recognised(recipe: Recipe, samples: list[Sample], ignore_value: int | None, data: Path) -> LabelEncoding:
    labels = resolve_label_encoding(
        recipe.task,
        samples,
        num_classes=recipe.num_classes,
        nested=recipe.nested,
        ignore_value=ignore_value,
        names=resolve_dataset(recipe.task).classes,
        folder=data,
    )
    print(f"labels: {labels.describe()}")
    return labels


def _chosen(samples: list[Sample], split: Split, folder: Path) -> dict[str, list[Sample]]:
    """The samples of training and validation."""
    by_name = {sample.name: sample for sample in samples}
    for part in ("train", "validation"):
        for name in split.parts[part]:
            if name not in by_name:
                raise CenetError(folder, f"{name} of the split is not there", "name the folder it was made for")
    return {part: [by_name[name] for name in split.parts[part]] for part in ("train", "validation")}


def _survey(chosen: dict[str, list[Sample]], labels: LabelEncoding, split: Split, folder: Path) -> DatasetStatistics:
    """Read training and validation, and refuse what is not as it was when the split was made."""
    samples = [sample for part in chosen.values() for sample in part]
    survey = compute_statistics(tqdm(samples, desc="reading", unit="image"), labels)
    for name, fingerprint in survey.fingerprints.items():
        if split.fingerprints[name] != fingerprint:
            raise CenetError(folder, f"{name} of the split is altered", "name the folder it was made for")
    return survey
