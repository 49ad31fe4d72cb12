"""One pass over labelled images: each is decoded, recognised by its pixels, predicted and counted once."""

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cenet.data.io.read import fingerprint
from cenet.data.labels.detect import IGNORED, LabelEncoding
from cenet.data.loading import find_channel_names, load_image, load_label, load_region
from cenet.data.sample import Sample
from cenet.data.splits import Part, Split
from cenet.errors import CenetError
from cenet.evaluation.cases import Case, save_case
from cenet.evaluation.counts import PixelCounts
from cenet.evaluation.image_source import ImageSource, find_labels
from cenet.evaluation.protocol import apply_protocol
from cenet.evaluation.report import ImageInfo, Protocol
from cenet.evaluation.task_metrics import EvaluatedImage, TaskMetrics, compute_task_metrics
from cenet.inference.adapt_image import fit_to_run
from cenet.inference.ensemble import Ensemble, LoadedPredictor, OpenedModel
from cenet.inference.run import Run
from cenet.models.installed import show_run
from cenet.safe_text import print_line

PartToScore = Part | Literal["all"]


@dataclass(frozen=True)
class DecodedImage:
    """An image that has been read.

    Args:
        sample: Its files.
        values: `(H, W, C)`.
        fingerprint: Checksum of its pixels.
        part: Where the run has seen it; None: nowhere.
    """

    sample: Sample
    values: NDArray[Any]
    fingerprint: str
    part: Part | None


@dataclass
class ScoredImages:
    """What a pass has counted so far.

    Args:
        part: What is scored: a part of the run's split, or `all`.
        labels: How label files become classes; None before the first image.
        images: The images.
        counts: Of each image, for each class.
        task_metrics: Of each image, where its task measures something.
        remarks: What was converted: the name of an image, and what.
    """

    part: PartToScore
    labels: LabelEncoding | None = None
    images: list[ImageInfo] = field(default_factory=list)
    counts: list[list[PixelCounts]] = field(default_factory=list)
    task_metrics: list[TaskMetrics] = field(default_factory=list)
    remarks: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Scorer:
    """What predicts and counts an image.

    Args:
        run: The run.
        predictor: Its predictor.
        protocol: What is compared with what.
        task_metrics: Names of what the task measures beside overlap.
        cases: A folder to write a case of every scored image to.
    """

    run: OpenedModel
    predictor: LoadedPredictor
    protocol: Protocol
    task_metrics: tuple[str, ...]
    cases: Path

    def score(self, decoded: DecodedImage, labels: LabelEncoding, scored: ScoredImages) -> None:
        """Predict one image, and add what is counted of it.

        Args:
            decoded: The image.
            labels: How its label becomes classes.
            scored: What it is added to.

        Raises:
            CenetError: It has no label, or one that does not fit.
        """
        sample, facts = decoded.sample, self.run.facts
        if not sample.label:
            remedy = "add a label, or score another part with --split"
            raise CenetError(sample.image, "has no label to score against", remedy)
        names = find_channel_names(sample)
        image, remarks = fit_to_run(decoded.values, sample.image, facts, names=names, page=sample.page)
        scored.remarks += [(sample.name, remark) for remark in remarks]
        label, region = load_label(sample, labels, image), load_region(sample, image)
        members = self.run.members if isinstance(self.run, Ensemble) else [self.run]
        start = time.monotonic()
        result = apply_protocol(
            self.protocol,
            self.predictor,
            image,
            label=label,
            region=region,
            name=str(sample.image),
            validated=any(one.facts.has_chosen_thresholds for one in members),
        )
        seconds = time.monotonic() - start
        inside, prediction = result.views[0].inside, result.prediction
        diameter = prediction.field_of_view_px if prediction else None
        counted = np.where(inside, label, IGNORED)
        scored.images.append(
            ImageInfo(
                name=sample.name,
                group=sample.group,
                part=decoded.part,
                fingerprint=decoded.fingerprint,
                label_fingerprint=fingerprint(counted),
                size_px=(image.shape[1], image.shape[0]),
                seconds=round(seconds, 3),
                field_of_view_px=round(diameter, 1) if diameter else None,
                source=sample.source,
            )
        )
        scored.counts.append([view.count_pixels(sample.name, sample.group) for view in result.views])
        if prediction is not None and self.task_metrics:
            views, rows, pixel_um = result.views, labels.rows(sample), sample.pixel_um
            evaluated = EvaluatedImage(
                facts.classes, views, result.mask, counted, prediction, rows=rows, pixel_um=pixel_um
            )
            scored.task_metrics.append(compute_task_metrics(self.task_metrics, evaluated, group=sample.group))
        probabilities = np.stack([np.rint(255 * view.scores) for view in result.views]).astype(np.uint8)
        save_case(self.cases / f"{sample.name}.npz", Case(image, label, inside, result.mask, probabilities))


