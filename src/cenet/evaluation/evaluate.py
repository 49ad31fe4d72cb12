"""`cenet evaluate`: what a run is worth on labelled images, protocol by protocol."""

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from cenet.data.io.outputs import OutputFolder, to_unicode
from cenet.errors import CenetError
from cenet.evaluation.build_report import build_report
from cenet.evaluation.cases import keep_cases
from cenet.evaluation.counts import PixelCounts
from cenet.evaluation.image_source import ImageSource, find_images
from cenet.evaluation.protocol import PROTOCOLS, check_protocol
from cenet.evaluation.report import (
    Cost,
    DatasetInfo,
    EvaluationReport,
    ImageInfo,
    Protocol,
    ProtocolInfo,
    RunInfo,
)
from cenet.evaluation.report_files import VERB, check_evaluation_folder, evaluation_folder, save_evaluation
from cenet.evaluation.run_info import describe_exported, describe_run
from cenet.evaluation.scoring import PartToScore, ScoredImages, Scorer, count_expected, score_images
from cenet.evaluation.task_metrics import TaskMetric, TaskMetrics, task_metric_names
from cenet.inference.device import (
    AnyDevice,
    DeviceConfig,
    describe_environment,
    peak_memory_mib,
    reset_peak_memory,
    to_device_config,
)
from cenet.inference.ensemble import (
    Ensemble,
    EnsemblePredictor,
    LoadedPredictor,
    OpenedModel,
    load_predictor,
    open_model,
)
from cenet.inference.exported import ExportedModel, ExportedPredictor
from cenet.inference.run import Run
from cenet.inference.trust import group_remarks
from cenet.models.installed import evaluations_root, format_run_argument
from cenet.safe_text import print_line

if TYPE_CHECKING:  # imported when they are used, so that what cannot be scored is refused before torch is there
    from cenet.networks import NetworkFactory


def evaluate(
    path: Path | str,
    *,
    data: Path | str | None = None,
    task: str | None = None,
    part: PartToScore | None = None,
    splits: Path | str | None = None,
    protocol: Protocol = "region",
    tta: bool = False,
    output: Path | str | None = None,
    overwrite: bool = False,
    overlays: int = 3,
    device: AnyDevice = "auto",
    group_pattern: str | None = None,
    ignore_value: int | None = None,
    network: "NetworkFactory | None" = None,
) -> EvaluationReport:
    """Score a run, and save the report with what it was computed from, see `cenet.evaluation.report_files`.

    Args:
        path: The name of a released model, the run folder, an ensemble's, or the file of an exported model.
        data: Labelled images; the run's own by default.
        task: The layout of `data`; the run's own by default.
        part: A part of the run's split, or `all`; the test part by default, and all of other data.
        splits: The `splits.json` of another run: its part is scored, by default the test part.
        protocol: What is compared with what, see `cenet.evaluation.protocol.PROTOCOLS`.
        tta: Average the eight flips and turns; `authors` always does.
        output: Where to; `RUN/evaluation-PART-PROTOCOL` by default, for a released model
            `runs/NAME-VERSION/evaluation-PART-PROTOCOL`, for an exported model in a folder `NAME-onnx` beside it.
        overwrite: Replace files there that no evaluation wrote, or that were changed since.
        overlays: How many of the images with the smallest Dice to keep, to draw overlays of.
        device: What computes: `auto`, `cpu`, `cuda` or `mps`, or a whole configuration.
        group_pattern: A pattern that finds the group in an image's name, for other data.
        ignore_value: The label value of unannotated pixels, for other data.
        network: The class of the run's network, where it is one of your own.

    Returns:
        The report; its `folder` is where it was saved.

    Raises:
        CenetError: There is nothing to score, the protocol does not apply, or the output holds files of others.
    """
    run, output = open_model(path, network=network), Path(output) if output else None
    root = find_evaluations_root(run)
    _check_applicable(run, path, part=part, protocol=protocol, splits=splits)
    source = find_images(
        run,
        Path(data) if data else None,
        task=task,
        group_pattern=group_pattern,
        ignore_value=ignore_value,
        splits=Path(splits) if splits else None,
    )
    parts: list[PartToScore] = [part] if part else ["test"] if source.own or source.split else ["test", "all"]
    for scored_part in parts:
        target = output or evaluation_folder(root, part=scored_part, protocol=protocol, tta=tta)
        check_evaluation_folder(target, [sample.name for sample in source.samples], overwrite=overwrite)
    if len(parts) == 1:
        count_expected(run, parts[0], source.split)
    machine = to_device_config(device)
    reset_peak_memory(machine.device)
    use_views = tta or protocol == "authors"
    views = len(run.recipe.views) if use_views else 1
    predictor = load_predictor(run, device=machine, tta=use_views)
    with TemporaryDirectory(prefix="cenet-cases-") as cases:
        names = task_metric_names(source.task, run.recipe)
        scored = score_images(Scorer(run, predictor, protocol, names, Path(cases)), source, part)
        if isinstance(run, Run) and any(image.part == "test" for image in scored.images):  # before anybody sees a score
            print_line(f"{run.path}: its test part is scored for the {ordinal(run.count_test())} time", file=sys.stderr)
        folder = output or evaluation_folder(root, part=scored.part, protocol=protocol, tta=tta)
        runs = describe_members(run, folder, views=views)
        name = run.path.name if isinstance(run, ExportedModel) else format_run_argument(run.path)
        command = f"cenet evaluate {name} --split {scored.part} --protocol {protocol}"
        command += f" --data {shlex.quote(to_unicode(source.folder.name))} --task {source.task}" if data else ""
        command += f" --splits {shlex.quote(to_unicode('/'.join(Path(splits).parts[-2:])))}" if splits else ""
        command += f" --group-pattern {shlex.quote(group_pattern)}" if group_pattern else ""
        command += f" --ignore-value {ignore_value}" if data and ignore_value is not None else ""
        command += " --tta" if tta and protocol != "authors" else ""
        task_metrics = TaskMetrics.concatenate(scored.task_metrics) if scored.task_metrics else None
        evaluation = build_report(
            commands=[*dict.fromkeys(run.command for run in runs), command],
            protocol=ProtocolInfo(name=protocol, description=PROTOCOLS[protocol], views=views),
            data=_describe_data(source, scored),
            runs=runs,
            cost=measure_cost(runs, predictor, scored.images, machine),
            class_names=run.facts.classes,
            counts=[PixelCounts.concatenate(of_class) for of_class in zip(*scored.counts, strict=True)],
            task_metrics=task_metrics,
            environment=describe_environment(device=machine.device, precision="32-true"),
            notes=group_remarks(scored.remarks),
        )
        _print_columns_left_out(task_metrics)
        written = OutputFolder(folder, verb=VERB, overwrite=overwrite)
        keep_cases(evaluation.report, Path(cases), written, worst=overlays)
    return save_evaluation(written, evaluation).report


