"""Masks of predictions in further formats, made of the PNG files when all are written: TIFF, NIfTI and DICOM SEG.

What belongs together becomes one file: the pages of a TIFF, the slices of a NIfTI volume, the slices of a DICOM series.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.dicom_seg import SegmentedClasses, check_highdicom_installed, encode_dicom_segmentation
from cenet.data.io.magic import is_dicom, is_nifti
from cenet.data.io.outputs import OutputFolder
from cenet.data.io.pixel_size import read_pixel_size
from cenet.data.io.read import read_label
from cenet.data.io.write_volume import (
    check_nifti_installed,
    encode_nifti_like_dicom,
    encode_nifti_like_image,
    encode_nifti_like_nifti,
    write_tiff_masks,
)
from cenet.errors import CenetError
from cenet.inference.list_images import check_not_replaced
from cenet.inference.mask_files import MaskFile, check_one_size, list_mask_files
from cenet.inference.prediction_files import PlannedPrediction, PredictionPlan

if TYPE_CHECKING:
    from cenet.inference.ensemble import OpenedModel

MaskFormat = Literal["png", "tiff", "nifti", "dicom-seg"]
MASK_ENDINGS: Mapping[MaskFormat, str] = {"tiff": ".tif", "nifti": ".nii.gz", "dicom-seg": ".dcm"}


def describe_classes(run: "OpenedModel") -> SegmentedClasses:
    """What the values of a run's masks mean, and the name of the run where it cannot name a patient.

    Args:
        run: The run or the model; the folder of a run that was not released may be called after anything.
    """
    model = getattr(run, "model", getattr(run, "info", None))
    return SegmentedClasses(
        names=tuple(run.facts.classes),
        nested=run.recipe.nested,
        colours=tuple(run.facts.labels.colours) if run.facts.labels else (),
        model=f"cenet {model.name}" if model and model.version else f"cenet {run.recipe.network}",
        version=model.version if model else "",
    )


class FurtherMasks:
    """The files of one further format; what cannot be written is refused before any work.

    Args:
        mask_format: The format.
        output: The folder of the predictions.
        predictions: Those of the call.
        is_part: Whether other calls predict the rest.

    Raises:
        CenetError: A source is of a kind that the format cannot refer to, has pages of several sizes or is too large to
            be read at once, a package is missing, or a name is occupied or that of an image.
    """

    def __init__(
        self,
        mask_format: MaskFormat,
        output: OutputFolder,
        predictions: Sequence[PlannedPrediction],
        *,
        is_part: bool = False,
    ) -> None:
        self.mask_format, self.output = mask_format, output
        self.files: Sequence[MaskFile] = ()
        if mask_format == "png":
            return
        if is_part:
            cause = "needs all images of a volume, and a shard has some"
            remedy = "merge the shards first, then give it without --shard, which predicts nothing again"
            raise CenetError(f"--format {mask_format}", cause, remedy)
        if mask_format == "nifti":
            check_nifti_installed()
        if mask_format == "dicom-seg":
            check_highdicom_installed()
            _check_sources(predictions)
        self.files = list_mask_files(predictions, MASK_ENDINGS[mask_format], by_series=mask_format != "tiff")
        for file in self.files:
            _check_in_memory(file, mask_format)
        names = [file.name for file in self.files]
        check_not_replaced([prediction.image for prediction in predictions], [output.path / name for name in names])
        output.check(names)

    def write(self, run: "OpenedModel") -> list[CenetError]:
        """Write what is missing, or older than the masks that it is made of.

        Args:
            run: Of the predictions.

        Returns:
            Why files could not be written, because an image was not predicted or does not allow it.
        """
        failures = []
        for file in self.files:
            if self._is_current(file):
                continue
            try:
                self._write(file, describe_classes(run), run.recipe.num_classes)
            except CenetError as error:
                failures.append(error)
        return failures

    def _mask_paths(self, file: MaskFile) -> list[Path]:
        return [self.output.path / prediction.files["mask"] for prediction in file.predictions]

    def _is_current(self, file: MaskFile) -> bool:
        """Whether a file is there, and no mask is newer."""
        path, masks = self.output.path / file.name, self._mask_paths(file)
        if not path.is_file() or not all(mask.is_file() for mask in masks):
            return False
        return path.stat().st_mtime_ns >= max(mask.stat().st_mtime_ns for mask in masks)

    def _write(self, file: MaskFile, classes: SegmentedClasses, num_classes: int) -> None:
        paths = self._mask_paths(file)
        missing = [
            prediction.image.title
            for prediction, path in zip(file.predictions, paths, strict=True)
            if not path.is_file()
        ]
        if len(missing) == len(paths):
            return  # why is said of the images themselves
        if missing:
            cause = f"is not written, as {len(missing)} of its {len(paths)} images have no mask, such as {missing[0]}"
            raise CenetError(file.name, cause, "fix or remove them, and give the same command again")
        each = [_read_mask(path, num_classes) for path in paths]
        check_one_size(file.source, [mask.shape for mask in each], what="masks")
        masks = np.stack(each)
        if self.mask_format == "tiff":
            size = read_pixel_size(file.source)
            with self.output.open(file.name) as target:
                write_tiff_masks(target, masks, num_classes=num_classes, colours=classes.colours, pixel_size=size)
            return
        content = self._encode(file, masks, classes)
        with self.output.open(file.name) as target:
            target.write(content)

    def _encode(self, file: MaskFile, masks: NDArray[np.uint8], classes: SegmentedClasses) -> bytes:
        if self.mask_format == "dicom-seg":
            sources = list(dict.fromkeys(prediction.image.file for prediction in file.predictions))
            return encode_dicom_segmentation(sources, masks, classes, name=file.source)
        if file.frames and file.frames[0].position is not None:
            return encode_nifti_like_dicom(file.source, masks, file.frames)
        if is_nifti(file.source):
            return encode_nifti_like_nifti(file.source, masks)
        return encode_nifti_like_image(masks, read_pixel_size(file.source))


def _read_mask(path: Path, num_classes: int) -> NDArray[np.uint8]:
    values = read_label(path)
    return np.asarray(values > 0 if num_classes == 1 else values, np.uint8)


def _check_in_memory(file: MaskFile, mask_format: MaskFormat) -> None:
    """Refuse masks that are never in memory, but for the one that is written as the file itself."""
    if any(prediction.is_large and prediction.files["mask"] != file.name for prediction in file.predictions):
        cause = f"is too large to be read at once, and --format {mask_format} needs all of its mask"
        instead = "tiff" if len(file.predictions) == 1 else "png"
        raise CenetError(file.source, cause, f"write --format {instead}, or raise --max-pixels")


def _check_sources(predictions: Iterable[PlannedPrediction]) -> None:
    for prediction in predictions:
        file = prediction.image.file
        if file.is_file() and not is_dicom(file):
            cause = "is no DICOM file, to which a DICOM segmentation could refer"
            raise CenetError(file, cause, "write --format png, tiff or nifti, or name the DICOM files alone")


def find_format(output: Path) -> MaskFormat | None:
    """Find the further format of a mask by the name of its file; None for PNG, a folder, or any other name.

    >>> [find_format(Path(name)) for name in ("a.TIF", "a.nii.gz", "a.dcm", "a.png", "masks")]
    ['tiff', 'nifti', 'dicom-seg', None, None]
    """
    if output.is_dir():
        return None
    endings: dict[str, MaskFormat] = {
        ".tif": "tiff",
        ".tiff": "tiff",
        ".nii.gz": "nifti",
        ".dcm": "dicom-seg",
    }
    name = output.name.lower()
    return next((found for ending, found in endings.items() if name.endswith(ending)), None)


def write_one_file(
    write: Callable[..., list[str]], paths: Sequence[Path], output: Path, *, overwrite: bool, is_alone: bool
) -> list[str]:
    """Write the mask of one image, stack or series of a further format into a file that the user named.

    Args:
        write: Writes predictions into the folder `output`, in `mask_format`.
        paths: The files of the image.
        output: The file.
        overwrite: Replace a file of somebody else's.
        is_alone: Whether nothing else is to be written.

    Returns:
        The remarks of `write`.

    Raises:
        CenetError: More than one file would be written, or the name is occupied or that of an image; or as `write`
            does.
    """
    mask_format = find_format(output)
    if mask_format is None:
        raise ValueError(f"{output} names no further format")
    if not is_alone:
        cause = "is the name of one file, which holds the mask alone in the format that it names"
        raise CenetError(output, cause, "name a folder as --output, or leave other options out")
    folder = OutputFolder(output.parent, verb="predict", overwrite=overwrite)
    with TemporaryDirectory() as temporary:
        plan = PredictionPlan(paths, Path(temporary))
        check_not_replaced(plan.images, [output])
        folder.check([output.name])
        files = FurtherMasks(mask_format, plan.output, plan.predictions).files
        if len(files) > 1:
            cause = f"is the name of one file, but the images become {len(files)}"
            raise CenetError(output, cause, "name a folder as --output")
        remarks = write(output=Path(temporary), mask_format=mask_format)
        with folder.open(output.name) as target, (Path(temporary) / files[0].name).open("rb") as content:
            shutil.copyfileobj(content, target)
    return remarks