def score_images(scorer: Scorer, source: ImageSource, part: PartToScore | None) -> ScoredImages:
    """Predict and count the images of a part, each decoded once.

    An image belongs to the part in which the run's split has its pixels, under whatever name. If no part is asked for,
    it is the test part where a split is given or the run knows any of the images, and else, or of a released model,
    all of them.

    Args:
        scorer: What predicts and counts.
        source: The images.
        part: A part of the run's split, or `all`.

    Raises:
        CenetError: The part is empty or not complete, an image of it has no label, or an ensemble's member was trained
            on an image.
    """
    run, split = scorer.run, source.split
    if part is None and (source.own or split):
        part = "test"
    expected = count_expected(run, part, split)
    has_parts = split is None and (isinstance(run, Ensemble) or (isinstance(run, Run) and run.split is not None))
    scored = ScoredImages(part or "all")
    for index, sample in enumerate(tqdm(source.samples, desc="reading images", unit="image")):
        if scored.part == "all" and not sample.label:
            continue
        image = load_image(sample)
        checksum = fingerprint(image)
        decoded = DecodedImage(sample, image, checksum, run.part_of(checksum))
        if isinstance(run, Ensemble) and decoded.part in ("train", "validation"):
            cause = f"{sample.name} is an image that a member of {run.path} was trained on"
            remedy = "score the ensemble on other images, its members' own scores are in its report.json"
            raise CenetError(source.folder, cause, remedy)
        if part is None and has_parts and decoded.part is not None:  # it knows these images: its test part is meant
            part = "test"
            expected, scored = count_expected(run, part, split), ScoredImages(part)
        if scored.part in ("all", split.part_of(checksum) if split else decoded.part):
            foreign = not source.own and (scored.part == "all" or split is not None)
            scored.labels = scored.labels or find_labels(run, source, foreign=foreign)
            scorer.score(decoded, scored.labels, scored)
        if expected and len(scored.images) + len(source.samples) - index - 1 < expected:
            break  # even if all others belong to the part, it is not complete
    if expected is not None and len(scored.images) != expected:
        owner = "--splits" if split else run.path
        cause = f"does not hold the {expected} images in the {scored.part} part of {owner}, as they were"
        other = "leave --splits out" if split else "--split all"
        raise CenetError(source.folder, cause, f"name the folder of its training, or {other}")
    if not scored.images:
        raise _no_image_error(run, scored.part)
    _print_training_images(run, scored)
    return scored


def count_expected(run: OpenedModel, part: PartToScore | None, split: Split | None = None) -> int | None:
    """How many images a part has; None where any number will do.

    Args:
        run: The run.
        part: A part of a split, or `all`; None where it is not known yet.
        split: The split; the run's own by default.

    Raises:
        CenetError: The part is empty.
    """
    if part is None or part == "all":
        return None
    if split is None and isinstance(run, Run):
        split = run.split
        if split is None and part != "train":  # of a released or imported model
            raise _no_image_error(run, part)
    if split is None:
        return None
    if not split.parts[part]:
        raise CenetError(run.path, f"its {part} part is empty", "name a part with --split")
    return len(split.parts[part])


def _no_image_error(run: OpenedModel, part: PartToScore) -> CenetError:
    return CenetError(show_run(run.path), f"none of these images is in its {part} part", "leave --split out")


def _print_training_images(run: OpenedModel, scored: ScoredImages) -> None:
    seen = [
        image.name for image in scored.images if image.part in ("train", "validation") and image.part != scored.part
    ]
    if seen:
        print_line(
            f"note: {show_run(run.path)} was trained on {len(seen)} of these images, such as {seen[0]}", file=sys.stderr
        )
