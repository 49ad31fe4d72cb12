"""Volumes in data sets: every slice is a sample, and a split never separates the slices of a volume."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from cenet.data.io.dicom import read_patient_digest
from cenet.data.io.dicom_geometry import read_frame_geometries
from cenet.data.io.magic import is_dicom
from cenet.data.io.read import page_count
from cenet.data.sample import Sample
from cenet.errors import CenetError

_STACKS = (".tif", ".tiff", ".dcm", ".nii", ".nii.gz")


def expand_stacks(samples: Sequence[Sample]) -> list[Sample]:
    """Replace each sample whose image is a stack by one for each of its pages, and group DICOM files.

    A page is called `NAME-00`, and its group is that of the file, or the name of the file where it has none. Labels are
    stacks of the same length. DICOM files of one patient or series get the group of the first, see `group_dicom`.

    Args:
        samples: As a reader lists them, each a file.

    >>> expand_stacks([Sample("eye", Path("eye.png"))])[0].name
    'eye'
    """
    expanded: list[Sample] = []
    for sample in _group_patients(samples):
        is_candidate = sample.page is None and sample.image.name.lower().endswith(_STACKS)
        count = _count_pages(sample.image) if is_candidate else 1
        if count > 1:
            pages = (replace(sample, name=f"{sample.name}-{page:02}", page=page) for page in range(count))
            expanded += [replace(page, group=sample.group) for page in pages]
            continue
        expanded.append(sample)
    return _group_series(expanded)


def group_dicom(samples: Sequence[Sample]) -> list[Sample]:
    """Give DICOM files of one patient the group of the first, and slices of one series; what has a group keeps it.

    Where all files state the same patient, as some do once the names are removed, it says nothing.

    Args:
        samples: A file each, or a page of one.
    """
    return _group_series(_group_patients(samples))


def _group_patients(samples: Sequence[Sample]) -> list[Sample]:
    patients = [_read(read_patient_digest, sample) for sample in samples]
    return _group(samples, patients if len(set(patients) - {""}) > 1 else [""] * len(patients))


def _group_series(samples: Sequence[Sample]) -> list[Sample]:
    return _group(samples, [_read(lambda path: read_frame_geometries(path)[0].series, sample) for sample in samples])


def _group(samples: Sequence[Sample], keys: Sequence[str]) -> list[Sample]:
    """Give samples of one key the group of the first; an empty key is that of none."""
    first_of: dict[str, Sample] = {}
    firsts = [first_of.setdefault(key, sample) if key else sample for sample, key in zip(samples, keys, strict=True)]
    return [replace(sample, group=first.group) for sample, first in zip(samples, firsts, strict=True)]


def _count_pages(path: Path) -> int:
    """The pages of a file; one that cannot be read is reported when its turn comes."""
    with suppress(CenetError):
        return page_count(path)
    return 1


def _read(read_key: Callable[[Path], str], sample: Sample) -> str:
    """What DICOM files share that belong together; empty where the image is none, or its owner named its group."""
    if sample.page is not None or sample.group != sample.name or not sample.image.name.lower().endswith(_STACKS):
        return ""
    with suppress(CenetError, OSError):
        if is_dicom(sample.image):
            return read_key(sample.image)
    return ""
