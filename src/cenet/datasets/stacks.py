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
    """Replace each sample whose image is a stack by one for each of its pages.

    A page is called `NAME-00`, and its group is that of the file, or the name of the file where it has none. Labels are
    stacks of the same length.

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
    return expanded


def group_dicom(samples: Sequence[Sample], *, group_pattern: str | None = None) -> list[Sample]:
    """Give DICOM files of one patient the group of the first, and slices of one series; what has a group keeps it.

    Where all files state the same patient, as some do once the names are removed, it says nothing.

    Args:
        samples: Files and pages of files, with the names that they keep.
        group_pattern: What finds the groups in the names, where the user says it: then nothing is changed.
    """
    if group_pattern is not None:
        return list(samples)
    files = dict.fromkeys(sample.image for sample in samples if _has_own_group(sample) and _is_dicom(sample.image))
    patients = {path: _read(read_patient_digest, path) for path in files}
    has_several = len(set(patients.values()) - {""}) > 1
    group_of: dict[str, str] = {}
    grouped = []
    for sample in samples:
        keys = []
        if sample.image in files and _has_own_group(sample):
            series = _read(_read_series, sample.image) if sample.page is None else ""
            keys = [key for key in (patients[sample.image] if has_several else "", series) if key]
        group = next((group_of[key] for key in keys if key in group_of), sample.group)
        group_of |= dict.fromkeys(keys, group)
        grouped.append(replace(sample, group=group))
    return grouped


def _has_own_group(sample: Sample) -> bool:
    """Whether the group of a sample is that of its file, and was not named."""
    name = sample.group if sample.page is None else f"{sample.group}-{sample.page:02}"
    return sample.name == name


def _is_dicom(path: Path) -> bool:
    with suppress(CenetError, OSError):
        return path.name.lower().endswith(_STACKS) and is_dicom(path)
    return False


def _read_series(path: Path) -> str:
    return read_frame_geometries(path)[0].series


def _read(read_key: Callable[[Path], str], path: Path) -> str:
    """What DICOM files share that belong together; a damaged file is reported when its turn comes."""
    with suppress(CenetError, OSError):
        return read_key(path)
    return ""


def _count_pages(path: Path) -> int:
    """The pages of a file; one that cannot be read is reported when its turn comes."""
    with suppress(CenetError):
        return page_count(path)
    return 1
