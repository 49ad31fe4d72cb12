"""`cenet train`: from a recipe and a folder of images to a run."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cenet.config.plan import Plan
from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.config.recipe_command import format_command
from cenet.data.io.files import check_writable
from cenet.data.io.outputs import to_unicode
from cenet.data.splits import Split, open_split
from cenet.data.statistics import find_common_channels, find_common_pixel_size
from cenet.errors import CenetError
from cenet.inference.device import AnyDevice, DeviceConfig, to_device_config
from cenet.inference.run import Run
from cenet.inference.run_folder import (
    check_not_occupied,
    check_resumable,
    lock_run,
)
from cenet.inference.run_metadata import RunMetadata
from cenet.models.installed import format_run_argument, resolve_run
from cenet.networks import Network, NetworkFactory
from cenet.networks.registry import resolve_network
from cenet.safe_text import print_line
from cenet.training.augmentation import Augmentation
from cenet.training.checkpoint_contents import load_checkpoint
from cenet.training.checkpoints import (
    check_has_checkpoint,
    latest_checkpoint,
    remove_finished_checkpoints,
    remove_left_checkpoints,
)
from cenet.training.initial_weights import build_starting_network, rebuild_initialised_network
from cenet.training.join import join_training
from cenet.training.localiser import train_localiser
from cenet.training.loggers import LoggerName, check_logger
from cenet.training.losses import Loss
from cenet.training.plan import plan_training, print_plan
from cenet.training.prepare import TrainingData, class_shares, prepare_training_data, read_split_again
from cenet.training.processes import (
    check_divisible,
    check_processes,
    find_rank,
    wait_for_first,
)
from cenet.training.time_budget import plan_time_budget
from cenet.training.trainer import (
    check_custom_part,
    match_run_precision,
    name_custom_part,
    run_training,
)


def train(
    recipe: Recipe | Path | str | None,
    data: Path | str,
    *,
    output: Path | str,
    device: AnyDevice = "auto",
    group_pattern: str | None = None,
    splits: Path | str | Split | None = None,
    ignore_value: int | None = None,
    init_from: Path | str | None = None,
    minutes: float | None = None,
    changes: Mapping[str, Any] | None = None,
    logger: LoggerName | None = None,
    deterministic: bool = False,
    keep_checkpoints: bool = False,
    network: NetworkFactory | None = None,
    loss: Loss | None = None,
    augmentation: Augmentation | None = None,
) -> Run:
    """Train a recipe on a folder of images, into a new run folder.

    Args:
        recipe: What to train, and how: a recipe, or the name of one, or its `.json` file; None plans one, as
            `cenet.plan` does, and prints each choice with its reason.
        data: The folder, laid out as the recipe's task says.
        output: The run folder to make.
        device: What computes: `auto`, `cpu`, `cuda` or `mps`, or a whole configuration with precision and workers.
        group_pattern: A pattern that finds the group in an image's name.
        splits: A split, or a `splits.json`, to use instead of a new split; of its test part nothing is opened. Labels
            may differ from those of a `splits.json`, and must be those of a split.
        ignore_value: The label value of unannotated pixels.
        init_from: A run, or the name of a released model, whose weights training starts from.
        minutes: A time budget, which the number of steps is made to fit.
        changes: Fields of the recipe to change, with their values; of a planned one, those that are not to be chosen.
        logger: Also log for another program, `tensorboard` or `mlflow` (extras of these names).
        deterministic: Compute with algorithms that give the same result every time.
        keep_checkpoints: Keep the last two checkpoints when training is finished.
        network: A network of your own in place of the one that the recipe names, see `cenet.networks.NetworkFactory`.
        loss: A loss of your own in place of the recipe's: from logits `(N, K, H, W)`, label `(N, H, W)` of class
            indices and region `(N, H, W)` of the pixels that count, to a scalar.
        augmentation: A transform of your own after the recipe's: from a dictionary with `image` `(C, H, W)`, `label`
            and `region` `(1, H, W)`, all float32, to such a dictionary. A `Randomizable` transform of MONAI is seeded.

    Raises:
        CenetError: The images, the recipe or the output folder cannot be used; nothing is left behind.

    >>> import cenet
    >>> run = cenet.train("folder", "eyes", output="runs/eyes", device="cpu")  # doctest: +SKIP
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str | Path) else recipe
    recipe = recipe and resolve_network(recipe.replace(**(changes or {})), network)
    data, output, init_from = Path(data), Path(output), resolve_run(init_from) if init_from else None
    splits = Path(splits) if isinstance(splits, str) else splits
    device = to_device_config(device)
    options: dict[str, Any] = {"logger": logger, "loss": loss, "augmentation": augmentation}
    check_processes(device)
    if find_rank(device) > 0:
        return join_training(output, data, device, network=network, **options)
    for folder in (data, output):
        if to_unicode(str(folder.resolve())) != str(folder.resolve()):
            raise CenetError(folder, "its path is not UTF-8, and the files of a run hold it", "rename the folder")
    check_not_occupied(output)
    check_writable(output)
    check_logger(logger)
    reading: dict[str, Any] = {
        "group_pattern": group_pattern,
        "ignore_value": ignore_value,
        "split": open_split(splits),
    }
    earlier = Run(init_from, network=network) if init_from else None
    planned: Plan | None = None
    if recipe is None:
        planned, training_data = plan_training(
            data, device=device, minutes=minutes, earlier=earlier, changes=changes, network=network, **reading
        )
        print_plan(planned)
        recipe = planned.recipe
    else:
        training_data = prepare_training_data(recipe, data, **reading)
    command = format_command(
        recipe,
        data.name,
        output=f"runs/{output.name}",
        group_pattern=group_pattern,
        splits=splits and (splits.name if isinstance(splits, Path) else "splits.json"),
        ignore_value=ignore_value,
        init_from=init_from and format_run_argument(init_from),
        minutes=minutes,
    )
    value_range = training_data.statistics.value_range(training_data.split.parts["train"], clip=recipe.clip)
    initial_network, started_from = build_starting_network(
        recipe,
        training_data.statistics.in_channels,
        value_range,
        earlier=earlier,
        split=training_data.split,
        data=data,
        own_network=network,
    )
    if minutes is not None:
        recipe = plan_time_budget(
            recipe,
            initial_network,
            training_data.samples,
            training_data.labels,
            device,
            minutes=minutes,
            cache=training_data.cache,
            loss=loss,
            augmentation=augmentation,
        )
        planned = planned and planned.with_recipe(recipe, f"timed, to fit --minutes {minutes:g}")
    facts = _describe_training(
        recipe,
        training_data,
        device,
        earlier,
        command=f"{command} --deterministic" if deterministic else command,
        started_from=started_from,
        value_range=value_range,
        data=str(data.resolve()),
        group_pattern=group_pattern,
        deterministic=deterministic,
        custom_loss=name_custom_part(loss),
        custom_augmentation=name_custom_part(augmentation),
        choices=planned.choices if planned else (),
        keep_checkpoints=keep_checkpoints,
    )
    with lock_run(output):
        run = Run.create(output, recipe, facts, split=training_data.split, network=network)
        _train_all(run, initial_network, training_data, device, deterministic=deterministic, **options)
    return run


