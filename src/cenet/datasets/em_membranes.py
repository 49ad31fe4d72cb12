"""Cell membranes in electron microscopy: the stacks of the ISBI 2012 challenge as distributed, or plain images."""

from pathlib import Path

from cenet.data.io.read import page_count
from cenet.data.labels.encoding import LabelEncoding
from cenet.data.sample import Sample
from cenet.datasets.folder import check_folder, group_from_name, read_folder
from cenet.datasets.spec import DatasetSpec
from cenet.errors import CenetError

VOLUME, LABELS = "train-volume.tif", "train-labels.tif"
INSIDE, MEMBRANE = 255, 0  # values in a label file
BLOCK = 4  # slices in a group; the next slice is left out


def read_cells(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List the slices of a stack, or plain images; the membrane is the foreground.

    Neighbouring slices show the same cells. So `BLOCK` slices form a group and the next slice is left out, which
    keeps the slices of two groups from touching.

    Args:
        folder: The folder that holds `train-volume.tif` and `train-labels.tif`, or `images/` and `masks/`.
        group_pattern: Regular expression for the group, as for `cenet.datasets.folder.read_folder`. The slices are
            named slice-00, slice-01, ... With a pattern no slice is left out.

    Raises:
        CenetError: A file or folder is missing, or volume and labels have different numbers of slices.

    Reference:
        Arganda-Carreras et al. 2015, Crowdsourcing the creation of image segmentation algorithms for connectomics.

    >>> import tempfile
    >>> import numpy as np, tifffile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in (VOLUME, LABELS):
    ...         tifffile.imwrite(Path(folder, name), np.zeros((7, 8, 9), np.uint8), photometric="minisblack")
    ...     [(sample.name, sample.group) for sample in read_cells(Path(folder))[3:]]
    [('slice-03', 'block-0'), ('slice-05', 'block-1'), ('slice-06', 'block-1')]
    """
    check_folder(folder)
    volume, labels = folder / VOLUME, folder / LABELS
    if not (volume.exists() or labels.exists()) and (folder / "images").is_dir():
        samples = read_folder(folder, group_pattern=group_pattern)
        if not any(sample.label for sample in samples):
            raise CenetError(folder, "it has no folder masks", "put a label for each image into masks/")
        return samples
    for path, other in ((volume, labels), (labels, volume)):
        if not path.is_file():
            remedy = f"put it next to {other.name}, as ISBI 2012 is distributed"
            if not other.exists():
                remedy += ", or put plain images into images/ and their labels into masks/"
            raise CenetError(folder, f"{path.name} is missing", remedy)
    slice_count, label_count = page_count(volume), page_count(labels)
    if slice_count != label_count:
        cause = f"it holds {label_count} slices, but {VOLUME} holds {slice_count}"
        raise CenetError(labels, cause, "take both from the same copy of the data set")
    samples = []
    for page in range(slice_count):
        block, index_in_block = divmod(page, BLOCK + 1)
        if group_pattern is None and index_in_block == BLOCK:
            continue
        name = f"slice-{page:02}"
        group = group_from_name(Path(name), group_pattern, default=f"block-{block}")
        samples.append(Sample(name, volume, (labels,), group=group, page=page))
    return samples


EM_MEMBRANES = DatasetSpec(
    title="ISBI 2012: cell membranes in slices of electron microscopy, 512x512 px",
    source="the challenge's site; challenge data (Cardona et al., 2010; Arganda-Carreras et al., 2015)",
    layout=(
        "DATA/train-volume.tif    a stack of slices\n"
        "DATA/train-labels.tif    as many labels: 255 inside a cell, 0 on a membrane\n"
        "or plain images:\n"
        "DATA/images/NAME.png\n"
        "DATA/masks/NAME.png      255 inside a cell, 0 on a membrane"
    ),
    grouping=(
        f"{BLOCK} neighbouring slices of a stack are a group, and the slice between two groups is left out, since "
        "neighbours show the same cells; plain images are each their own group"
    ),
    pattern_advice="the stack, of plain images",
    classes=("membrane",),
    read=read_cells,
    labels=LabelEncoding(kind="values", names=("membrane",), values=((INSIDE,), (MEMBRANE,))),
    task_metrics=("cells",),
    primary_metric="v_rand",
    published=(
        "V_Rand 0.9743, V_Info 0.9878 on the challenge's hidden test labels, the maximum over thresholds "
        "(as others quote the paper)"
    ),
)
