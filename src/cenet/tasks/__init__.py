"""The tasks that recipes name: how their files are laid out, and how they are read."""

from collections.abc import Callable
from dataclasses import dataclass

from cenet.tasks.drive import read_drive
from cenet.tasks.folder import read_folder
from cenet.tasks.sample import Sample

__all__ = ["TASKS", "Sample", "Task", "class_names"]


@dataclass(frozen=True)
class Task:
    """A data set's layout in words, and its reader.

    Args:
        title: What it is.
        source: Where to get it, and on what terms.
        layout: The expected files, as a tree.
        grouping: What makes a group.
        classes: What the foreground classes are called.
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
            "DATA/regions/NAME.png    optional: white where pixels count"
        ),
        grouping="every image its own group, or what --group REGEX finds in its name",
        classes=("foreground",),
        read=read_folder,
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
}


def class_names(num_classes: int, task: str = "folder") -> tuple[str, ...]:
    """What the foreground classes of a run are called.

    >>> class_names(1, "drive"), class_names(3)
    (('vessel',), ('class 1', 'class 2'))
    """
    return TASKS[task].classes[:1] if num_classes == 1 else tuple(f"class {k}" for k in range(1, num_classes))
