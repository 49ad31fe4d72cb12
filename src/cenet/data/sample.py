"""What a data set is made of."""

from dataclasses import dataclass
from pathlib import Path

from cenet.data.io.outputs import to_unicode
from cenet.data.labels.drawn import DrawnLabel
from cenet.data.labels.schema import Declaration
from cenet.data.splits import Part


@dataclass(frozen=True)
class Sample:
    """One image with what is known of it; the files are read when they are needed.

    Args:
        name: Unique within its set; bytes of a file's name that are not UTF-8 become escapes.
        image: The image file.
        label: The truth: one file; or one for each class, which `classes` names; or one for each object. Empty
            where it is not annotated.
        region: Where pixels count; None means everywhere.
        group: Patient, eye or volume. A split never separates a group.
        classes: Names of the foreground classes in the order of `label`, where each has a file of its own.
        channels: Further grey files, stacked as channels behind `image`.
        channel_names: What the channels of the image are called, where the data set says it; else its file may.
        page: Which slice of the files of image and label, where they are stacks.
        fundus: Whether it is a fundus photograph: without a region file, its field of view is found on it.
        hounsfield: Whether values below zero are Hounsfield units; unsigned ones were windowed for display.
        pixel_um: Height and width of a pixel in micrometres, where they are known.
        source: The data set that it belongs to, where several are read together. Every part of a split and every
            fold has its share of each.
        part: The part of the split that the data set itself puts it into; None where it says nothing of it.
        drawn: Its label where that is not pixels but shapes, which `label` is the file of.
        declared: What the data set itself says of the values in its labels, where it does.

    >>> Sample("left", Path("left.png")).group
    'left'
    """

    name: str
    image: Path
    label: tuple[Path, ...] = ()
    region: Path | None = None
    group: str = ""
    classes: tuple[str, ...] = ()
    channels: tuple[Path, ...] = ()
    channel_names: tuple[str, ...] = ()
    page: int | None = None
    fundus: bool = False
    hounsfield: bool = False
    pixel_um: tuple[float, float] | None = None
    source: str = ""
    part: Part | None = None
    drawn: DrawnLabel | None = None
    declared: Declaration | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", to_unicode(self.name))  # files of any name are read, and reports are JSON
        object.__setattr__(self, "group", to_unicode(self.group) or self.name)
