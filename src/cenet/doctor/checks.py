"""What may be wrong with a data set, judged from what was read: each problem as a finding."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cenet.data.labels.encoding import LabelEncoding
from cenet.data.sample import Sample
from cenet.data.splits import PARTS, Split
from cenet.datasets.folder import format_list
from cenet.doctor.diagnosis import Finding
from cenet.doctor.samples import ExaminedSample, name_file
from cenet.safe_text import format_count

FEW_GROUPS = 5
UNUSUAL_RATIO = 4  # so many times brighter or darker than the median
MOSTLY_FOREGROUND = 0.7  # a larger share of all pixels is rarely what one segments
MAX_USUAL_SHARE, FAR_MORE = 0.5, 3  # a label that covers more than this share, and so many times the median


def check_images(samples: Sequence[ExaminedSample]) -> Iterator[Finding]:
    """Find channels, sizes and brightness that differ from those of the other images."""
    if not samples:
        return
    usual, count = Counter(sample.value_type for sample in samples).most_common(1)[0]
    for sample in samples:
        if sample.value_type != usual:
            cause = f"it has {sample.value_type} where {count} of {len(samples)} images have {usual}"
            remedy = "save all images with the same channels and data type"
            yield Finding("error", name_file(sample.sample), cause, remedy)
    sides = [max(sample.shape) for sample in samples]
    smallest, largest = samples[int(np.argmin(sides))], samples[int(np.argmax(sides))]
    if max(sides) > 2 * min(sides):
        cause = f"it has {_size(largest)} where {name_file(smallest.sample)} has {_size(smallest)}"
        remedy = "if their pixels have different sizes in millimetres, resize them to the same scale"
        yield Finding("warning", name_file(largest.sample), cause, remedy)
    median = float(np.median([sample.mean_value for sample in samples]))
    for sample in samples:
        ratio = sample.mean_value / median if median > 0 else 1.0
        if not 1 / UNUSUAL_RATIO <= ratio <= UNUSUAL_RATIO:
            kind = f"more than {UNUSUAL_RATIO} times" if ratio > 1 else "less than a quarter of"
            cause = (
                f"its mean value is {kind} the median of all, {median:.3g}"  # not its own, so that many are one line
            )
            remedy = "check that it was exported in the same way as the others"
            yield Finding("warning", name_file(sample.sample), cause, remedy)


def check_duplicates(samples: Sequence[ExaminedSample]) -> Iterator[Finding]:
    """Find the same pixels under two names."""
    first_of: dict[str, ExaminedSample] = {}
    for sample in samples:
        first = first_of.setdefault(sample.image_fingerprint, sample)
        if first is sample:
            continue
        cause = f"it has the same pixels as {name_file(first.sample)}"
        several_groups = sample.sample.group != first.sample.group
        if several_groups:
            cause += " in another group, so a split may separate them"
        if sample.label_fingerprint != first.label_fingerprint:
            cause += ", and their labels differ"
        if several_groups:
            remedy = "remove one, or give them one group with --group-pattern"
            yield Finding("error", name_file(sample.sample), cause, remedy)
        else:
            yield Finding("warning", name_file(sample.sample), cause, "remove one, or it counts twice")


def check_labels(
    folder: Path, samples: Sequence[Sample], examined: Sequence[ExaminedSample], encoding: LabelEncoding | None
) -> Iterator[Finding]:
    """Find labels that are missing, empty or full, and classes that are rare."""
    if not any(sample.label for sample in samples):
        yield Finding("error", str(folder), "no image has a label", "add a label for each image to masks/")
        return
    for sample in samples:
        if not sample.label:
            yield Finding("error", str(sample.image), "it has no label", "add one, or remove the image")
    with_label = [sample for sample in examined if sample.class_px]
    if with_label and not any(sum(sample.class_px) for sample in with_label):
        cause = "every label is empty where pixels count"
        yield Finding("error", str(folder), cause, "annotate the foreground, or fix the regions")
        return
    for image in with_label:
        name = name_file(image.sample, image.sample.label[0])
        if not image.annotated_px:
            cause = "no pixel is both annotated and inside the region, so none counts"
            yield Finding("warning", name, cause, "check label and region")
        elif not any(image.class_px):
            cause = "it has no foreground where pixels count"
            yield Finding("warning", name, cause, "check that the image shows none")
        elif image.class_px[0] == image.annotated_px:
            yield Finding("warning", name, "all of it is foreground", "check that it is not inverted")
    if encoding and len(encoding.names) == 1:
        yield from _check_foreground(folder, with_label)
    names = encoding.names if encoding and with_label else ()
    for index, name in enumerate(names):
        count = len({image.sample.group for image in with_label if image.class_px[index]})
        if count < len(PARTS):
            remedy = "training, validation and test cannot all have it; annotate it in more images"
            yield Finding("warning", str(folder), f"{name} occurs in {format_count(count, 'group')}", remedy)


def check_groups(folder: Path, samples: Sequence[Sample], examined: Sequence[ExaminedSample]) -> Iterator[Finding]:
    """Find that there are too few groups to split."""
    readable = {sample.sample for sample in examined}
    count = len({sample.group for sample in samples if sample in readable and sample.label})
    cause = f"the images with labels form {format_count(count, 'group')}"
    if count < len(PARTS):
        remedy = "training, validation and test need one each; add images, or form other groups with --group-pattern"
        yield Finding("error", str(folder), cause, remedy)
    elif count < FEW_GROUPS:
        remedy = "the scores of so few are uncertain; add images, or form other groups with --group-pattern"
        yield Finding("warning", str(folder), cause, remedy)


def check_split(path: Path, samples: Sequence[Sample], examined: Sequence[ExaminedSample]) -> Iterator[Finding]:
    """Find where a split does not fit these images.

    Args:
        path: The `splits.json`.
        samples: All samples of the set.
        examined: Those whose image could be read.

    Raises:
        CenetError: The file is no split.
    """
    split = Split.from_json(path)
    group_from_name = {sample.name: sample.group for sample in samples}
    fingerprint_of = {sample.sample.name: sample.image_fingerprint for sample in examined}
    part_of = {name: part for part, names in split.parts.items() for name in names}
    for name in part_of:
        if name not in group_from_name:
            remedy = "pass the folder that it was made for, or make a new split"
            yield Finding("error", str(path), f"{name} is not among these images", remedy)
        elif fingerprint_of.get(name, split.fingerprints[name]) != split.fingerprints[name]:
            remedy = "restore the image, or make a new split"
            yield Finding("error", str(path), f"{name} has other pixels than when the split was made", remedy)
    parts_of_group: dict[str, list[str]] = defaultdict(list)
    for name, part in part_of.items():
        parts = parts_of_group[group_from_name.get(name, split.groups[name])]
        if part not in parts:
            parts.append(part)
    for group, parts in parts_of_group.items():
        if len(parts) > 1:
            cause = f"the group {group} is in {' and in '.join(parts)}"
            yield Finding("error", str(path), cause, "keep every group in one part, in a new split")
    unused = [sample.name for sample in samples if sample.name not in part_of]
    if unused:
        cause = f"{format_list(unused)} of these images are in no part"
        yield Finding("warning", str(path), cause, "they are not used; make a new split to use them")


def _check_foreground(folder: Path, samples: Sequence[ExaminedSample]) -> Iterator[Finding]:
    """Find masks that may be inverted: most of all pixels are foreground, or in one label far more than in the others.

    A label that is all foreground has a finding of its own.
    """
    annotated = [sample for sample in samples if sample.annotated_px]
    shares = [sample.class_px[0] / sample.annotated_px for sample in annotated]
    if not annotated:
        return
    total = sum(sample.class_px[0] for sample in annotated) / sum(sample.annotated_px for sample in annotated)
    remedy = "check that it is not inverted: what is segmented must be the foreground, all else the background"
    if total > MOSTLY_FOREGROUND:
        yield Finding("warning", str(folder), f"the foreground covers {total:.0%} of the pixels", remedy)
        return
    median = float(np.median(shares))
    for sample, share in zip(annotated, shares, strict=True):
        if MAX_USUAL_SHARE < share < 1 and share > FAR_MORE * median:
            cause = f"its foreground covers {share:.0%} of the pixels where the median of the labels is {median:.1%}"
            yield Finding("warning", name_file(sample.sample, sample.sample.label[0]), cause, remedy)


def _size(sample: ExaminedSample) -> str:
    return f"{sample.shape[1]} x {sample.shape[0]} px"
