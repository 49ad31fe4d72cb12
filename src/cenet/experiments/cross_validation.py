"""`cenet cross-validate`: every image is scored once, by a network that was not trained on it."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.config.recipe_command import format_command
from cenet.data.io.locks import file_lock
from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError
from cenet.evaluation.build_report import build_fold_report
from cenet.evaluation.cases import collect_cases
from cenet.evaluation.evaluate import evaluate
from cenet.evaluation.protocol import check_protocol
from cenet.evaluation.report import EvaluationReport, Protocol
from cenet.evaluation.report_files import (
    VERB,
    check_evaluation_folder,
    evaluation_folder,
    load_evaluation,
    save_evaluation,
)
from cenet.experiments.fold_splits import check_folds, load_or_make_splits
from cenet.experiments.resume import checksums, resumable_experiment, train_or_resume
from cenet.inference.device import AnyDevice, to_device_config
from cenet.inference.ensemble import MEMBERS
from cenet.models.installed import format_run_argument, resolve_run
from cenet.networks.names import BUILT_IN_NETWORKS
from cenet.reporting.files import write_evaluation_files
from cenet.safe_text import print_line

if TYPE_CHECKING:  # what trains is imported when it is used, so that mistakes are refused before torch is there
    from cenet.networks import NetworkFactory
    from cenet.training.augmentation import Augmentation
    from cenet.training.loggers import LoggerName
    from cenet.training.losses import Loss

OVERLAYS = 3  # of the worst images of each fold, and of all folds together


def cross_validate(
    recipe: Recipe | Path | str,
    data: Path | str,
    *,
    output: Path | str,
    overwrite: bool = False,
    device: AnyDevice = "auto",
    folds: int = 4,
    seeds: int = 1,
    fold: Sequence[int] = (),
    group_pattern: str | None = None,
    ignore_value: int | None = None,
    init_from: Path | str | None = None,
    protocol: Protocol = "region",
    tta: bool = False,
    logger: "LoggerName | None" = None,
    deterministic: bool = False,
    network: "NetworkFactory | None" = None,
    loss: "Loss | None" = None,
    augmentation: "Augmentation | None" = None,
) -> list[EvaluationReport]:
    """Train and score every fold, skipping what is done; then report on all images together.

    A fold is only scored by the network that was trained without it: epoch, calibration and thresholds come from an
    inner validation part of the next fold. The folds are dealt out once, with the recipe's own seed, and kept.

    Args:
        recipe: What to train, or the name of a recipe; its `test_fraction` has no part in this.
        data: The folder, laid out as the recipe's task says.
        output: The folder to make or to resume.
        overwrite: Replace reports there that were not written by this function, or were changed since; no training.
        device: What computes: `auto`, `cpu`, `cuda` or `mps`, or a whole configuration.
        folds: How many.
        seeds: How many times, each with another seed of the network on the same folds; of several, more may follow.
        fold: Numbers of the folds to do now; none means all.
        group_pattern: A pattern that finds the group in an image's name.
        ignore_value: The label value of unannotated pixels.
        init_from: A run whose weights every fold starts from; it must not have been trained on any of these images.
        protocol: What is scored, see `cenet.evaluation.protocol`.
        tta: Average the eight flips and turns when scoring.
        logger: As for `cenet.training.train.train`.
        deterministic: Likewise.
        network: A network of your own, as for `cenet.training.train.train`; give it again when resuming.
        loss: Likewise, a loss of your own.
        augmentation: Likewise, an augmentation of your own.

    Returns:
        The report of each seed; none while folds are missing.

    Raises:
        CenetError: Data, recipe or place cannot be used, or the folder holds a cross-validation of something else.
    """
    recipe = load_recipe(recipe) if isinstance(recipe, str | Path) else recipe
    if network is not None or recipe.network not in BUILT_IN_NETWORKS:
        from cenet.networks.registry import resolve_network

        recipe = resolve_network(recipe, network)
    data, output, init_from = Path(data), Path(output), resolve_run(init_from) if init_from else None
    check_folds(fold, folds)
    if seeds < 1:
        raise CenetError(f"--seeds {seeds}", "is nothing to train", "give 1 or more")
    check_protocol(protocol, recipe)
    _check_layout(output, seeds)
    seed_folders = {
        seed: output / f"seed-{seed}" if seeds > 1 else output for seed in range(recipe.seed, recipe.seed + seeds)
    }
    for folder in seed_folders.values():
        _check_reports(folder, fold or range(folds), protocol=protocol, tta=tta, overwrite=overwrite)
    reading: dict[str, Any] = {"group_pattern": group_pattern, "ignore_value": ignore_value}
    settings = {**reading, "folds": folds, "init_from": format_run_argument(init_from) if init_from else None}
    options = {**settings, "seeds": seeds if seeds > 1 else None}
    command = format_command(recipe, data.name, verb="cross-validate", output=f"runs/{output.name}", **options)
    command += f" --protocol {protocol}" if protocol != "region" else ""
    command += (" --tta" if tta else "") + (" --deterministic" if deterministic else "")
    reports = []
    with resumable_experiment(output, recipe, **settings, **checksums(init_from=init_from)):
        device = to_device_config(device)
        scoring: dict[str, Any] = {"device": device, "group_pattern": group_pattern, "network": network}
        training = {
            **scoring,
            "ignore_value": ignore_value,
            "init_from": init_from,
            "deterministic": deterministic,
            "logger": logger,
            "loss": loss,
            "augmentation": augmentation,
        }
        splits = load_or_make_splits(recipe, data, output, folds=folds, **reading)
        for seed, folder in seed_folders.items():
            for number in fold or range(folds):
                print(f"fold {number} of {folds}" + (f", seed {seed}" if seeds > 1 else ""))
                run = folder / f"fold-{number}"
                remedy = "wait for its end, or choose others with --fold"
                busy = CenetError(run, f"another process trains fold {number}", remedy)
                with file_lock(folder / f".{run.name}.lock", busy):
                    train_or_resume(recipe.replace(seed=seed), data, run, splits=splits[number], **training)
                    _score_fold(run, data, protocol=protocol, tta=tta, overwrite=overwrite, **scoring)
            runs = [folder / f"fold-{number}" for number in range(folds)]
            missing = [run.name for run in runs if not _is_scored(run, protocol, tta)]
            if missing:
                remark = f"{', '.join(missing)} of {folder} not trained yet; the report follows the last fold"
                print_line(f"note: {remark}", file=sys.stderr)
                continue
            _write_members(folder, [run.name for run in runs], overwrite=overwrite)
            reports.append(
                combine_folds(folder, folds, protocol=protocol, tta=tta, command=command, overwrite=overwrite)
            )
    if seeds > 1 and len(reports) == seeds:
        members = [f"{folder.name}/fold-{n}" for folder in seed_folders.values() for n in range(folds)]
        _write_members(output, members, overwrite=overwrite)
    return reports


def _score_fold(
    run: Path,
    data: Path,
    *,
    protocol: Protocol,
    tta: bool,
    overwrite: bool,
    **options: Any,
) -> None:
    """Score what a fold held out; where that is done, write only the files that a killed process left unwritten."""
    if _is_scored(run, protocol, tta):
        report = EvaluationReport.load(evaluation_folder(run, part="test", protocol=protocol, tta=tta))
        write_evaluation_files(report, overlays=OVERLAYS, overwrite=overwrite, only_missing=True)
        return
    report = evaluate(
        run,
        data=data,
        part="test",
        protocol=protocol,
        tta=tta,
        overwrite=overwrite,
        overlays=OVERLAYS,
        **options,
    )
    write_evaluation_files(report, overlays=OVERLAYS, overwrite=overwrite)


def _check_layout(output: Path, seeds: int) -> None:
    """Refuse one seed where there are folders of several, and the other way round: no report would be of both."""
    other, kind = ("seed-[0-9]*/", "several seeds") if seeds == 1 else ("fold-[0-9]*/", "one seed")
    if any(output.glob(other)):
        raise CenetError(output, f"holds folds of {kind}, not of --seeds {seeds}", "choose another --output")


def _check_reports(folder: Path, numbers: Iterable[int], *, protocol: Protocol, tta: bool, overwrite: bool) -> None:
    """Refuse, before anything is trained, a folder in which reports would replace files of others."""
    OutputFolder(folder, verb="cross-validate", overwrite=overwrite).check([MEMBERS])
    check_evaluation_folder(
        evaluation_folder(folder, part="out-of-fold", protocol=protocol, tta=tta), overwrite=overwrite
    )
    for run in [folder / f"fold-{number}" for number in numbers]:
        if not _is_scored(run, protocol, tta):
            target = evaluation_folder(run, part="test", protocol=protocol, tta=tta)
            check_evaluation_folder(target, overwrite=overwrite)


def _write_members(folder: Path, names: Sequence[str], *, overwrite: bool) -> None:
    OutputFolder(folder, verb="cross-validate", overwrite=overwrite).write_text(MEMBERS, {"members": list(names)})


def _is_scored(run: Path, protocol: Protocol, tta: bool) -> bool:
    return (evaluation_folder(run, part="test", protocol=protocol, tta=tta) / "report.json").exists()


def combine_folds(
    folder: Path, folds: int, *, protocol: Protocol, tta: bool, command: str, overwrite: bool = False
) -> EvaluationReport:
    """Report on all images of a cross-validation, each scored by the run that held it out.

    Args:
        folder: The folder of the folds' runs.
        folds: How many there are.
        protocol: What was scored.
        tta: Whether predictions were averaged over eight flips and turns.
        command: What made the cross-validation.
        overwrite: Replace files of others in the folder of the report.

    Raises:
        CenetError: The evaluation of a fold is missing or corrupted.
    """
    fold_folders = [
        evaluation_folder(folder / f"fold-{n}", part="test", protocol=protocol, tta=tta) for n in range(folds)
    ]
    evaluations = [load_evaluation(fold) for fold in fold_folders]
    evaluation = build_fold_report(evaluations, numbers=range(folds), commands=[command])
    target = evaluation_folder(folder, part="out-of-fold", protocol=protocol, tta=tta)
    output = OutputFolder(target, verb=VERB, overwrite=overwrite)
    collect_cases(evaluation.report, fold_folders, output)
    report = save_evaluation(output, evaluation).report
    write_evaluation_files(report, overlays=OVERLAYS, overwrite=overwrite)
    return report
