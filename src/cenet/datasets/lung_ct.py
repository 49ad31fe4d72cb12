"""Lungs in slices of computed tomography, in Hounsfield units or windowed."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cenet.data.io.read import IMAGE_SUFFIXES, read_label
from cenet.data.labels.encoding import NEAR_LEVEL, LabelEncoding
from cenet.data.sample import Sample
from cenet.datasets.folder import check_folder, format_list, group_from_name, natural_key, read_folder
from cenet.datasets.spec import DatasetSpec
from cenet.errors import CenetError

LABEL_PREFIX = "Ground_Truth_"  # of a label file in the folder of its slice
OUTSIDE, BODY, AIR = 0, 78, 255  # the values in such a label
MIN_BODY_FRACTION = 0.01  # of a label's pixels with the value BODY, for a label that shows the body

PATIENT = re.compile(r"(.*?\d[^_]*)_.")  # up to the first "_" that follows a number


def read_lung(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List CT slices with the masks of the lungs; the slices of a patient are a group.

    The patient is the part of a name before the first "_" that follows a number. Without one, as in val_00, every
    image is a group of its own.

    Args:
        folder: The folder that holds `images/` and `masks/`, as for `cenet.datasets.folder.read_folder`; or all
            files in one folder, where the label of `NAME.bmp` is `Ground_Truth_NAME.bmp`.
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
    if not (folder / "images").is_dir() and any(folder.glob(f"{LABEL_PREFIX}*")):
        return _add_patients(_read_flat_folder(folder, group_pattern), group_pattern)
    for names, kaggle_name in ((("images",), "2d_images"), (("masks", "labels"), "2d_masks")):
        if any((folder / name).is_dir() for name in names):
            continue
        remedy = "put slices into images/ and their masks into masks/"
        if (folder / kaggle_name).is_dir():
            remedy = f"rename {kaggle_name} to {names[0]}"
        raise CenetError(folder, f"it has no folder {names[0]}", remedy)
    return _add_patients(read_folder(folder, group_pattern=group_pattern), group_pattern)


def detect_lung_encoding(
    samples: Sequence[Sample],
    *,
    ignore_value: float | None = None,  # noqa: ARG001  # the signature of every `DatasetSpec.labels`
) -> LabelEncoding | None:
    """Detect `Ground_Truth_` labels that show the body as well as the lungs.

    As seen on four slices with this layout: 255 is the air in the body, both lungs together with the windpipe; 78
    is the rest of the body; 0 is outside. Some edges of the lungs are smoothed: there a value counts as the nearest
    of the three. A value between them elsewhere is an error when the label is read.

    Args:
        samples: What `read_lung` listed; samples without a label are passed over.
        ignore_value: Has no effect: such labels have no value for unannotated pixels.

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
    '0 or 78 -> background, 255 -> lungs and airway, values between them at edges -> the nearest'
    """
    paths = [sample.label[0] for sample in samples if sample.label and sample.label[0].name.startswith(LABEL_PREFIX)]
    if not any(_shows_body(path) for path in paths):
        return None
    return LabelEncoding(kind="levels", names=("lungs and airway",), values=((OUTSIDE, BODY), (AIR,)))


def _shows_body(path: Path) -> bool:
    is_body = np.abs(read_label(path).astype(float) - BODY) <= NEAR_LEVEL
    return bool(is_body.mean() > MIN_BODY_FRACTION)


def patient_from_name(name: str) -> str:
    """Return the patient that a slice's name begins with, or the whole name where it names none.

    >>> [patient_from_name(name) for name in ("patient-007_3", "ID_0007_Z_0142", "568525_FILE37", "val_00")]
    ['patient-007', 'ID_0007', '568525', 'val_00']
    """
    match = PATIENT.match(name)
    return match[1] if match else name


def _add_patients(samples: list[Sample], group_pattern: str | None) -> list[Sample]:
    """Mark the samples as CT, and group them by patient unless a pattern has grouped them."""
    samples = [replace(sample, hounsfield=True) for sample in samples]
    return samples if group_pattern else [replace(sample, group=patient_from_name(sample.group)) for sample in samples]


def _read_flat_folder(folder: Path, group_pattern: str | None) -> list[Sample]:
    """List the slices NAME.bmp with their labels Ground_Truth_NAME.bmp."""
    files: dict[str, Path] = {}
    for path in folder.iterdir():
        if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".":
            if path.stem in files:
                raise CenetError(path, f"{files[path.stem].name} has the same name", "rename or remove one of them")
            files[path.stem] = path
    images = sorted((name for name in files if not name.startswith(LABEL_PREFIX)), key=natural_key)
    labels = {name.removeprefix(LABEL_PREFIX): files[name] for name in files if name.startswith(LABEL_PREFIX)}
    unpaired = sorted(labels.keys() - set(images), key=natural_key)
    if unpaired:
        names = format_list(labels[name].name for name in unpaired)
        raise CenetError(folder, f"there is no slice for {names}", "add the slice, or remove the file")
    samples = []
    for name in images:
        label = (labels[name],) if name in labels else ()
        samples.append(Sample(name, files[name], label, group=group_from_name(files[name], group_pattern)))
    return samples


LUNG_CT = DatasetSpec(
    title="Lungs in CT slices, in Hounsfield units or windowed, 8 or 16 bits",
    source='your own, or the Kaggle set "Finding and Measuring Lungs in CT Data"; terms: see its page',
    layout=(
        "DATA/images/NAME.tif     the slices (tif, png); values below 0 or decimals are Hounsfield units\n"
        "DATA/masks/NAME.png      a mask for each, of the same size (or labels/)\n"
        "or in one folder:\n"
        "DATA/NAME.bmp, DATA/Ground_Truth_NAME.bmp      255 lungs and airway, 78 rest of the body, 0 outside; or a mask"
    ),
    grouping=(
        "the patient: the part of the name before the first _ that follows a number (patient-007_3, ID_0007_Z_0142); "
        "an image without such a name is its own group"
    ),
    pattern_advice="the patient",
    classes=("lung",),
    read=read_lung,
    labels=detect_lung_encoding,
    task_metrics=("hd95", "assd"),
    measured_as="lungs",
    primary_metric="overlap_error",
    published="E 0.038, accuracy 0.990 on the Kaggle set (as others quote the paper, the accuracy as 0.99)",
)
