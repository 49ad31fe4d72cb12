"""Vessels of the retina in fundus photographs: DRIVE, CHASE_DB1 and HRF as distributed, or a plain folder."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from cenet.data.labels.encoding import LabelEncoding
from cenet.data.sample import Sample
from cenet.datasets.folder import check_folder, group_from_name, natural_key, read_folder
from cenet.datasets.spec import DatasetSpec
from cenet.errors import CenetError

FIRST, LAST = 21, 40  # numbers of the training photographs of DRIVE
CHILDREN = 14  # in CHASE_DB1
HRF_NAME = re.compile(r"\d\d_(dr|g|h)\.jpe?g", re.IGNORECASE)  # diabetic retinopathy, glaucoma, healthy


def read_drive(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List the 20 training photographs of DRIVE, each with its manual label and its field of view as region.

    Every photograph shows another patient, so each is a group of its own. `test/` is not read: it is distributed
    without labels, and a copy that has some does not say who made them; its images can be predicted. Missing
    photographs are skipped, and a photograph without a manual has no label.

    Args:
        folder: The folder that holds `training/`, or `DRIVE/training/`.
        group_pattern: Regular expression for the group, as for `cenet.datasets.folder.read_folder`.

    Raises:
        CenetError: The folder is not DRIVE.

    Reference:
        Staal et al. 2004, Ridge-based vessel segmentation in color images of the retina.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for pattern in ("images/{}_training.tif", "1st_manual/{}_manual1.gif", "mask/{}_training_mask.gif"):
    ...         Path(folder, "training", pattern).parent.mkdir(parents=True)
    ...         for number in range(21, 41):
    ...             Path(folder, "training", pattern.format(number)).touch()
    ...     samples = read_drive(Path(folder))
    >>> len(samples), samples[0].name, samples[0].group, samples[0].label[0].name
    (20, '21_training', '21', '21_manual1.gif')
    """
    check_folder(folder)
    training = next((path for path in (folder / "training", folder / "DRIVE" / "training") if path.is_dir()), None)
    if training is None and (folder / "1st_manual").is_dir():
        raise CenetError(folder, "this is only a part of DRIVE", "name the folder above it")
    if training is None:
        remedy = (
            "name the folder of DRIVE as distributed, with training/images/21_training.tif, "
            "training/1st_manual/21_manual1.gif, training/mask/21_training_mask.gif and so on to 40"
        )
        raise CenetError(folder, "it has no folder training", remedy)
    samples = []
    images = training / "images"
    for number in range(FIRST, LAST + 1):
        image = images / f"{number}_training.tif"
        if not image.is_file():
            continue
        label = training / "1st_manual" / f"{number}_manual1.gif"
        region = training / "mask" / f"{number}_training_mask.gif"
        labels = (label,) if label.is_file() else ()
        group = group_from_name(image, group_pattern, default=str(number))
        samples.append(Sample(image.stem, image, labels, region, group))
    if not samples:
        cause = f"none of {FIRST}_training.tif to {LAST}_training.tif is in it"
        raise CenetError(images, cause, "unpack DRIVE again")
    return samples


