"""CHASE_DB1: vessels in 28 fundus photographs of 14 children, as the data set is distributed."""

from pathlib import Path

from cenet.data.sample import Sample
from cenet.datasets.folder import check_folder, group_of
from cenet.errors import CenetError

CHILDREN = 14
PAPER = "no figure of the paper for this set is known"


def read_chase(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List the samples of CHASE_DB1 with the manual of the first observer; the two eyes of a child are a group.

    The data set has no field of view, so it is found on each photograph. Of its 28 photographs one that is not there
    is passed over, and one without manual has no label.

    Args:
        folder: The folder with all files side by side, as distributed, or with `images/` and `manual/`; or the
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
                drawn = (label,) if label.is_file() else ()
                child_of = group_of(image, group_pattern, default=child)
                samples.append(Sample(image.stem, image, drawn, group=child_of, fundus=True))
    if not samples:
        raise CenetError(folder, "there is no Image_01L.jpg in it", "name the folder of CHASE_DB1 as distributed")
    return samples
