"""`cenet train`: from a recipe and a folder of images to a run."""

import logging
import sys
import warnings
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from tqdm import tqdm

from cenet import data as loading
from cenet.data import Split, Survey
from cenet.errors import CenetError
from cenet.inference import Predictor
from cenet.learning import Bar, Learner, RunFolder, ValidationScores
from cenet.machine import Machine
from cenet.networks import Network, build
from cenet.networks.cenet import CENet
from cenet.networks.weights import load_encoder
from cenet.recipe import Recipe
from cenet.runs import Facts, Run, check_free, environment, write
from cenet.tasks import TASKS, Sample, class_names


def train(
    recipe: Recipe,
    data: Path,
    *,
    output: Path,
    machine: Machine,
    group: str | None = None,
    splits: Path | None = None,
    start_from: Path | None = None,
    tensorboard: bool = False,
) -> Run:
    """Train a recipe on a folder of images, into a new run folder.

    Args:
        recipe: What to train, and how.
        data: The folder, laid out as the recipe's task says.
        output: The run folder to make.
        machine: What computes, see `cenet.machine.choose`.
        group: A pattern that finds the group in an image's name.
        splits: A `splits.json` to use again, instead of a new split.
        start_from: A run whose weights training starts from.
        tensorboard: Also log for TensorBoard (an extra).

    Raises:
        CenetError: Anything in the images, the recipe or the place that cannot be used; nothing is left behind.
    """
    check_free(output)
    if tensorboard:
        _check_tensorboard()
    samples, survey = _inspect(recipe, data, group)
    split = Split.from_json(splits) if splits else loading.split(samples, recipe, survey.fingerprints)
    chosen = _pick(samples, split, survey, data)
    split = replace(split, groups={sample.name: sample.group for sample in samples})  # of these, not of the file
    print(", ".join(f"{len(names)} {part}" for part, names in split.parts.items()))
    in_channels, value_range = survey.in_channels, survey.value_range(split.parts["train"])
    torch.manual_seed(recipe.seed)
    network = build(recipe, in_channels=in_channels, value_range=value_range)
    if recipe.crop_px is not None and recipe.crop_px < network.min_size:
        raise CenetError(f"recipe {recipe.name}: crop_px {recipe.crop_px} is too small; use {network.min_size} or more")
    if start_from:
        started_from = _start_from(Run(start_from), network, recipe)
    elif isinstance(network, CENet):
        started_from = load_encoder(network.encoder, name=recipe.encoder, source=recipe.encoder_weights)
    else:
        started_from = "random weights"
    command = recipe.command(
        data.name,
        output=f"runs/{output.name}",
        group=group,
        splits=splits and splits.name,
        start_from=start_from and f"runs/{start_from.name}",
    )
    facts = Facts(
        command=command,
        started_from=started_from,
        in_channels=in_channels,
        dtype=survey.dtype,
        value_range=value_range,
        classes=class_names(recipe.num_classes, recipe.task),
        data=str(data.resolve()),
        group=group,
    )
    run = Run.create(output, recipe, facts, split=split)
    return _fit(run, network, chosen, machine, tensorboard=tensorboard)


def resume(path: Path, *, data: Path | None = None, machine: Machine, tensorboard: bool = False) -> Run:
    """Go on with a run from its last finished epoch.

    Args:
        path: The run folder.
        data: The folder of images, where it has moved.
        machine: What computes.
        tensorboard: Also log for TensorBoard.

    Raises:
        CenetError: The run has nothing to go on with, or its images are gone or altered.
    """
    if tensorboard:
        _check_tensorboard()
    run = Run(path)
    if not (run.path / "checkpoint.ckpt").exists():
        raise CenetError(f"{run.path}: has no checkpoint to go on from; train it anew")
    split, folder, facts = run.split, data or Path(run.facts.data or ""), run.facts
    if split is None:
        raise CenetError(f"{run.path}: was imported, not trained; use --start-from {run.path} to train on")
    samples, survey = _inspect(run.recipe, folder, facts.group)
    network = build(run.recipe, in_channels=facts.in_channels, value_range=facts.value_range)
    return _fit(run, network, _pick(samples, split, survey, folder), machine, tensorboard=tensorboard)


def _inspect(recipe: Recipe, data: Path, group: str | None) -> tuple[list[Sample], Survey]:
    """Read every image once, and say how they are grouped."""
    task = TASKS[recipe.task]
    samples = task.read(data, group=group)
    survey = loading.survey(tqdm(samples, desc="checking", unit="image"), num_classes=recipe.num_classes)
    how = f"by --group {group}" if group else task.grouping
    print(f"{len(samples)} images in {len({sample.group for sample in samples})} groups ({how})")
    return samples, survey


