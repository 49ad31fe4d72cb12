"""Volumes in data sets: every slice is a sample, and a split never separates the slices of a volume."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cenet.data.io.dicom_geometry import read_frame_geometries
from cenet.data.io.magic import is_dicom
from cenet.data.io.read import page_count
from cenet.data.sample import Sample
from cenet.errors import CenetError

_STACKS = (".tif", ".tiff", ".dcm", ".nii", ".nii.gz")


def expand_stacks(samples: Sequence[Sample]) -> list[Sample]:
    """Replace each sample whose image is a stack by one for each of its pages, and group the slices of DICOM series.

    A page is called `NAME-00`, and its group is that of the file, or the name of the file where it has none. Labels are
    stacks of the same length. Slices of one DICOM series, each in a file of its own, get the group of the first.

    Args:
        samples: As a reader lists them, each a file.

    >>> expand_stacks([Sample("eye", Path("eye.png"))])[0].name
    'eye'
    """
    expanded: list[Sample] = []
    for sample in samples:
        is_candidate = sample.page is None and sample.image.name.lower().endswith(_STACKS)
        count = _count_pages(sample.image) if is_candidate else 1
        if count > 1:
            pages = (replace(sample, name=f"{sample.name}-{page:02}", page=page) for page in range(count))
            expanded += [replace(page, group=sample.group) for page in pages]
            continue
        expanded.append(sample)
    return group_series(expanded)


def group_series(samples: Sequence[Sample]) -> list[Sample]:
    """Give slices of one DICOM series, each in a file of its own, the group of the first; what has a group keeps it.

    Args:
        samples: A file each, or a page of one.
    """
    first_of: dict[str, Sample] = {}
    grouped = []
    for sample in samples:
        is_candidate = sample.page is None and sample.image.name.lower().endswith(_STACKS)
        series = _find_series(sample) if is_candidate else ""
        first = first_of.setdefault(series, sample) if series else sample
        grouped.append(replace(sample, group=first.group))
    return grouped


def _count_pages(path: Path) -> int:
    """The pages of a file; one that cannot be read is reported when its turn comes."""
    with suppress(CenetError):
        return page_count(path)
    return 1


def _find_series(sample: Sample) -> str:
    """What slices of one DICOM series share; empty where the image is none, or its owner named its group."""
    if sample.group != sample.name:
        return ""
    with suppress(CenetError, OSError):
        if is_dicom(sample.image):
            return read_frame_geometries(sample.image)[0].series
    return ""
