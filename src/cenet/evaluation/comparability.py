"""Whether evaluations may be compared: they are of the same images, labels and groups, under one protocol."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from cenet.errors import CenetError
from cenet.evaluation.report_files import LoadedEvaluation


def check_comparable(first: LoadedEvaluation, other: LoadedEvaluation) -> None:
    """Refuse two evaluations that are not of the same pixels.

    A single class may have two names, such as foreground and vessel: that its pixels are the same is what counts.

    Raises:
        CenetError: They differ; the difference is named.
    """
    subject, prefix = other.folder, f"cannot be compared with {first.folder}"
    split_remedy = "score both with the same --split, or one with --splits, the splits.json of the other"
    for what, ours, theirs, remedy in (
        (
            "task",
            first.report.data.task,
            other.report.data.task,
            "compare runs that were scored on the same images, with the same --task",
        ),
        ("protocol", first.report.protocol.name, other.report.protocol.name, "score both with the same --protocol"),
        ("part", first.report.data.part, other.report.data.part, split_remedy),
    ):
        if ours != theirs:
            raise CenetError(subject, f"{prefix}, {what} {theirs} and {ours}", remedy)
    our_classes, their_classes = ([of_class.name for of_class in one.report.classes] for one in (first, other))
    if our_classes != their_classes and not len(our_classes) == len(their_classes) == 1:
        cause = f"{prefix}, classes {', '.join(their_classes)} and {', '.join(our_classes)}"
        raise CenetError(subject, cause, "name them alike in a classes.json, before training")
    _check_same_images(first, other)
    _check_same_labels(first, other)
    our_groups, their_groups = ([one.groups.index(group) for group in one.groups] for one in (first, other))
    if our_groups != their_groups:
        cause = f"{prefix}, their images are grouped differently"
        raise CenetError(subject, cause, "score both with the same --group-pattern")


def _check_same_images(first: LoadedEvaluation, other: LoadedEvaluation) -> None:
    ours, theirs = (Counter(image.fingerprint for image in one.images) for one in (first, other))
    if ours == theirs:
        return
    causes = []
    for position, one, more in (("former", other, theirs - ours), ("latter", first, ours - theirs)):
        if more:
            example = next(image.name for image in one.images if image.fingerprint in more)
            causes.append(f"{sum(more.values())} images only in the {position} (such as {example})")
    cause = f"cannot be compared with {first.folder}, {' and '.join(causes)}"
    raise CenetError(other.folder, cause, "score both on the same images")


def _check_same_labels(first: LoadedEvaluation, other: LoadedEvaluation) -> None:
    pairs = zip(first.images, other.images, strict=True)
    changed = np.array([ours.label_fingerprint != theirs.label_fingerprint for ours, theirs in pairs])
    for index, of_class in enumerate(first.report.classes):
        pixels, others = (one.sums_for(index, "histograms").sum(axis=-1) for one in (first, other))
        differ = (pixels != others).any(axis=-1) | changed
        if differ.any():
            image = first.images[int(differ.argmax())].name
            cause = (
                f"cannot be compared with {first.folder}, their labels or regions differ in {differ.sum()} "
                f"images, such as {image} ({of_class.name})"
            )
            raise CenetError(other.folder, cause, "score both with the same labels")


def common_folds(methods: Sequence[Sequence[LoadedEvaluation]]) -> list[int] | None:
    """The fold of each image where all evaluations have the same ones, else None."""
    evaluations = [evaluation for method in methods for evaluation in method]
    first = [fold for fold in evaluations[0].folds if fold is not None]
    return first if first and all(evaluation.folds == first for evaluation in evaluations) else None
