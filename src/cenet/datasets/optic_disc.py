"""The optic disc and its cup in fundus photographs: Drishti-GS1 as distributed, plain folders, or several experts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cenet.data.io.read import IMAGE_SUFFIXES
from cenet.data.labels.detect import detect_encoding
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.sample import Sample
from cenet.datasets.folder import (
    check_folder,
    find_expert_labels,
    format_list,
    group_from_name,
    natural_key,
    read_folder,
)
from cenet.datasets.spec import DatasetSpec
from cenet.errors import CenetError

CLASSES = ("disc", "cup")
SOFT_MAPS = ("_ODsegSoftmap.png", "_cupsegSoftmap.png")
EXPERTS = "experts"


def read_disc(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List fundus photographs with disc and cup, in one of three layouts.

    Of Drishti-GS1 `Training/` is read: a photograph without soft maps has no label, and soft maps without a photograph
    are skipped. With several experts, every labelled image needs a file from each.

    Args:
        folder: The folder that holds `Training/`, as Drishti-GS1 is distributed; or `images/` with `masks/` or
            `experts/`.
        group_pattern: Regular expression for the group, as for `cenet.datasets.folder.read_folder`.

    Raises:
        CenetError: The folder has another layout, or a file is missing, unpaired or ambiguous.

    Reference:
        Sivaswamy et al. 2014, Drishti-GS: retinal image dataset for optic nerve head (ONH) segmentation.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("images/a.png", "masks/cup/a.png", "masks/disc/a.png"):
    ...         Path(folder, name).parent.mkdir(parents=True)
    ...         Path(folder, name).touch()
    ...     (sample,) = read_disc(Path(folder))
    >>> sample.classes, [path.parent.name for path in sample.label], sample.fundus
    (('disc', 'cup'), ['disc', 'cup'], True)
    """
    check_folder(folder)
    training = next((path for path in (folder, *sorted(folder.glob("Drishti*"))) if (path / "Training").is_dir()), None)
    if training is not None:
        samples = _read_drishti(training / "Training", group_pattern)
    elif (folder / "images").is_dir():
        samples = _read_plain(folder, group_pattern)
    else:
        remedy = (
            "name the folder of Drishti-GS1 as distributed, or put photographs into images/ and their "
            "labels into masks/disc/ and masks/cup/"
        )
        raise CenetError(folder, "it has no folder Training or images", remedy)
    return [replace(sample, fundus=True) for sample in samples]


