"""Which masks become one file of a further format, what it is called, and whether they fit into one."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cenet.data.io.decode import read_page_sizes
from cenet.data.io.dicom_geometry import FrameGeometry, read_frame_geometries
from cenet.data.io.magic import is_dicom
from cenet.data.io.read import image_stem
from cenet.errors import CenetError
from cenet.inference.list_images import ImageFile
from cenet.inference.prediction_files import PlannedPrediction


@dataclass(frozen=True)
class MaskFile:
    """A file in a further format, and the predictions whose masks it holds.

    Args:
        name: Of the file in the output folder.
        predictions: In the order of the file's pages or slices.
        frames: Where they lie, for DICOM.
    """

    name: str
    predictions: Sequence[PlannedPrediction]
    frames: Sequence[FrameGeometry] = ()

    @property
    def source(self) -> Path:
        """The file that it is made for, or the first of a series."""
        return self.predictions[0].image.file


@dataclass
class _Group:
    predictions: list[PlannedPrediction] = field(default_factory=list)
    frames: list[FrameGeometry] = field(default_factory=list)


def list_mask_files(predictions: Sequence[PlannedPrediction], ending: str, *, by_series: bool) -> list[MaskFile]:
    """List the files that masks become: one for each source, and where asked for one for each DICOM series.

    Args:
        predictions: Those of the call.
        ending: Of the names of the files.
        by_series: Whether slices of a DICOM series belong together, each in a file of its own.

    Raises:
        CenetError: The pages of a source differ in size.
    """
    groups = _group(predictions, by_series=by_series)
    for group in groups:
        file = group.predictions[0].image.file
        if len(group.predictions) > 1:
            check_one_size(file, read_page_sizes(file), what="pages")
    return _name_files(groups, ending)


def check_one_size(source: Path, sizes: Iterable[tuple[int, ...]], *, what: str) -> None:
    """Refuse pages of several sizes, which no further format holds as one stack.

    Args:
        source: What an error names.
        sizes: Height and width of each page.
        what: What the pages are called.

    Raises:
        CenetError: They differ.

    >>> check_one_size(Path("slide.tif"), [(8, 9), (4, 5)], what="pages")
    Traceback (most recent call last):
    cenet.errors.CenetError: slide.tif: its pages differ in size (9 x 8 and 5 x 4 px), ...
    """
    distinct = list(dict.fromkeys(sizes))
    if len(distinct) > 1:
        described = " and ".join(f"{width} x {height}" for height, width in distinct[:2])
        cause = f"its {what} differ in size ({described} px), and a stack of masks has one size"
        raise CenetError(source, cause, "save each page as a file, or write --format png into a folder")


def _group(predictions: Sequence[PlannedPrediction], *, by_series: bool) -> list[_Group]:
    """Group predictions by file, and where asked for slices of DICOM by series."""
    groups: dict[str | Path, _Group] = {}
    frames: dict[Path, list[FrameGeometry]] = {}
    for prediction in predictions:
        image = prediction.image
        if by_series and image.file not in frames:
            frames[image.file] = _read_frames(image)
        known = frames.get(image.file, [])
        frame = known[image.page or 0] if len(known) > (image.page or 0) else None
        group = groups.setdefault(frame.series if frame and frame.series else image.file, _Group())
        group.predictions.append(prediction)
        if frame is not None:
            group.frames.append(frame)
    return list(groups.values())


def _read_frames(image: ImageFile) -> list[FrameGeometry]:
    """Where the frames of a DICOM file lie; a file that cannot be read is reported when it is predicted."""
    try:
        return read_frame_geometries(image.file) if is_dicom(image.file) else []
    except (CenetError, OSError):
        return []


def _name_files(groups: Sequence[_Group], ending: str) -> list[MaskFile]:
    """Name each file by its only prediction, or by the file of the first; where that is used twice, with its ending."""
    stems = []
    for group in groups:
        first = group.predictions[0]
        is_whole = len(group.predictions) == 1 and first.image.page is None
        stems.append(str(first.prefix) if is_whole else image_stem(first.image.file))
    times = Counter(stem.casefold() for stem in stems)
    files = []
    for stem, group in zip(stems, groups, strict=True):
        unique = stem if times[stem.casefold()] == 1 else group.predictions[0].image.file.name
        files.append(MaskFile(f"{unique}_mask{ending}", group.predictions, group.frames))
    return files
