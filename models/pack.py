"""Pack a trained run into a released model: slim, checked, and with what is known of it.

    python models/pack.py models/vessels-open.json --run RUN --images PHOTOS --output src/cenet/models/bundled

The JSON file is a `Release`: what is known of the model in words, and which reports hold its scores.
"""

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from safetensors.torch import save
from scipy.special import expit, logit
from scipy.stats import t
from torch import Tensor

from cenet.config.json_files import read_json
from cenet.data.appearance import APPEARANCE, ImageAppearance
from cenet.data.io.files import hash_file, write_text
from cenet.errors import CenetError
from cenet.evaluation.report import EvaluationReport
from cenet.evaluation.report_files import evaluation_folder
from cenet.inference.check_model import predict_check_image
from cenet.inference.operating_point import OperatingPoint
from cenet.inference.run import Run
from cenet.inference.run_folder import LOCALISER, METADATA, RECIPE, SPLIT, WEIGHTS
from cenet.metrics import count, dice
from cenet.metrics.registry import METRICS
from cenet.models.model_info import (
    CARD,
    FOLD,
    MAX_BYTES,
    MAX_BYTES_WITH_LOCALISER,
    MAX_DICE_LOST,
    MODEL,
    CheckImage,
    ModelInfo,
    ModelName,
    Protocol,
    ReleasedScore,
    Reproduction,
    Sentence,
    TrainingSet,
    Value,
    Version,
    Word,
)
from cenet.networks.pretrained import read_tensors
from cenet.reporting.evaluation_text import ImageMean, image_means, source_means
from cenet.reporting.models_text import format_model_card

MIN_ROUNDED = 1000  # numbers of a tensor that is worth rounding
CARRIED = (APPEARANCE,)  # what else of a run folder its model takes along, where it is there


class ReportedScores(Value):
    """Scores that a report holds.

    Args:
        report: The folder of an out-of-fold report, or of one on other images.
        data: What the card calls the images.
        metrics: Keys in `cenet.metrics.registry`.
    """

    report: Path
    data: Word
    metrics: Annotated[tuple[Word, ...], Field(min_length=1)]


class FoldRuns(Value):
    """Runs of one fold with several seeds, each scored on its test part.

    Args:
        runs: Their folders; the first is the one to train again.
        data: What the card calls the images.
        fold: The fold's number, from 0.
        folds: How many folds there are.
        metric: Key in `cenet.metrics.registry`.
        part: The class that it is of; empty where it is of the image as a whole.
        protocol: Of the reports.
    """

    runs: Annotated[tuple[Path, ...], Field(min_length=2)]
    data: Word
    fold: int
    folds: int
    metric: Word
    part: str = ""
    protocol: Protocol = "region"


class KnownImages(Value):
    """The images that a model compares an image with, where they are not those of its training.

    Args:
        folder: Of a run or a model that was trained on them, with its `appearance.json`.
        of: Which images they are, in words.
    """

    folder: Path
    of: Word


class Release(Value):
    """What a model is released with: see `ModelInfo` for the words.

    Args:
        scores: Where its scores come from.
        thresholds_from: The folders of out-of-fold reports, one for each number of views, whose networks' thresholds
            the model takes, the median of each map, instead of those of its own run.
        fold: The fold that `cenet reproduce` trains again.
        known_images: What images are compared with, instead of those of the training.
        check_image: The image whose prediction is stored.
        check_size_px: Side of a phantom, pixels.
    """

    name: ModelName
    version: Version
    title: Word
    licence: Sentence
    data: tuple[TrainingSet, ...]
    encoder: Sentence
    limits: tuple[Sentence, ...]
    failures: tuple[Sentence, ...]
    scores: tuple[ReportedScores, ...] = ()
    thresholds_from: tuple[Path, ...] = ()
    fold: FoldRuns | None = None
    known_images: KnownImages | None = None
    check_image: CheckImage = "retina"
    check_size_px: int = 0


