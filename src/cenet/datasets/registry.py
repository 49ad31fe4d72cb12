"""The tasks that recipes name: how their files are laid out, and how they are read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cenet.data.labels.detect import LabelEncoding, detect_encoding
from cenet.data.labels.layer_order import detect_layer_encoding
from cenet.data.sample import Sample
from cenet.datasets import chase, drive, vessels
from cenet.datasets import em_membranes as cells
from cenet.datasets import lung_ct as lung
from cenet.datasets import oct_layers as layered
from cenet.datasets import optic_disc as disc
from cenet.datasets.folder import format_list, read_folder
from cenet.datasets.nnunet import read_nnunet
from cenet.errors import CenetError


@dataclass(frozen=True)
class DatasetSpec:
    """A data set's layout in words, and its reader.

    Args:
        title: What it is.
        source: Where to get it, and on what terms.
        layout: The expected files, as a tree.
        grouping: What makes a group.
        classes: What the foreground classes are called, where the data set says it.
        read: The reader; takes the folder, and a pattern for groups where the layout does not say them.
        labels: What its label files mean, where their documentation fixes it, or a function of the samples that finds
            it out (and may return None); else their values are recognised.
        measures: What is measured beside the overlap of classes, see `cenet.evaluation.task_metrics.MEASURES`.
        primary: The figure by which runs are compared first.
        paper: What the paper reports for it, and how that is known.
    """

    title: str
    source: str
    layout: str
    grouping: str
    classes: tuple[str, ...]
    read: Callable[..., list[Sample]]
    labels: LabelEncoding | Callable[..., LabelEncoding | None] | None = None
    measures: tuple[str, ...] = ()
    primary: str = "dice"
    paper: str = ""


def label_encoding_for(
    task: str,
    samples: Sequence[Sample],
    *,
    num_classes: int,
    nested: bool = False,
    ignore_value: float | None = None,
    names: tuple[str, ...] = (),
    folder: Path | None = None,
) -> LabelEncoding:
    """Tell what the label files of a task mean: as its data set fixes it, or else by recognising their values.

    Every label is read, whichever way.

    Args:
        task: One of `TASKS`.
        samples: The set; samples without a label are passed over.
        num_classes: 1 for one foreground; K >= 2 counts the background.
        nested: Whether each class lies inside the one before.
        ignore_value: The value of pixels that nobody drew.
        names: What the foreground classes are called, where neither the task nor the files say it.
        folder: Where a `classes.json` may lie.

    Raises:
        CenetError: No label, a file that does not fit, values that are ambiguous, or options that say otherwise.

    >>> label_encoding_for("cells", [], num_classes=1)
    Traceback (most recent call last):
    cenet.errors.CenetError: data: no image has a label; put a label for each into masks/
    """
    labelled = [sample for sample in samples if sample.label]
    foregrounds = max(num_classes - 1, 1)
    known = TASKS[task].labels
    labels = known(labelled, ignore_value=ignore_value) if callable(known) else known
    if labels is None or not labelled:
        names = names[:foregrounds]  # of a disc without a cup, the disc
        return detect_encoding(
            samples, num_classes=num_classes, nested=nested, ignore_value=ignore_value, names=names, folder=folder
        )
    if folder and (folder / "classes.json").exists():
        raise CenetError(
            folder / "classes.json", f"task {task} knows its labels", "remove the file, or use task folder"
        )
    if ignore_value is not None and float(ignore_value) not in labels.ignore:
        raise CenetError(
            f"--ignore-value {ignore_value:g}", f"task {task} knows its labels ({labels.describe()})", "leave it out"
        )
    count = len(labels.names)
    if count != foregrounds or labels.nested != nested:
        flags = f"--num-classes {count + 1 if count > 1 else 1} --nested {str(labels.nested).lower()}"
        told = f"its labels have {'nested ' * labels.nested}classes, beside the background: {format_list(labels.names)}"
        raise CenetError(folder or labelled[0].image, told, f"pass {flags}")
    for sample in labelled:
        labels.read(sample)
    return labels


TASKS: dict[str, DatasetSpec] = {
    "folder": DatasetSpec(
        title="A plain folder: your own images",
        source="yours",
        layout=(
            "DATA/images/NAME.png     the images (png, jpg, tif, gif, bmp)\n"
            "DATA/masks/NAME.png      a mask for each, of the same size (or labels/)\n"
            "DATA/masks/CLASS/NAME.png   instead: one file for each class\n"
            "DATA/classes.json        optional: what the values of a mask mean\n"
            "DATA/regions/NAME.png    optional: white where pixels count\n"
            "or, one file for each object:\n"
            "DATA/NAME/images/NAME.png, DATA/NAME/masks/*.png"
        ),
        grouping="every image its own group, or what --group-pattern REGEX finds in its name",
        classes=(),
        read=read_folder,
    ),
    "nnunet": DatasetSpec(
        title="The raw data of nnU-Net (version 2), with 2D images",
        source="yours, or any data set that was converted for nnU-Net",
        layout=(
            "DATA/dataset.json                channel_names, labels, file_ending\n"
            "DATA/imagesTr/CASE_0000.png      the images, a file for each channel\n"
            "DATA/labelsTr/CASE.png           a label for each case"
        ),
        grouping="every case its own group, or what --group-pattern REGEX finds in its name",
        classes=(),
        read=read_nnunet,
    ),
    "drive": DatasetSpec(
        title="DRIVE: vessels in 20 labelled fundus photographs of 565x584 px",
        source="the DRIVE challenge site; for research (Staal et al., 2004)",
        layout=(
            "DATA/training/images/21_training.tif\n"
            "DATA/training/1st_manual/21_manual1.gif\n"
            "DATA/training/mask/21_training_mask.gif"
        ),
        grouping="every photograph is another patient",
        classes=("vessel",),
        read=drive.read_drive,
        measures=("centre_line_dice",),
        primary="auc",
        paper=drive.PAPER,
    ),
    "chase": DatasetSpec(
        title="CHASE_DB1: vessels in 28 fundus photographs of 14 children, 999x960 px",
        source="Kingston University; for research (Fraz et al., 2012)",
        layout="DATA/Image_01L.jpg\nDATA/Image_01L_1stHO.png",
        grouping="the two eyes of a child are a group",
        classes=("vessel",),
        read=chase.read_chase,
        measures=("centre_line_dice",),
        primary="auc",
        paper=chase.PAPER,
    ),
    "vessels": DatasetSpec(
        title=vessels.TITLE,
        source=vessels.SOURCE,
        layout=vessels.LAYOUT,
        grouping=vessels.GROUPING,
        classes=("vessel",),
        read=vessels.read_vessels,
        measures=("centre_line_dice",),
        primary="auc",
    ),
    "disc": DatasetSpec(
        title=disc.TITLE,
        source=disc.SOURCE,
        layout=disc.LAYOUT,
        grouping=disc.GROUPING,
        classes=disc.CLASSES,
        read=disc.read_disc,
        labels=disc.disc_encoding,
        measures=("hd95", "cup_to_disc"),
        primary="overlap_error",
        paper=disc.PAPER,
    ),
    "lung": DatasetSpec(
        title=lung.TITLE,
        source=lung.SOURCE,
        layout=lung.LAYOUT,
        grouping=lung.GROUPING,
        classes=("lung",),
        read=lung.read_lung,
        labels=lung.detect_lung_encoding,
        measures=("hd95", "assd"),
        primary="overlap_error",
        paper=lung.PAPER,
    ),
    "cells": DatasetSpec(
        title=cells.TITLE,
        source=cells.SOURCE,
        layout=cells.LAYOUT,
        grouping=cells.GROUPING,
        classes=("membrane",),
        read=cells.read_cells,
        labels=LabelEncoding(kind="values", names=("membrane",), values=((cells.INSIDE,), (cells.MEMBRANE,))),
        measures=("cells",),
        primary="v_rand",
        paper=cells.PAPER,
    ),
    "oct": DatasetSpec(
        title=layered.TITLE,
        source=layered.SOURCE,
        layout=layered.LAYOUT,
        grouping=layered.GROUPING,
        classes=(),
        read=layered.read_oct,
        labels=detect_layer_encoding,
        measures=("layers",),
        primary="boundary_error",
        paper=layered.PAPER,
    ),
}
