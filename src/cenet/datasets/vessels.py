"""Vessels of the retina in a plain folder of fundus photographs."""

from dataclasses import replace
from pathlib import Path

from cenet.data.sample import Sample
from cenet.datasets.folder import read_folder

TITLE = "Vessels in a plain folder of fundus photographs, of any size"
SOURCE = "yours, or any set that is laid out so; terms: its owner's"
LAYOUT = (
    "DATA/images/NAME.png     the photographs (png, jpg, tif, gif, bmp)\n"
    "DATA/masks/NAME.png      white on vessels, of the same size (or labels/)\n"
    "DATA/regions/NAME.png    optional: white inside the field of view, which is found on the photograph otherwise"
)
GROUPING = (
    "every photograph its own group, or what --group-pattern REGEX finds in its name: "
    "name the patient where he has two eyes"
)


def read_vessels(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List fundus photographs with their vessels; without `regions/` the field of view is found on each.

    Args:
        folder: The folder that holds `images/` and `masks/`, as for `cenet.datasets.folder.read_folder`.
        group_pattern: Regular expression for the group, as for `cenet.datasets.folder.read_folder`.

    Raises:
        CenetError: Something is missing, unpaired or ambiguous.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("images/7_L.png", "masks/7_L.png"):
    ...         Path(folder, name).parent.mkdir()
    ...         Path(folder, name).touch()
    ...     (sample,) = read_vessels(Path(folder), group="^[0-9]+")
    >>> sample.name, sample.group, sample.region, sample.fundus
    ('7_L', '7', None, True)
    """
    return [replace(sample, fundus=True) for sample in read_folder(folder, group_pattern=group_pattern)]