def resume(
    path: Path | str,
    *,
    data: Path | str | None = None,
    device: AnyDevice = "auto",
    logger: LoggerName | None = None,
    deterministic: bool = False,
    keep_checkpoints: bool = False,
    network: NetworkFactory | None = None,
    loss: Loss | None = None,
    augmentation: Augmentation | None = None,
) -> Run:
    """Resume a run after its last finished epoch, in the precision and memory format that it was started with.

    A finished run is returned as it is.

    Args:
        path: The run folder.
        data: The folder of images, where it has moved.
        device: What computes, as for `train`; precision and memory format are those of the run.
        logger: As for `train`.
        deterministic: As for `train`; where the run notes it, the run decides.
        keep_checkpoints: As for `train`; a run that was started with it keeps them anyway.
        network: The class of the run's network, where it is one of your own.
        loss: The loss of your own that the run was started with, if it was.
        augmentation: Likewise.

    Raises:
        CenetError: The run has no checkpoint, its images or labels are missing or altered, it was started with another
            loss or augmentation, another process is training it, or the device cannot compute in its precision.
    """
    check_logger(logger)
    path, device = Path(path), to_device_config(device)
    options: dict[str, Any] = {"logger": logger, "loss": loss, "augmentation": augmentation}
    check_processes(device)
    if find_rank(device) > 0:
        return join_training(path, data, device, network=network, **options)
    check_resumable(path)
    run = Run(path, network=network)
    split, folder, facts = run.split, Path(data or run.facts.data or ""), run.facts
    if split is None or facts.labels is None:
        raise CenetError(run.path, "was imported, not trained", f"use --init-from {run.path} to train on")
    check_custom_part(run, "loss", facts.custom_loss, loss)
    check_custom_part(run, "augmentation", facts.custom_augmentation, augmentation)
    if facts.finished:
        remedy = f"train on into a new run with --init-from {path}"
        print_line(f"note: {path}: its training is finished, so nothing is left to resume; {remedy}", file=sys.stderr)
        remove_left_checkpoints(run)
        return run
    checkpoint = latest_checkpoint(path)
    if checkpoint is None and facts.weights_sha256 is not None:
        check_has_checkpoint(path)
    device = match_run_precision(run, device)
    deterministic = deterministic if facts.deterministic is None else facts.deterministic
    training_data = read_split_again(
        run.recipe, folder, group_pattern=facts.group_pattern, split=split, labels=facts.labels
    )
    if checkpoint is not None:
        load_checkpoint(checkpoint, mmap=True)  # a foreign one is refused before anything is written
        initial_network = run.build_network()
    else:  # it was stopped before its first checkpoint
        initial_network = rebuild_initialised_network(run)
    with lock_run(path):
        if keep_checkpoints:
            run.update(keep_checkpoints=True)
        _train_all(run, initial_network, training_data, device, deterministic=deterministic, **options)
    return run


