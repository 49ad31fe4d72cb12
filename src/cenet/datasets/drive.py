"""DRIVE: vessels in 20 fundus photographs, as the data set is distributed."""

from pathlib import Path

from cenet.data.sample import Sample
from cenet.datasets.folder import check_folder, group_of
from cenet.errors import CenetError

FIRST, LAST = 21, 40  # the numbers of the training photographs
PAPER = "sensitivity 0.8309, accuracy 0.9545, AUC 0.9779 on the 20 test photographs (as others quote the paper)"


def read_drive(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List the training samples of DRIVE (20, or what is left), each with its manual and its field of view as region.

    Every photograph is of another patient, so each is a group of its own. `test/` is not read: it is
    distributed without labels, and a copy that has some does not say whose they are. What one can do with its
    images is to predict them. A photograph that is not there is passed over, and one without manual has no label.

    Args:
        folder: The folder that holds `training/`, or `DRIVE/training/`.
        group_pattern: Regular expression for the group, as for `cenet.datasets.folder.read_folder`.

    Raises:
        CenetError: The folder is not DRIVE.

    Reference:
        Staal et al. 2004, Ridge-based vessel segmentation in color images of the retina.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for place in ("images/{}_training.tif", "1st_manual/{}_manual1.gif", "mask/{}_training_mask.gif"):
    ...         Path(folder, "training", place).parent.mkdir(parents=True)
    ...         for number in range(21, 41):
    ...             Path(folder, "training", place.format(number)).touch()
    ...     samples = read_drive(Path(folder))
    >>> len(samples), samples[0].name, samples[0].group, samples[0].label[0].name
    (20, '21_training', '21', '21_manual1.gif')
    """
    check_folder(folder)
    training = next((path for path in (folder / "training", folder / "DRIVE" / "training") if path.is_dir()), None)
    if training is None and (folder / "1st_manual").is_dir():
        raise CenetError(folder, "this is a part of DRIVE", "name the folder above it")
    if training is None:
        raise CenetError(
            folder,
            "there is no folder training in it",
            (
                "name the folder of DRIVE as distributed, with training/images/21_training.tif, "
                "training/1st_manual/21_manual1.gif, training/mask/21_training_mask.gif and so on to 40"
            ),
        )
    samples = []
    images = training / "images"
    for number in range(FIRST, LAST + 1):
        image = images / f"{number}_training.tif"
        if not image.is_file():
            continue
        label = training / "1st_manual" / f"{number}_manual1.gif"
        region = training / "mask" / f"{number}_training_mask.gif"
        drawn = (label,) if label.is_file() else ()
        samples.append(Sample(image.stem, image, drawn, region, group_of(image, group_pattern, default=str(number))))
    if not samples:
        raise CenetError(images, f"there is no {FIRST}_training.tif in it, nor any to {LAST}", "unpack DRIVE again")
    return samples
