"""The tasks that recipes name: how their files are laid out, and how they are read."""

from collections.abc import Callable
from dataclasses import dataclass

from cenet.tasks.chase import read_chase
from cenet.tasks.drive import read_drive
from cenet.tasks.folder import read_folder
from cenet.tasks.labels import IGNORED, Labels, recognise
from cenet.tasks.nnunet import read_nnunet
from cenet.tasks.sample import Sample

__all__ = ["IGNORED", "TASKS", "Labels", "Sample", "Task", "recognise"]


@dataclass(frozen=True)
class Task:
    """A data set's layout in words, and its reader.

    Args:
        title: What it is.
        source: Where to get it, and on what terms.
        layout: The expected files, as a tree.
        grouping: What makes a group.
        classes: What the foreground classes are called, where the data set says it.
        read: The reader; takes the folder, and a pattern for groups where the layout does not say them.
    """

    title: str
    source: str
    layout: str
    grouping: str
    classes: tuple[str, ...]
    read: Callable[..., list[Sample]]


TASKS: dict[str, Task] = {
    "folder": Task(
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
        grouping="every image its own group, or what --group REGEX finds in its name",
        classes=(),
        read=read_folder,
    ),
    "nnunet": Task(
        title="The raw data of nnU-Net (version 2), with 2D images",
        source="yours, or any data set that was converted for nnU-Net",
        layout=(
            "DATA/dataset.json                channel_names, labels, file_ending\n"
            "DATA/imagesTr/CASE_0000.png      the images, a file for each channel\n"
            "DATA/labelsTr/CASE.png           a label for each case"
        ),
        grouping="every case its own group, or what --group REGEX finds in its name",
        classes=(),
        read=read_nnunet,
    ),
    "drive": Task(
        title="DRIVE: vessels in 20 labelled fundus photographs of 565x584 px",
        source="the DRIVE challenge site; for research (Staal et al., 2004)",
        layout=(
            "DATA/training/images/21_training.tif\n"
            "DATA/training/1st_manual/21_manual1.gif\n"
            "DATA/training/mask/21_training_mask.gif"
        ),
        grouping="every photograph is another patient",
        classes=("vessel",),
        read=read_drive,
    ),
    "chase": Task(
        title="CHASE_DB1: vessels in 28 fundus photographs of 14 children, 999x960 px",
        source="Kingston University; for research (Fraz et al., 2012)",
        layout="DATA/Image_01L.jpg\nDATA/Image_01L_1stHO.png",
        grouping="the two eyes of a child are a group",
        classes=("vessel",),
        read=read_chase,
    ),
}