def _check_applicable(
    run: OpenedModel,
    path: Path | str,
    *,
    part: PartToScore | None,
    protocol: Protocol,
    splits: Path | str | None,
) -> None:
    """Refuse a part or a protocol that what is scored does not have."""
    if splits and part == "all":
        raise CenetError("--split all", "is no part of --splits", "leave one of them out")
    if isinstance(run, Ensemble) and protocol == "authors":
        raise CenetError(path, "the protocol authors is defined for one network", "evaluate a member")
    if isinstance(run, ExportedModel) and part not in (None, "all") and not splits:
        raise CenetError(run.path, "does not know which images it was trained on", "leave --split out")
    check_protocol(protocol, run.recipe)


def find_evaluations_root(run: OpenedModel) -> Path:
    """The folder of the evaluations of what is scored.

    Args:
        run: What is scored.

    Raises:
        CenetError: It is a model whose `model.json` is corrupted.
    """
    if isinstance(run, ExportedModel):
        return run.path.with_name(run.path.name.replace(".", "-"))
    return evaluations_root(run.path)


def describe_members(run: OpenedModel, folder: Path, *, views: int) -> list[RunInfo]:
    """What a report in a folder says of each run that predicts.

    Args:
        run: What is scored.
        folder: Where the report is saved.
        views: Of how many flips and turns its predictions are the mean.

    Raises:
        CenetError: A run's learning curve or environment is corrupted.
    """
    if isinstance(run, ExportedModel):
        return [describe_exported(run, views=views)]
    members = run.members if isinstance(run, Ensemble) else [run]
    return [describe_run(member, folder, views=views) for member in members]


def measure_cost(
    runs: Sequence[RunInfo], predictor: LoadedPredictor, images: Sequence[ImageInfo], machine: DeviceConfig
) -> Cost:
    """What a prediction of these images took, and the training before it.

    Args:
        runs: What predicted.
        predictor: The runs together.
        images: What was predicted.
        machine: What computed.
    """
    width, height = images[0].size_px
    multiply_adds = None
    if not isinstance(predictor, ExportedPredictor):
        members = predictor.members if isinstance(predictor, EnsemblePredictor) else [predictor]
        multiply_adds = sum(member.multiply_adds((height, width)) for member in members)
    trained = all(run.curve for run in runs)
    return Cost(
        parameters=sum(run.parameters for run in runs),
        multiply_adds_per_image=multiply_adds,
        seconds_per_image=float(np.median([image.seconds for image in images])),
        peak_memory_mib=peak_memory_mib(machine.device),
        training_seconds=sum(row.seconds for run in runs for row in run.curve) if trained else None,
        device=machine.device,
    )


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd ...

    >>> [ordinal(number) for number in (1, 2, 3, 4, 11, 22, 113)]
    ['1st', '2nd', '3rd', '4th', '11th', '22nd', '113th']
    """
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def _describe_data(source: ImageSource, scored: ScoredImages) -> DatasetInfo:
    return DatasetInfo(
        name=to_unicode(source.folder.name),
        task=source.task,
        part=scored.part,
        groups=len({image.group for image in scored.images}),
        grouping=source.grouping,
        labels=scored.labels,
        images=tuple(scored.images),
    )


def _print_columns_left_out(task_metrics: TaskMetrics | None) -> None:
    if task_metrics is None:
        return
    columns = float(np.nansum(task_metrics.values.get(TaskMetric("columns_left_out"), 0)))
    if columns:
        print_line(f"note: {columns:g} columns do not count, as they are unannotated", file=sys.stderr)