def _describe_training(
    recipe: Recipe, training_data: TrainingData, device: DeviceConfig, earlier: Run | None, **facts: Any
) -> RunMetadata:
    """What the run folder says of a training that starts."""
    return RunMetadata(
        started_from_model=earlier.model.reference if earlier and earlier.model else None,
        seen_in_earlier_training=tuple(sorted(earlier.seen_in_training)) if earlier else (),
        init_from=str(earlier.path.resolve()) if earlier else None,
        in_channels=training_data.statistics.in_channels,
        channels=find_common_channels(training_data.samples["train"]),
        dtype=training_data.statistics.dtype,
        pixel_um=find_common_pixel_size(training_data.samples["train"]),
        classes=training_data.labels.names,
        labels=training_data.labels,
        shares=class_shares(recipe, training_data),
        precision=device.precision,
        precision_reason=device.precision_reason,
        memory_format=device.memory_format,
        **facts,
    )


def _train_all(
    run: Run, network: Network, data: TrainingData, device: DeviceConfig, *, deterministic: bool, **options: Any
) -> None:
    """Train the localiser where there is one, then the network, each from its newest checkpoint; remove checkpoints."""
    check_divisible(run.recipe, data.samples, device)
    wait_for_first(device)
    print(device.describe_precision())
    train_localiser(run, data, device, deterministic=deterministic)
    run_training(run, network, data.samples, device, cache=data.cache, deterministic=deterministic, **options)
    remove_finished_checkpoints(run)
