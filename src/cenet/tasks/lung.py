"""Lungs in slices of computed tomography, in Hounsfield units or windowed."""

import re
from dataclasses import replace
from pathlib import Path

from cenet.errors import CenetError
from cenet.tasks.folder import check_folder, read_folder
from cenet.tasks.sample import Sample

PATIENT = re.compile(r"(.*?\d[^_]*)_.")  # up to the first "_" that follows a number

TITLE = "Lungs in CT slices, in Hounsfield units or windowed, 8 or 16 bits"
SOURCE = 'yours, or the Kaggle set "Finding and Measuring Lungs in CT Data"; terms: see its page'
LAYOUT = (
    "DATA/images/NAME.tif     the slices (tif, png); values below 0 or decimals are Hounsfield units\n"
    "DATA/masks/NAME.png      a mask for each, of the same size (or labels/)"
)
GROUPING = (
    "the patient: what stands in the name before the first _ that follows a number (patient-007_3, ID_0007_Z_0142), or "
    "what --group REGEX finds; without such a name every image its own group"
)
PAPER = "E 0.038, accuracy 0.990 on the Kaggle set (as others quote the paper, the accuracy as 0.99)"


def read_lung(folder: Path, *, group: str | None = None) -> list[Sample]:
    """List CT slices with the masks of the lungs; the slices of a patient are a group.

    The patient is what stands in a name before the first "_" that follows a number. Where there is none, as in
    val_00, every image is a group of its own.

    Args:
        folder: The folder that holds `images/` and `masks/`, as for `cenet.tasks.folder.read_folder`.
        group: Regular expression for the group, as for `cenet.tasks.folder.read_folder`.

    Raises:
        CenetError: A folder is missing, or something is unpaired or ambiguous.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("images/patient-007_3.tif", "images/val_1.png", "masks/patient-007_3.png", "masks/val_1.png"):
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         Path(folder, name).touch()
    ...     [(sample.name, sample.group) for sample in read_lung(Path(folder))]
    [('patient-007_3', 'patient-007'), ('val_1', 'val_1')]
    """
    check_folder(folder)
    for needed, other in (("images", "2d_images"), ("masks", "2d_masks")):
        if not any((folder / name).is_dir() for name in (needed, "labels" if needed == "masks" else needed)):
            remedy = "put slices into images/ and their masks into masks/"
            remedy = f"rename {other} so" if (folder / other).is_dir() else remedy
            raise CenetError(f"{folder}: there is no folder {needed} in it; {remedy}")
    samples = [replace(sample, hounsfield=True) for sample in read_folder(folder, group=group)]
    return samples if group else [replace(sample, group=patient_of(sample.name)) for sample in samples]


def patient_of(name: str) -> str:
    """Return the patient whom the name of a slice begins with, or the whole name where it names none.

    >>> [patient_of(name) for name in ("patient-007_3", "ID_0007_Z_0142", "568525_FILE37", "val_00")]
    ['patient-007', 'ID_0007', '568525', 'val_00']
    """
    match = PATIENT.match(name)
    return match[1] if match else name