def pack(release: Release, run: Run, *, images: Sequence[Path], output: Path) -> ModelInfo:
    """Make the folder of a model.

    Args:
        release: What is known of it.
        run: The finished run.
        images: On which the loss by float16 is measured.
        output: The folder that holds models.

    Raises:
        CenetError: The run is not finished, the model is too large or differs too much from the run, or the version
            was released with other weights.
    """
    if not run.facts.finished:
        raise CenetError(run.path, "its training is not finished", "finish it with cenet train --resume")
    points = choose_points(release, run)
    folder, building = output / release.name, output / f".{release.name}.part"
    shutil.rmtree(building, ignore_errors=True)
    write_slim_run(run, building, points)
    packed = Run(building)
    if (localiser := run.localiser_run()) is not None:
        write_slim_run(localiser, building / LOCALISER, localiser.facts.operating_points)
    for name in CARRIED:
        if (run.path / name).is_file():
            shutil.copy(run.path / name, building / name)
    if release.known_images is not None:
        write_text(building / APPEARANCE, read_known_images(release.known_images).model_dump_json(indent=1))
    files = sorted(building.rglob(WEIGHTS))
    info = ModelInfo(
        name=release.name,
        version=release.version,
        title=release.title,
        task=run.recipe.task,
        recipe=run.recipe.name,
        licence=release.licence,
        data=release.data,
        encoder=release.encoder,
        scores=tuple(score for source in release.scores for score in read_scores(source)),
        limits=release.limits,
        failures=release.failures,
        parameters=sum(tensor.numel() for file in files for tensor in read_tensors(file).values()),
        weights_bytes=sum(file.stat().st_size for file in files),
        weights_sha256=hash_file(building / WEIGHTS),
        dice_lost=measure_dice_lost(run, packed, images),
        reproduction=read_fold(release.fold, building / FOLD) if release.fold else None,
        check=predict_check_image(packed, release.check_image, release.check_size_px),
    )
    write_text(building / MODEL, info.model_dump_json(indent=1))
    write_text(building / CARD, format_model_card(info, "markdown"))
    check_limits(info, building)
    check_not_released(info, folder)
    shutil.rmtree(folder, ignore_errors=True)
    building.rename(folder)
    return info


def read_known_images(known: KnownImages) -> ImageAppearance:
    """How the images look that a model compares an image with.

    Raises:
        CenetError: The folder does not say.
    """
    appearance = ImageAppearance.load(known.folder)
    if appearance is None:
        raise CenetError(known.folder, f"has no {APPEARANCE}", "name a run that was trained on such images")
    return appearance.model_copy(update={"of": known.of})


def choose_points(release: Release, run: Run) -> tuple[OperatingPoint, ...]:
    """The operating points of the model: its run's, or the median thresholds of the networks of the folds.

    A threshold on calibrated probabilities becomes the one on raw probabilities that gives the same mask.
    """
    if not release.thresholds_from or not run.recipe.sigmoid:
        return run.facts.operating_points
    points = []
    for folder in release.thresholds_from:
        report = EvaluationReport.load(folder)
        raw = [
            [
                raw_threshold(*pair)
                for pair in zip(fold.thresholds, fold.calibration or [(1.0, 0.0)] * 255, strict=False)
            ]
            for fold in report.runs
        ]
        thresholds = tuple(round(float(value), 4) for value in np.median(np.array(raw), axis=0))
        points.append(OperatingPoint(views=report.protocol.views, thresholds=thresholds))
    return tuple(points)


def raw_threshold(threshold: float, calibration: tuple[float, float]) -> float:
    """The threshold before calibration.

    >>> round(raw_threshold(0.4, (1.0, 0.0)), 6), raw_threshold(0.5, (2.0, 0.0))
    (0.4, 0.5)
    """
    scale, bias = calibration
    return float(expit((logit(threshold) - bias) / scale))


