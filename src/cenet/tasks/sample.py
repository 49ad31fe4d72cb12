"""What a data set is made of."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Sample:
    """One image with what is known of it; the files are read when they are needed.

    Args:
        name: Unique within its set.
        image: The image file.
        label: The truth, or None where nobody drew it.
        region: Where pixels count; None means everywhere.
        group: Patient, eye or volume. A split never separates a group.

    >>> Sample("left", Path("left.png")).group
    'left'
    """

    name: str
    image: Path
    label: Path | None = None
    region: Path | None = None
    group: str = ""

    def __post_init__(self) -> None:
        if not self.group:
            object.__setattr__(self, "group", self.name)
