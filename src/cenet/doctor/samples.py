"""Reading the files of a data set once, with a finding for each that cannot be used."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.read import check_usable, fingerprint, read_label, read_rows
from cenet.data.labels.drawn import draw_sample_label, label_name
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.labels.inspect import IGNORED
from cenet.data.labels.layer_order import ROWS
from cenet.data.loading import OFFSET, has_hounsfield_offset, load_image, load_region
from cenet.data.sample import Sample
from cenet.datasets.resolve import resolve_label_encoding
from cenet.doctor.diagnosis import Finding, Severity, collect_findings
from cenet.errors import CenetError

MAX_INCONSISTENT = 5  # labels that are left out until the others can be interpreted together


@dataclass(frozen=True)
class ExaminedSample:
    """What is kept of a sample when its files have been read.

    Args:
        sample: The sample.
        shape: Height and width in pixels.
        value_type: Channels and data type, in words.
        mean_value: The mean of its values.
        image_fingerprint: The fingerprint of its pixels.
        label_fingerprint: The fingerprint of its label.
        region_px: Pixels inside its region.
        annotated_px: Pixels inside its region that are annotated.
        class_px: How many of these each foreground class has; empty without a usable label.
        unannotated_columns: Columns without any annotation.
    """

    sample: Sample
    shape: tuple[int, int]
    value_type: str
    mean_value: float
    image_fingerprint: str
    label_fingerprint: str | None = None
    region_px: int = 0
    annotated_px: int = 0
    class_px: tuple[int, ...] = ()
    unannotated_columns: int = 0


def detect_label_encoding(
    task: str, samples: Sequence[Sample], findings: list[Finding], **options: Any
) -> tuple[LabelEncoding | None, set[Sample]]:
    """Detect how the labels of a set are encoded, even where a few of them do not fit the others.

    Args:
        task: The layout of the set.
        samples: Its samples.
        findings: Problems are appended here.
        options: What `resolve_label_encoding` is given.

    Returns:
        The encoding, or None, and the samples whose labels cannot be read with it, each with a finding.
    """
    labelled = [sample for sample in samples if sample.label]
    with suppress(CenetError, OSError):
        return resolve_label_encoding(task, labelled, **options), set()
    usable = [sample for sample in labelled if _can_read_labels(sample, findings)]
    inconsistent: list[Finding] = []
    while 2 * len(usable) > len(labelled) and len(inconsistent) < MAX_INCONSISTENT:
        with collect_findings(inconsistent):
            encoding = resolve_label_encoding(task, usable, **options)
            findings += inconsistent
            return encoding, set(labelled) - set(usable)
        subject = inconsistent[-1].subject
        usable = [sample for sample in usable if subject not in map(str, sample.label)]
    findings += inconsistent[:1]
    return None, set(labelled)


def examine_sample(sample: Sample, encoding: LabelEncoding | None, findings: list[Finding]) -> ExaminedSample | None:
    """Read the files of a sample.

    Args:
        sample: The sample.
        encoding: How its label is read; None leaves the label out.
        findings: Problems are appended here.

    Returns:
        What it holds, or None where its image cannot be read.
    """
    image: NDArray[Any] | None = None
    label: NDArray[np.uint8] | None = None
    region: NDArray[np.bool_] | None = None
    with collect_findings(findings):
        image = load_image(sample)
    with collect_findings(findings):
        label = encoding.read(sample) if encoding and sample.label else None
        if label is not None and sample.drawn is not None:
            for remark in draw_sample_label(sample).remarks():
                severity: Severity = "warning" if remark.may_be_wrong else "note"
                findings.append(Finding(severity, label_name(sample), remark.cause, remark.remedy))
    if image is None:
        return None
    with collect_findings(findings):
        region = load_region(sample, image)
    shape = image.shape[:2]
    size = label.shape if label is not None else _find_label_size(sample)
    if size is not None and size != shape:
        cause = f"its size is {size[1]} x {size[0]} px but the image has {shape[1]} x {shape[0]}"
        remedy = "use the label that belongs to this image"
        if size == shape[::-1]:
            remedy = "turn it as the image is, which is read upright, as its EXIF data may say; or " + remedy
        findings.append(Finding("error", str(sample.label[0]), cause, remedy))
    with collect_findings(findings):
        check_usable(image, name=name_file(sample))
    if has_hounsfield_offset(sample, image):
        values = f"its values, {image.min()} to {image.max()}"
        cause = f"{values}, look like Hounsfield units + {OFFSET} and are read as windowed"
        remedy = f"subtract {OFFSET} and save as int16 or float TIFF, or window it to 8 bit"
        findings.append(Finding("warning", name_file(sample), cause, remedy))
    channels = image.shape[2]
    value_type = f"{channels} {'channel' if channels == 1 else 'channels'} of {image.dtype}"
    inside = np.ones(shape, bool) if region is None else region
    examined = ExaminedSample(
        sample, shape, value_type, float(image.mean()), fingerprint(image), region_px=int(inside.sum())
    )
    if label is None or encoding is None or label.shape != shape:
        return examined
    annotated = label[inside & (label != IGNORED)]
    numbers = range(1, len(encoding.names) + 1)
    class_px = [int((annotated >= k if encoding.nested else annotated == k).sum()) for k in numbers]
    return replace(
        examined,
        label_fingerprint=fingerprint(label),
        annotated_px=annotated.size,
        class_px=tuple(class_px),
        unannotated_columns=int((label == IGNORED).all(axis=0).sum()),
    )


def name_file(sample: Sample, path: Path | None = None) -> str:
    """What findings call a file of a sample, or its image: in a stack with the slice.

    >>> name_file(Sample("slice-07", Path("train-volume.tif"), page=7))
    'train-volume.tif, slice 7'
    """
    name = str(path or sample.image)
    return name if sample.page is None else f"{name}, slice {sample.page}"


def _find_label_size(sample: Sample) -> tuple[int, int] | None:
    """Height and width of a label that is refused for its values; None where it has none of its own."""
    if not sample.label or sample.drawn is not None or sample.label[0].suffix == ROWS:
        return None
    with suppress(CenetError, OSError):  # of which there is a finding already
        height, width = read_label(sample.label[0], page=sample.page).shape[:2]
        return height, width
    return None


def _can_read_labels(sample: Sample, findings: list[Finding]) -> bool:
    before = len(findings)
    if sample.drawn is not None:
        return True  # what cannot be drawn is found when it is drawn
    for path in sample.label:
        with collect_findings(findings):
            if path.suffix == ROWS:
                read_rows(path)
            else:
                read_label(path, page=sample.page)
    return len(findings) == before