def write_slim_run(run: Run, folder: Path, points: tuple[OperatingPoint, ...]) -> None:
    """Write recipe, facts and rounded weights of a run; of its images only their checksums are kept."""
    path = run.path / WEIGHTS
    if not path.is_file() or hash_file(path) != run.facts.weights_sha256:
        raise CenetError(path, "is missing or corrupted", "copy the run folder again")
    folder.mkdir(parents=True)
    weights = {name: round_to_half(tensor) for name, tensor in read_tensors(path).items()}
    (folder / WEIGHTS).write_bytes(save(weights))
    facts = run.facts.model_copy(
        update={
            "data": None,
            "init_from": None,
            "operating_points": points,
            "seen_in_earlier_training": tuple(sorted(run.seen_in_training)),
            "weights_sha256": hash_file(folder / WEIGHTS),
        }
    )
    write_text(folder / METADATA, facts.model_dump_json(indent=1))
    recipe = run.recipe.replace(encoder_weights=Path(run.recipe.encoder_weights).name)  # no path of this machine
    write_text(folder / RECIPE, recipe.model_dump_json(indent=1))


def round_to_half(tensor: Tensor) -> Tensor:
    """Kernels in float16; what is small, and statistics, which may have any size, as they are."""
    if tensor.ndim < 2 or tensor.numel() < MIN_ROUNDED or not tensor.is_floating_point():
        return tensor.contiguous()
    half = tensor.half().contiguous()
    return half if half.isfinite().all() else tensor.contiguous()


def measure_dice_lost(run: Run, packed: Run, images: Sequence[Path]) -> float:
    """1 - Dice between the masks by the rounded and by the trained weights, of all classes: the largest of the images.

    Both use the thresholds of the model.
    """
    rounded, trained = packed.predictor(), packed.predictor()
    trained.network = run.network()
    if (localiser := run.localiser_run()) is not None and trained.localiser is not None:
        trained.localiser.network = localiser.network()
    lost = 0.0
    for path in images:
        first, second = trained(path).mask, rounded(path).mask
        classes = range(1, len(run.facts.classes) + 1)  # also those that one of the two alone finds
        of_image = max(1 - dice_of_masks(first == index, second == index) for index in classes)
        print(f"{path.name}: Dice lost {of_image:.5f}")
        lost = max(lost, of_image)
    return round(lost, 6)


