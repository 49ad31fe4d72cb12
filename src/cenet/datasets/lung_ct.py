"""Lungs in slices of computed tomography, in Hounsfield units or windowed."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cenet.datasets.spec import DatasetSpec
from cenet.data.io.read import IMAGE_SUFFIXES, read_label
from cenet.data.labels.encoding import NEAR_LEVEL, LabelEncoding
from cenet.data.sample import Sample
from cenet.datasets.folder import check_folder, format_list, group_of, natural_key, read_folder
from cenet.errors import CenetError

TRUTH = "Ground_Truth_"  # before the name of a slice, where its label lies beside it
OUTSIDE, BODY, AIR = 0, 78, 255  # the values of such a label
MOST_OF_BODY = 0.01  # of the pixels of a label, so many have the body's value

PATIENT = re.compile(r"(.*?\d[^_]*)_.")  # up to the first "_" that follows a number


def read_lung(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List CT slices with the masks of the lungs; the slices of a patient are a group.

    The patient is what stands in a name before the first "_" that follows a number. Where there is none, as in
    val_00, every image is a group of its own.

    Args:
        folder: The folder that holds `images/` and `masks/`, as for `cenet.datasets.folder.read_folder`; or all
            files side by side, the label of `NAME.bmp` being called `Ground_Truth_NAME.bmp`.
        group_pattern: Regular expression for the group, as for `cenet.datasets.folder.read_folder`.

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
    if not (folder / "images").is_dir() and any(folder.glob(f"{TRUTH}*")):
        return _of_patients(_side_by_side(folder, group_pattern), group_pattern)
    for needed, other in (("images", "2d_images"), ("masks", "2d_masks")):
        if not any((folder / name).is_dir() for name in (needed, "labels" if needed == "masks" else needed)):
            remedy = "put slices into images/ and their masks into masks/"
            remedy = f"rename {other} so" if (folder / other).is_dir() else remedy
            raise CenetError(folder, f"there is no folder {needed} in it", remedy)
    return _of_patients(read_folder(folder, group_pattern=group_pattern), group_pattern)


def detect_lung_encoding(
    samples: Sequence[Sample],
    *,
    ignore_value: float | None = None,  # noqa: ARG001  # other tasks' labels may have such a value
) -> LabelEncoding | None:
    """Tell what the labels beside their slices mean, where they show the body too.

    Seen on the four slices that are laid out so: 255 is the air in the body, both lungs and with them the windpipe; 78
    is all other body; 0 is outside it. Some edges of the lungs are smoothed: there a value counts as the nearest of the
    three. A value between them elsewhere is an error when the label is read.

    Args:
        samples: What `read_lung` listed; samples without a label are passed over.
        ignore_value: Has no effect: no value of such labels means that nobody drew.

    Returns:
        How to read them; None where no label shows the body.

    Raises:
        CenetError: A label cannot be read.

    >>> import tempfile
    >>> from PIL import Image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "Ground_Truth_CT_001.bmp")
    ...     Image.fromarray(np.array([[0, 78, 255, 78]], np.uint8)).save(path)
    ...     detect_lung_encoding([Sample("CT_001", Path("CT_001.bmp"), (path,))]).describe()
    '0 or 78 -> background, 255 -> lungs and airway, what lies between at edges -> the nearest'
    """
    beside = [sample.label[0] for sample in samples if sample.label and sample.label[0].name.startswith(TRUTH)]
    if not any((np.abs(read_label(path).astype(float) - BODY) <= NEAR_LEVEL).mean() > MOST_OF_BODY for path in beside):
        return None
    return LabelEncoding(kind="levels", names=("lungs and airway",), values=((OUTSIDE, BODY), (AIR,)))


def patient_from_name(name: str) -> str:
    """Return the patient whom the name of a slice begins with, or the whole name where it names none.

    >>> [patient_from_name(name) for name in ("patient-007_3", "ID_0007_Z_0142", "568525_FILE37", "val_00")]
    ['patient-007', 'ID_0007', '568525', 'val_00']
    """
    match = PATIENT.match(name)
    return match[1] if match else name


def _of_patients(samples: list[Sample], group_pattern: str | None) -> list[Sample]:
    samples = [replace(sample, hounsfield=True) for sample in samples]
    return samples if group_pattern else [replace(sample, group=patient_from_name(sample.name)) for sample in samples]


def _side_by_side(folder: Path, group_pattern: str | None) -> list[Sample]:
    """List the files NAME.bmp with Ground_Truth_NAME.bmp."""
    files: dict[str, Path] = {}
    for path in folder.iterdir():
        if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".":
            if path.stem in files:
                raise CenetError(path, f"{files[path.stem].name} has the same name", "rename or remove one of them")
            files[path.stem] = path
    images = sorted((name for name in files if not name.startswith(TRUTH)), key=natural_key)
    labels = {name.removeprefix(TRUTH): files[name] for name in files if name.startswith(TRUTH)}
    if unused := sorted(labels.keys() - set(images), key=natural_key):
        names = format_list(labels[name].name for name in unused)
        raise CenetError(folder, f"there is no slice for {names}", "add the slice, or remove the file")
    return [
        Sample(name, files[name], (labels[name],) if name in labels else (), group=group_of(files[name], group_pattern))
        for name in images
    ]


LUNG_CT = DatasetSpec(
    title="Lungs in CT slices, in Hounsfield units or windowed, 8 or 16 bits",
    source='yours, or the Kaggle set "Finding and Measuring Lungs in CT Data"; terms: see its page',
    layout=(
        "DATA/images/NAME.tif     the slices (tif, png); values below 0 or decimals are Hounsfield units\n"
        "DATA/masks/NAME.png      a mask for each, of the same size (or labels/)\n"
        "or side by side:\n"
        "DATA/NAME.bmp, DATA/Ground_Truth_NAME.bmp      255 lungs and airway, 78 the other body, 0 outside it; or a mask"
    ),
    grouping=(
        "the patient: what stands in the name before the first _ that follows a number (patient-007_3, ID_0007_Z_0142), or "
        "what --group-pattern REGEX finds; without such a name every image its own group"
    ),
    classes=("lung",),
    read=read_lung,
    labels=detect_lung_encoding,
    task_metrics=("hd95", "assd"),
    primary_metric="overlap_error",
    published="E 0.038, accuracy 0.990 on the Kaggle set (as others quote the paper, the accuracy as 0.99)",
)