def read_chase(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List the 28 photographs of CHASE_DB1 with the labels of the first observer; a child's two eyes are a group.

    The data set has no field of view, so it is found on each photograph. Missing photographs are skipped, and a
    photograph without a manual has no label.

    Args:
        folder: The folder that holds all files, as distributed, or `images/` and `manual/`; or the
            folder that holds it as `CHASE_DB1/`.
        group_pattern: Regular expression for the group, as for `cenet.datasets.folder.read_folder`.

    Raises:
        CenetError: The folder is not CHASE_DB1.

    Reference:
        Fraz et al. 2012, An ensemble classification-based approach applied to retinal blood vessel segmentation.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for child in range(1, 15):
    ...         for eye in "LR":
    ...             Path(folder, f"Image_{child:02}{eye}.jpg").touch()
    ...             Path(folder, f"Image_{child:02}{eye}_1stHO.png").touch()
    ...     samples = read_chase(Path(folder))
    >>> len(samples), samples[1].name, samples[1].group, samples[1].label[0].name
    (28, 'Image_01R', '01', 'Image_01R_1stHO.png')
    """
    check_folder(folder)
    root = folder / "CHASE_DB1" if (folder / "CHASE_DB1").is_dir() else folder
    images, manual = (root / "images", root / "manual") if (root / "images").is_dir() else (root, root)
    samples = []
    for child in (f"{number:02}" for number in range(1, CHILDREN + 1)):
        for eye in "LR":
            image = images / f"Image_{child}{eye}.jpg"
            label = manual / f"{image.stem}_1stHO.png"
            if image.is_file():
                labels = (label,) if label.is_file() else ()
                group = group_from_name(image, group_pattern, default=child)
                samples.append(Sample(image.stem, image, labels, group=group, fundus=True))
    if not samples:
        raise CenetError(folder, "it has no Image_01L.jpg", "name the folder of CHASE_DB1 as distributed")
    return samples


def read_hrf(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List the photographs of HRF with their manuals; each shows another person, so each is a group of its own.

    Where `mask/` is missing, the field of view is found on each photograph. A photograph without a manual has no
    label.

    Args:
        folder: The folder that holds `images/`, `manual1/` (or `manual/`) and `mask/`; or the folder that holds it
            as `HRF/`.
        group_pattern: Regular expression for the group, as for `cenet.datasets.folder.read_folder`.

    Raises:
        CenetError: The folder is not HRF.

    Reference:
        Budai et al. 2013, Robust vessel segmentation in fundus images.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("images/01_dr.JPG", "images/02_h.jpg", "manual1/01_dr.tif", "mask/01_dr_mask.tif"):
    ...         Path(folder, name).parent.mkdir(exist_ok=True)
    ...         Path(folder, name).touch()
    ...     samples = read_hrf(Path(folder))
    >>> [(sample.name, len(sample.label), sample.region is None) for sample in samples]
    [('01_dr', 1, False), ('02_h', 0, True)]
    """
    check_folder(folder)
    root = folder / "HRF" if (folder / "HRF").is_dir() else folder
    images = [path for path in (root / "images").glob("*") if HRF_NAME.fullmatch(path.name)]
    if not images:
        raise CenetError(root, "it has no images/01_dr.jpg", "name the folder of HRF as distributed")
    manuals = {path.stem: path for name in ("manual", "manual1") for path in sorted((root / name).glob("*"))}
    masks = {path.stem.removesuffix("_mask"): path for path in sorted((root / "mask").glob("*"))}
    return [
        Sample(
            image.stem,
            image,
            (manuals[image.stem],) if image.stem in manuals else (),
            masks.get(image.stem),
            group_from_name(image, group_pattern),
            fundus=True,
        )
        for image in sorted(images, key=lambda path: natural_key(path.stem))
    ]


def read_vessels(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List fundus photographs with their vessels; without `regions/` the field of view is found on each.

    Args:
        folder: The folder that holds `images/` and `masks/`, as for `cenet.datasets.folder.read_folder`. Or one that
            holds at least one of `DRIVE/`, `CHASE_DB1/` and `HRF/` as distributed: all of them are read, and each
            photograph has its set's name as `source`.
        group_pattern: Regular expression for the group, as for `cenet.datasets.folder.read_folder`.

    Raises:
        CenetError: Something is missing, unpaired or ambiguous.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("images/7_L.png", "masks/7_L.png"):
    ...         Path(folder, name).parent.mkdir()
    ...         Path(folder, name).touch()
    ...     (sample,) = read_vessels(Path(folder), group_pattern="^[0-9]+")
    >>> sample.name, sample.group, sample.region, sample.fundus
    ('7_L', '7', None, True)
    """
    sets = {name: read for name, read in PUBLIC_SETS.items() if (folder / name).is_dir()}
    if sets and not (folder / "images").is_dir():
        return [
            replace(sample, group=f"{name} {sample.group}", source=name)
            for name, read in sets.items()
            for sample in read(folder / name, group_pattern=group_pattern)
        ]
    return [replace(sample, fundus=True) for sample in read_folder(folder, group_pattern=group_pattern)]


PUBLIC_SETS: dict[str, Callable[..., list[Sample]]] = {"DRIVE": read_drive, "CHASE_DB1": read_chase, "HRF": read_hrf}


def detect_vessel_encoding(
    samples: Sequence[Sample],
    *,
    ignore_value: float | None = None,  # noqa: ARG001  # the signature of every `DatasetSpec.labels`
) -> LabelEncoding | None:
    """Return what the manuals of public sets mean, which write a vessel as 1 or as 255; None for a plain folder.

    Args:
        samples: What `read_vessels` listed.
        ignore_value: Has no effect: such manuals have no value for unannotated pixels.

    >>> encoding = detect_vessel_encoding([Sample("21_training", Path("21_training.tif"), source="DRIVE")])
    >>> encoding.describe() if encoding else None
    '0 -> background, 1 or 255 -> vessel'
    """
    if not any(sample.source for sample in samples):
        return None
    return LabelEncoding(kind="values", names=("vessel",), values=((0,), (1, 255)))


DRIVE = DatasetSpec(
    title="DRIVE: vessels in 20 labelled fundus photographs of 565x584 px",
    source="the DRIVE challenge site; for research (Staal et al., 2004)",
    layout=(
        "DATA/training/images/21_training.tif\n"
        "DATA/training/1st_manual/21_manual1.gif\n"
        "DATA/training/mask/21_training_mask.gif"
    ),
    grouping="every photograph shows another patient",
    classes=("vessel",),
    read=read_drive,
    task_metrics=("centre_line_dice",),
    measured_as="vessels",
    primary_metric="auc",
    published="sensitivity 0.8309, accuracy 0.9545, AUC 0.9779 on the 20 test photographs (as others quote the paper)",
)


CHASE = DatasetSpec(
    title="CHASE_DB1: vessels in 28 fundus photographs of 14 children, 999x960 px",
    source="Kingston University; for research (Fraz et al., 2012)",
    layout="DATA/Image_01L.jpg\nDATA/Image_01L_1stHO.png",
    grouping="the two eyes of a child are a group",
    classes=("vessel",),
    read=read_chase,
    task_metrics=("centre_line_dice",),
    measured_as="vessels",
    primary_metric="auc",
    published="no result of the paper on this data set is known",
)


HRF = DatasetSpec(
    title="HRF: vessels in 45 fundus photographs of 3504x2336 px, of healthy and ill eyes",
    source="the University of Erlangen-Nuremberg; terms: see its page (Budai et al., 2013)",
    layout="DATA/images/01_dr.jpg\nDATA/manual1/01_dr.tif      (or manual/)\nDATA/mask/01_dr_mask.tif",
    grouping="every photograph shows another person",
    classes=("vessel",),
    read=read_hrf,
    task_metrics=("centre_line_dice",),
    measured_as="vessels",
    primary_metric="auc",
    published="no result of the paper on this data set is known",
)


VESSELS = DatasetSpec(
    title="Vessels in fundus photographs of any size: a plain folder, or DRIVE, CHASE_DB1 and HRF together",
    source="your own, or any data set with this layout; terms: its owner's",
    layout=(
        "DATA/images/NAME.png     the photographs (png, jpg, tif, gif, bmp)\n"
        "DATA/masks/NAME.png      white on vessels, of the same size (or labels/)\n"
        "DATA/regions/NAME.png    optional: white inside the field of view, otherwise it is found on the photograph\n"
        "or any of these, each as distributed:\n"
        "DATA/DRIVE/, DATA/CHASE_DB1/, DATA/HRF/"
    ),
    grouping="every photograph is its own group, and public sets keep their own groups",
    pattern_advice="the patient, where both eyes were photographed",
    classes=("vessel",),
    read=read_vessels,
    labels=detect_vessel_encoding,
    task_metrics=("centre_line_dice",),
    measured_as="vessels",
    primary_metric="auc",
)
