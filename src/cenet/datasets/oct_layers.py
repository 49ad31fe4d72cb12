"""Layers of the retina in B-scans of optical coherence tomography, as maps or as rows of their boundaries."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from cenet.config.json_files import read_json
from cenet.data.io.read import IMAGE_SUFFIXES
from cenet.data.labels.layer_order import detect_layer_encoding
from cenet.data.sample import Sample
from cenet.datasets.documents import is_system_file
from cenet.datasets.folder import check_folder, format_list, group_from_name, natural_key, read_folder
from cenet.datasets.spec import DatasetSpec
from cenet.errors import CenetError

IMAGE_ENDING, ROWS_ENDING = "_image", "_boundaries.npy"


Micrometres = Annotated[float, Field(gt=0, allow_inf_nan=False, strict=True)]


class PixelSize(BaseModel):
    """The content of a `pixels.json`: the size of a pixel in all images, in micrometres.

    >>> PixelSize(height_um=3.87, width_um=11.5).height_um
    3.87
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    height_um: Micrometres
    width_um: Micrometres


def read_oct(folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
    """List B-scans with their layers, as maps or as rows of boundaries.

    Images may lack a label, but not all of them. Where `DATA/NAME_image.png` lies next to `DATA/NAME_boundaries.npy`,
    other files are skipped.

    Args:
        folder: The folder that holds `images/` and either `labels/` or `boundaries/`, or all files itself.
        group_pattern: Regular expression for the group, as for `cenet.datasets.folder.read_folder`.

    Raises:
        CenetError: Something is missing, unpaired or ambiguous, or `pixels.json` is invalid.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("images/7_L.png", "boundaries/7_L.npy"):
    ...         Path(folder, name).parent.mkdir()
    ...         Path(folder, name).touch()
    ...     _ = Path(folder, "pixels.json").write_text('{"height_um": 3.5, "width_um": 10.0}')
    ...     (sample,) = read_oct(Path(folder))
    >>> sample.name, sample.label[0].name, sample.pixel_um
    ('7_L', '7_L.npy', (3.5, 10.0))
    """
    check_folder(folder)
    has_folders = (folder / "images").is_dir()
    samples = _read_subfolders(folder, group_pattern) if has_folders else _read_flat_folder(folder, group_pattern)
    if not (folder / "pixels.json").exists():
        return samples
    size = read_json(folder / "pixels.json", PixelSize, remedy="fix the file")
    return [replace(sample, pixel_um=(size.height_um, size.width_um)) for sample in samples]


def _read_subfolders(folder: Path, group_pattern: str | None) -> list[Sample]:
    """List images/ with labels/ (or masks/), or with boundaries/."""
    samples = read_folder(folder, group_pattern=group_pattern)
    has_maps = any(sample.label for sample in samples)
    boundaries = folder / "boundaries"
    if has_maps and boundaries.exists():
        raise CenetError(folder, "it holds both boundaries and maps of layers", "keep one of them")
    if has_maps:
        return samples
    if not boundaries.is_dir():
        remedy = "put maps of the layers into labels/, or rows of their boundaries into boundaries/"
        raise CenetError(folder, "it has no folder labels or boundaries", remedy)
    rows = {}
    for path in boundaries.iterdir():
        if is_system_file(path.name):
            continue
        if path.suffix != ".npy" or not path.is_file():
            raise CenetError(path, "this is not a file of boundary rows (.npy)", "move it elsewhere")
        rows[path.stem] = path
    return _add_boundaries(samples, rows, boundaries)


def _read_flat_folder(folder: Path, group_pattern: str | None) -> list[Sample]:
    """List the files NAME_image.png with NAME_boundaries.npy."""
    images: dict[str, Path] = {}
    for path in folder.iterdir():
        if path.stem.endswith(IMAGE_ENDING) and path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".":
            name = path.stem.removesuffix(IMAGE_ENDING)
            if name in images:
                raise CenetError(path, f"{images[name].name} has the same name", "rename or remove one of them")
            images[name] = path
    if not images:
        remedy = f"put B-scans into images/, or each as NAME{IMAGE_ENDING}.png next to its NAME{ROWS_ENDING}"
        raise CenetError(folder, "it has no folder images", remedy)
    rows = {path.name.removesuffix(ROWS_ENDING): path for path in folder.glob(f"[!.]*{ROWS_ENDING}")}
    samples = [
        Sample(name, images[name], group=group_from_name(Path(name), group_pattern))
        for name in sorted(images, key=natural_key)
    ]
    return _add_boundaries(samples, rows, folder)


def _add_boundaries(samples: Iterable[Sample], rows: dict[str, Path], folder: Path) -> list[Sample]:
    """Return the samples with their boundaries; every file of boundaries needs an image."""
    joined = [replace(sample, label=(rows[sample.name],) if sample.name in rows else ()) for sample in samples]
    if not any(sample.label for sample in joined):
        missing = format_list(sample.image.name for sample in joined)
        raise CenetError(
            folder, f"there are no boundaries for {missing}", "give each file of boundaries the name of its image"
        )
    unpaired = rows.keys() - {sample.name for sample in joined}
    if unpaired:
        names = format_list(rows[name].name for name in sorted(unpaired, key=natural_key))
        raise CenetError(folder, f"there is no image for {names}", "add the image, or remove the file")
    return joined


OCT_LAYERS = DatasetSpec(
    title="Layers of the retina in OCT B-scans; any number of layers",
    source="your own, or any data set with this layout; terms: its owner's",
    layout=(
        "DATA/images/NAME.png         the B-scans, the vitreous on top\n"
        "DATA/labels/NAME.png         maps: a value for each layer, one or two for the outside\n"
        "DATA/boundaries/NAME.npy     or rows: (boundaries, columns) in pixels from the top, NaN where unannotated\n"
        "DATA/pixels.json             optional: the size of a pixel, in micrometres\n"
        '                             {"height_um": 3.87, "width_um": 11.5}\n'
        "or in one folder:\n"
        "DATA/NAME_image.png, DATA/NAME_boundaries.npy"
    ),
    grouping="every B-scan is its own group",
    pattern_advice="the eye, where it has several scans",
    classes=(),
    read=read_oct,
    labels=detect_layer_encoding,
    task_metrics=("layers",),
    measured_as="layers",
    primary_metric="boundary_error",
    published=(
        "mean absolute boundary error 1.68 px over all boundaries, Topcon, 12 classes (as others quote the paper)"
    ),
)