def _start_from(earlier: Run, network: Network, recipe: Recipe) -> str:
    """Take over a run's weights, all but a head of another class count and the input rule, which fits these images."""
    fields = ["network", "input_rule"]
    if recipe.network == "cenet":
        fields += ["encoder", "dac", "rmp", "shared", "first_skip"]
    for field in fields:
        value, wanted_value = getattr(earlier.recipe, field), getattr(recipe, field)
        if value != wanted_value:
            raise CenetError(
                f"{earlier.path}: its {field} is {value}, and this recipe's is {wanted_value}; "
                f"add --{field.replace('_', '-')} {value}"
            )
    given, wanted = earlier.network().state_dict(), network.state_dict()
    if given["normalise.mean"].shape != wanted["normalise.mean"].shape:
        raise CenetError(
            f"{earlier.path}: was trained on {earlier.facts.in_channels} channels, and these images have "
            f"{len(wanted['normalise.mean'])}; start from a run on such images"
        )
    kept = {name for name in wanted if name.startswith("normalise.")}
    if earlier.recipe.num_classes != recipe.num_classes:
        head = {name for name in wanted if given[name].shape != wanted[name].shape}
        print(
            f"starting from {earlier.path}: its head has {earlier.recipe.num_classes} classes where this recipe has "
            f"{recipe.num_classes}; {', '.join(sorted(head))} start at random"
        )
        kept |= head
    network.load_state_dict({**given, **{name: wanted[name] for name in kept}})
    return f"run {earlier.path.name}, weights SHA-256 {(earlier.facts.weights_sha256 or '')[:16]}"


def _pick(samples: list[Sample], split: Split, survey: Survey, folder: Path) -> dict[str, list[Sample]]:
    """The samples of training and validation, once every picture of the split is known to be there, unaltered."""
    for name, fingerprint in split.fingerprints.items():
        if survey.fingerprints.get(name) != fingerprint:
            raise CenetError(
                f"{folder}: {name} of the split is not there, or is altered; name the folder it was made for"
            )
    by_name = {sample.name: sample for sample in samples}
    return {part: [by_name[name] for name in split.parts[part]] for part in ("train", "validation")}


def _fit(run: Run, network: Network, samples: dict[str, list[Sample]], machine: Machine, *, tensorboard: bool) -> Run:
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)  # its advice, not its errors
    recipe = run.recipe
    predictor = Predictor(
        network,
        recipe,
        device=machine.device,
        bf16=machine.precision == "bf16-mixed",
        memory_format=machine.torch_memory_format,
    )
    write(run.path / "environment.json", environment(**asdict(machine)))
    callbacks: list[pl.Callback] = [
        RunFolder(run),
        ModelCheckpoint(run.path, filename="checkpoint", save_on_train_epoch_end=True, enable_version_counter=False),
        Bar(),
    ]
    if recipe.patience:
        callbacks.append(EarlyStopping("validation_dice", mode="max", patience=recipe.patience))
    trainer = pl.Trainer(
        accelerator=machine.device,
        devices=1,
        precision=machine.precision,
        max_epochs=recipe.epochs,
        check_val_every_n_epoch=recipe.validate_every,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        logger=TensorBoardLogger(run.path, name="tensorboard") if tensorboard else False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    loader = loading.training_loader(
        loading.TrainingSet(samples["train"], recipe, predictor.geometry), workers=machine.workers
    )
    checkpoint = run.path / "checkpoint.ckpt"
    going_on = checkpoint.exists()
    if going_on:
        loader.sampler.set_epoch(_next_epoch(checkpoint))  # type: ignore[attr-defined]  # it is `Draws`
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="pytorch_lightning")  # likewise
            trainer.fit(
                Learner(network, recipe, predictor),
                loader,
                loading.WholeImages(samples["validation"], recipe.num_classes),
                ckpt_path=checkpoint if going_on else None,
                weights_only=True,
            )
    except SystemExit:  # what the trainer makes of Ctrl-C
        print(f"\nto go on: cenet train --resume {run.path}", file=sys.stderr)
        raise KeyboardInterrupt from None
    _choose_threshold(run, samples["validation"], machine)
    return run


def _next_epoch(checkpoint: Path) -> int:
    try:
        return int(torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)["epoch"]) + 1
    except Exception as error:  # a torn file fails in every way there is
        raise CenetError(f"{checkpoint}: is torn or no checkpoint of this run; train it anew") from error


def _check_tensorboard() -> None:
    if find_spec("tensorboard") is None:
        raise CenetError("--tensorboard needs an extra; pip install 'cenet[tensorboard]'")


def _choose_threshold(run: Run, samples: list[Sample], machine: Machine) -> None:
    """With the kept weights, as they will be used: in full precision."""
    predictor, scores = run.predictor(device=machine.device), ValidationScores(run.recipe.num_classes)
    images = loading.WholeImages(samples, run.recipe.num_classes)
    for image, label, region in tqdm(images, desc="choosing the threshold", unit="image"):
        scores.add(predictor(image), label, region)
    threshold, score = scores.best()
    run.update(threshold=threshold, validation_dice=score, finished=True)
    run.write_card()