def dice_of_masks(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> float:
    """The Dice of two masks; 1 where both are empty."""
    return float(dice(count(first, second)))


def read_scores(source: ReportedScores) -> list[ReleasedScore]:
    """The scores of a report: means over images for each class, and what only all images have together."""
    report = EvaluationReport.load(source.report)
    scores = []
    images = Counter(image.source for image in report.data.images)
    groups = {name: len({image.group for image in report.data.images if image.source == name}) for name in images}
    for metric in source.metrics:
        scores += [_released_score(source, report, mean) for mean in image_means(report, metric)]
        for name, mean in source_means(report, metric) if metric in of_images(report) else []:
            score = _released_score(source, report, mean)
            changes = {"source": name, "images": images[name], "groups": groups[name]}
            scores.append(score.model_copy(update=changes))
        for of_task in report.task_metrics:
            if of_task.metric == metric and of_task.pooled and not of_task.per_image:
                score = _released_score(source, report, ImageMean(metric, of_task.part, of_task.pooled))
                scores.append(score.model_copy(update={"average": "pooled"}))
        if not any(score.metric == metric for score in scores):
            raise CenetError(source.report, f"holds no {metric}", "name another metric")
    return scores


def of_images(report: EvaluationReport) -> set[str]:
    """The metrics that the report has of each class in each image."""
    return {"auc", *report.classes[0].thresholds[0].per_image}


def _released_score(source: ReportedScores, report: EvaluationReport, mean: ImageMean) -> ReleasedScore:
    score = mean.score
    has_interval = isfinite(score.low) and isfinite(score.high)
    return ReleasedScore(
        data=source.data,
        protocol=report.protocol.name,
        images=len(report.data.images),
        groups=report.data.groups,
        metric=mean.metric,
        part=mean.part,
        value=score.value,
        low=score.low if has_interval else None,
        high=score.high if has_interval else None,
        method=score.method,
    )


def read_fold(fold: FoldRuns, folder: Path) -> Reproduction:
    """The fold to train again, whose recipe and split are copied to a folder, and the scores of its seeds."""
    reports = [
        EvaluationReport.load(evaluation_folder(run, part="test", protocol=fold.protocol, tta=False))
        for run in fold.runs
    ]
    values = tuple(
        mean.score.value for report in reports for mean in image_means(report, fold.metric) if mean.part == fold.part
    )
    if len(values) != len(reports):
        raise CenetError(fold.runs[0], f"its report holds no {fold.metric} of {fold.part!r}", "name another metric")
    facts = [Run(run).facts for run in fold.runs]
    starts = {of_run.started_from_model for of_run in facts}
    if len(starts) > 1 or any(of_run.init_from and not of_run.started_from_model for of_run in facts):
        raise CenetError(
            fold.runs[0], "its seeds do not start alike", "start all from scratch, or from one released model"
        )
    folder.mkdir()
    for name in (RECIPE, SPLIT):
        shutil.copy(fold.runs[0] / name, folder / name)
    low, high = prediction_interval(values)
    if not METRICS[fold.metric].unit:  # a share
        low, high = max(low, 0.0), min(high, 1.0)
    return Reproduction(
        data=fold.data,
        fold=fold.fold,
        folds=fold.folds,
        protocol=fold.protocol,
        metric=fold.metric,
        part=fold.part,
        values=values,
        low=low,
        high=high,
        minutes=round((reports[0].cost.training_seconds or 0) / 60, 1),
        started_from_model=starts.pop(),
    )


def prediction_interval(values: Sequence[float]) -> tuple[float, float]:
    """Where a further value lies in 95 of 100 cases, if all are drawn from one normal distribution.

    >>> [round(end, 3) for end in prediction_interval([0.80, 0.81, 0.82])]
    [0.76, 0.86]
    """
    half = t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) * np.sqrt(1 + 1 / len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def check_limits(info: ModelInfo, folder: Path) -> None:
    """Refuse a model that is too large, or whose rounded weights draw other masks.

    Raises:
        CenetError: It is one.
    """
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    limit = MAX_BYTES_WITH_LOCALISER if (folder / LOCALISER).is_dir() else MAX_BYTES
    if size > limit:
        cause = f"has {size / 2**20:.1f} MiB, more than {limit / 2**20:.0f}"
        raise CenetError(folder, cause, "train a smaller network")
    if info.dice_lost >= MAX_DICE_LOST:
        cause = f"rounding costs a Dice of {info.dice_lost:.4f}, not below {MAX_DICE_LOST}"
        raise CenetError(folder, cause, "keep its weights in float32")


def check_not_released(info: ModelInfo, folder: Path) -> None:
    """Refuse to replace a released version by other weights.

    Raises:
        CenetError: It would be.
    """
    if not (folder / MODEL).is_file():
        return
    released = ModelInfo.load(folder)
    if released.version == info.version and released.weights_sha256 != info.weights_sha256:
        raise CenetError(folder, f"version {info.version} was released with other weights", "raise the version")


def main(arguments: Sequence[str] | None = None) -> int:
    """Pack a run, and print the card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release", type=Path, help="the JSON file of the release")
    parser.add_argument("--run", type=Path, required=True, help="the finished run")
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="images to measure the rounding on")
    parser.add_argument("--output", type=Path, required=True, help="the folder that holds models")
    options = parser.parse_args(arguments)
    try:
        release = read_json(options.release, Release, remedy="see the class Release")
        images = [path for item in options.images for path in (sorted(item.iterdir()) if item.is_dir() else [item])]
        info = pack(release, Run(options.run), images=images, output=options.output)
    except CenetError as error:
        print(f"pack: {error}", file=sys.stderr)
        return 1
    print(format_model_card(info, "terminal"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