def detect_disc_encoding(samples: Sequence[Sample], *, ignore_value: float | None = None) -> LabelEncoding | None:
    """Return what the labels of `read_disc` mean, as far as their layout determines it.

    Args:
        samples: From `read_disc`; samples without a label are skipped.
        ignore_value: The value of unannotated pixels.

    Returns:
        For soft maps of four experts, agreement of 3; for a file from each expert, agreement of more than half;
        otherwise None.

    Raises:
        CenetError: An expert's file cannot be read, or is not binary.

    >>> path = Path("drishtiGS_002_ODsegSoftmap.png")
    >>> detect_disc_encoding([Sample("eye", path, (path, path), classes=CLASSES)]).votes
    (3, 4)
    """
    labelled = [sample for sample in samples if sample.label]
    if not labelled:
        return None
    first = labelled[0].label[0]
    if first.name.endswith(SOFT_MAPS[0]):
        return LabelEncoding(kind="classes", names=CLASSES, votes=(3, 4), nested=True)
    if first.parent.parent.name != EXPERTS:
        return None
    count = len(labelled[0].label)
    encoding = detect_encoding(labelled, num_classes=1, ignore_value=ignore_value, names=CLASSES[:1])
    return encoding.model_copy(update={"kind": "experts", "votes": (count // 2 + 1, count)})


def _read_drishti(training: Path, group_pattern: str | None) -> list[Sample]:
    """List the training half of Drishti-GS1."""
    images: dict[str, Path] = {}
    for path in sorted((training / "Images").rglob("*")):
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name[0] == ".":
            continue
        if path.stem in images:
            raise CenetError(path, f"{images[path.stem]} has the same name", "keep one of them")
        images[path.stem] = path
    if not images:
        raise CenetError(training / "Images", "it contains no photograph", "unpack Drishti-GS1 again")
    samples = []
    for name in sorted(images, key=natural_key):
        maps = tuple(training / "GT" / name / "SoftMap" / f"{name}{ending}" for ending in SOFT_MAPS)
        missing = [path for path in maps if not path.is_file()]
        if len(missing) == 1:
            raise CenetError(
                missing[0], "this soft map is missing", "unpack Drishti-GS1 again, or remove the other one"
            )
        label, classes = ((), ()) if missing else (maps, CLASSES)
        samples.append(
            Sample(name, images[name], label, group=group_from_name(images[name], group_pattern), classes=classes)
        )
    if not any(sample.label for sample in samples):
        raise CenetError(training / "GT", "it contains no soft map for any photograph", "unpack Drishti-GS1 again")
    return samples


def _read_plain(folder: Path, group_pattern: str | None) -> list[Sample]:
    """List images/ with masks/ or with experts/."""
    samples = read_folder(folder, group_pattern=group_pattern)
    experts = folder / EXPERTS
    if experts.exists():
        if any(sample.label for sample in samples):
            raise CenetError(folder, "it has both masks and experts", "keep one of them")
        files = find_expert_labels({sample.name: sample.image for sample in samples}, experts)
        return [replace(sample, label=files.get(sample.name, ())) for sample in samples]
    classes = next((sample.classes for sample in samples if sample.classes), ())
    if classes and set(classes) not in ({"disc"}, {"disc", "cup"}):
        raise CenetError(
            folder / "masks", f"it holds {format_list(classes)}", "name its folders disc and, if there is one, cup"
        )
    return [_outermost_first(sample) for sample in samples]


def _outermost_first(sample: Sample) -> Sample:
    """Put the disc before the cup inside it: folders are listed by name."""
    if not sample.classes:
        return sample
    path_of = dict(zip(sample.classes, sample.label, strict=True))
    classes = tuple(name for name in CLASSES if name in path_of)
    return replace(sample, label=tuple(path_of[name] for name in classes), classes=classes)


OPTIC_DISC = DatasetSpec(
    title="Optic disc and cup in fundus photographs: Drishti-GS1 (50 of about 2049x1759 px), or your own",
    source="Drishti-GS1: the site of CVIT, IIIT Hyderabad; for research (Sivaswamy et al., 2014)",
    layout=(
        "DATA/Training/Images/drishtiGS_002.png    as distributed, in Images/ or below; png or jpg\n"
        "DATA/Training/GT/drishtiGS_002/SoftMap/drishtiGS_002_ODsegSoftmap.png     the disc, by 3 of 4 experts\n"
        "DATA/Training/GT/drishtiGS_002/SoftMap/drishtiGS_002_cupsegSoftmap.png    the cup\n"
        "or plain images (ORIGA, Messidor; not tried on the real files):\n"
        "DATA/images/NAME.png\n"
        "DATA/masks/disc/NAME.png                  white on the disc, cup and all\n"
        "DATA/masks/cup/NAME.png                   for all, or for none: then pass --num-classes 1 --nested false\n"
        "or the disc by several experts, of whom the majority decides (RIM-ONE-R1; not tried on the real files):\n"
        "DATA/images/NAME.png\n"
        "DATA/experts/1/NAME.png ... DATA/experts/5/NAME.png"
    ),
    grouping="every photograph is its own group",
    pattern_advice="the patient, where both eyes were photographed",
    classes=CLASSES,
    read=read_disc,
    labels=detect_disc_encoding,
    task_metrics=("hd95", "cup_to_disc"),
    measured_as="disc",
    primary_metric="overlap_error",
    published=(
        "E of the disc 0.058 on ORIGA, 0.051 on Messidor, 0.087 on RIM-ONE-R1 by one of its five experts "
        "(as others quote the paper); none is known for Drishti-GS1"
    ),
)
