"""The task `folder`: your own images, in any layout that is recognised."""

from dataclasses import replace
from pathlib import Path

from cenet.datasets.contents import DatasetContents
from cenet.datasets.layouts.detect import LAYOUTS, read_layout, read_recognised
from cenet.datasets.layouts.layout import Layout
from cenet.datasets.layouts.listing import list_folder
from cenet.datasets.spec import ContentsReader, DatasetSpec

FOLDER = DatasetSpec(
    title="Your own images, in a plain folder or another layout that is recognised",
    source="your own",
    layout=(
        "DATA/images/NAME.png     the images (png, jpg, tif, gif, bmp)\n"
        "DATA/masks/NAME.png      a mask for each, of the same size (or labels/)\n"
        "DATA/masks/CLASS/NAME.png   or: one file for each class\n"
        "DATA/classes.json        optional: what the values of a mask mean\n"
        "DATA/regions/NAME.png    optional: white where pixels count\n"
        "or, one file for each object:\n"
        "DATA/NAME/images/NAME.png, DATA/NAME/masks/*.png\n"
        f"or one of these tasks: {', '.join(layout.name for layout in LAYOUTS)}"
    ),
    grouping="every image is its own group",
    pattern_advice="the patient, eye or volume",
    classes=(),
    read=ContentsReader(read_recognised),
)


def task_of_layout(layout: Layout) -> DatasetSpec:
    """Return the task that reads one layout, so that `--task` can choose it.

    Args:
        layout: The layout.
    """

    def read_contents(folder: Path, *, group_pattern: str | None = None) -> DatasetContents:
        return read_layout(layout, list_folder(folder), group_pattern, evidence="as requested")

    return replace(FOLDER, title=layout.title, layout=layout.tree, read=ContentsReader(read_contents))
