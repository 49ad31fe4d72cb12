"""Corrected masks, saved beside their images in a folder that `cenet train` reads, with where they come from.

    FOLDER/MODEL/
      images/eye.png       the file as it was dropped
      masks/eye.png        the corrected mask
      changed/eye.png      white where the correction differs from the prediction
      provenance/eye.json  model, date, and how many pixels were added and removed
      earlier/             masks of the same image that were saved before
      classes.json         what the values of the masks mean

No file is ever replaced. An image that is saved again keeps one mask; the earlier ones move into `earlier/`.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cenet.config.json_files import read_json
from cenet.data.io.files import atomic_write, hash_file, translate_write_errors, write_text
from cenet.data.io.limits import max_pixels
from cenet.data.io.read import image_stem
from cenet.data.io.write import write_mask
from cenet.data.labels.run_lengths import decode_runs
from cenet.data.labels.schema import ClassesFile, ClassSpec
from cenet.errors import CenetError
from cenet.service.problems import ProblemError
from cenet.service.schemas import RunLengths
from cenet.service.served_model import ServedModel
from cenet.service.uploads import Upload

CLASSES = "classes.json"
MAX_NAME = 100
MAX_NAME_BYTES = 200  # of the 255 that disks allow, with room for a number and an ending
Count = Annotated[int, Field(ge=0)]


class SentClass(BaseModel):
    """Where one class is, as the page sends it."""

    index: Annotated[int, Field(ge=1, le=254)]
    rle: RunLengths


class SentCorrection(BaseModel):
    """A mask before and after its correction, as the page sends it."""

    model: Annotated[str, Field(max_length=200)]
    name: Annotated[str, Field(max_length=10_000)]
    predicted: Annotated[list[SentClass], Field(max_length=254)]
    corrected: Annotated[list[SentClass], Field(max_length=254)]


class Provenance(BaseModel):
    """Where a corrected mask comes from.

    Args:
        format: Of the file.
        image: Its image.
        image_sha256: Of the image's file.
        mask_sha256: Of the mask's file.
        model: Which model predicted the mask that was corrected.
        version: Its version, where it is a released model.
        fingerprint: SHA-256 of all that its predictions depend on.
        saved: When, in UTC.
        cenet: The version of this package.
        changed_pixels: How many pixels were changed.
        added_pixels: Of each class, how many were added.
        removed_pixels: Likewise, removed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    image: str
    image_sha256: str
    mask_sha256: str
    model: str
    version: str
    fingerprint: str
    saved: str
    cenet: str
    changed_pixels: Count
    added_pixels: dict[str, Count]
    removed_pixels: dict[str, Count]


def decode_mask(classes: Sequence[SentClass], model: ServedModel) -> NDArray[np.uint8]:
    """Decode a mask of class indices, `(H, W)`.

    Args:
        classes: The run lengths of each foreground class.
        model: Whose classes they are.

    Raises:
        ProblemError: Runs do not fill the image, classes overlap, or they are not the model's.
    """
    if [sent.index for sent in classes] != list(range(1, len(model.classes) + 1)):
        raise ProblemError(422, "correction", "the classes are not those of the model; reload the page")
    height, width = classes[0].rle.size
    if not (height > 0 and width > 0 and height * width <= max_pixels()):
        raise ProblemError(422, "correction", "the mask has no size, or more pixels than allowed; reload the page")
    mask = np.zeros((height, width), np.uint8)
    for sent in classes:
        try:
            inside = decode_runs(sent.rle.counts, *sent.rle.size)
        except ValueError as error:
            raise ProblemError(422, "correction", f"{error}; reload the page") from error
        if sent.rle.size != (height, width):
            raise ProblemError(422, "correction", "the classes differ in size; reload the page")
        if (inside & (mask > 0)).any():
            raise ProblemError(422, "correction", "classes overlap; reload the page")
        mask[inside] = sent.index
    return mask


class CorrectionFolder:
    """A folder of corrections, with a folder for each model.

    Args:
        path: It is made when the first correction is saved.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(
        self,
        upload: Upload,
        *,
        name: str,
        model: ServedModel,
        predicted: NDArray[np.uint8],
        corrected: NDArray[np.uint8],
    ) -> Provenance:
        """Save a correction.

        Args:
            upload: The file of the image.
            name: What the user calls it.
            model: What predicted it.
            predicted: The mask before, (H, W).
            corrected: The mask after.

        Returns:
            What was written into `provenance/`.

        Raises:
            CenetError: A file cannot be written, or the folder holds corrections of other classes.
        """
        folder = self.path / to_file_name(model.name)
        with translate_write_errors(folder):
            self._declare_classes(folder, model)
            changed = predicted != corrected
            image = self._save_image(folder, upload, name)
            stem = image_stem(image)
            self._move_earlier(folder, stem)
            mask, difference = folder / "masks" / f"{stem}.png", folder / "changed" / f"{stem}.png"
            with _write_new(mask) as file:
                write_mask(file, corrected, num_classes=model.num_classes, colours=model.colours)
            with _write_new(difference) as file:
                write_mask(file, changed.astype(np.uint8))
            provenance = Provenance(
                image=image.relative_to(folder).as_posix(),
                image_sha256=hash_file(image),
                mask_sha256=hash_file(mask),
                model=model.name,
                version=model.version,
                fingerprint=model.fingerprint,
                saved=datetime.now(UTC).isoformat(timespec="seconds"),
                cenet=metadata.version("cenet"),
                changed_pixels=int(changed.sum()),
                added_pixels=_count_classes(corrected, changed, model),
                removed_pixels=_count_classes(predicted, changed, model),
            )
            with _write_new(folder / "provenance" / f"{stem}.json") as file:
                file.write(provenance.model_dump_json(indent=1).encode() + b"\n")
            return provenance

    def _declare_classes(self, folder: Path, model: ServedModel) -> None:
        """Write what the values mean; refuse a folder in which they mean something else."""
        values = [255] if model.num_classes == 1 else range(1, len(model.classes) + 1)
        specs = tuple(ClassSpec(name=name, value=value) for name, value in zip(model.classes, values, strict=True))
        wanted = ClassesFile(classes=specs, nested=model.nested if len(specs) > 1 else None)
        path = folder / CLASSES
        if not path.exists():
            write_text(path, wanted.model_dump_json(indent=1, exclude_none=True))
        elif read_json(path, ClassesFile, remedy="choose another --corrections") != wanted:
            raise CenetError(path, "declares other classes than the model has", "choose another --corrections")

    def _save_image(self, folder: Path, upload: Upload, name: str) -> Path:
        """The file of an image that is already there, or a new one under a free name."""
        suffix = upload.suffix or ".png"
        stem = to_file_name((name.lower().endswith(suffix) and name[: -len(suffix)]) or name)
        images = folder / "images"
        for number in range(1, 100_000):
            path = images / (f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}")
            name_of_mask = image_stem(path).casefold()
            same = [other for other in images.glob("*") if image_stem(other).casefold() == name_of_mask]
            if not same:
                with _write_new(path) as file:
                    file.write(upload.content)
                return path
            if same[0].name.endswith(suffix) and same[0].is_file() and same[0].read_bytes() == upload.content:
                return same[0]
        raise CenetError(images, "holds too many images of one name", "choose another --corrections")

    def _move_earlier(self, folder: Path, stem: str) -> None:
        for kind, suffix in (("masks", ".png"), ("changed", ".png"), ("provenance", ".json")):
            path = folder / kind / f"{stem}{suffix}"
            if path.exists():
                earlier = folder / "earlier" / kind
                earlier.mkdir(parents=True, exist_ok=True)
                taken = {other.stem for other in earlier.iterdir()}
                number = next(number for number in range(1, 10**6) if f"{stem}-{number}" not in taken)
                path.rename(earlier / f"{stem}-{number}{suffix}")


def to_file_name(name: str) -> str:
    r"""A name as that of a file, which leads out of no folder and is hidden nowhere.

    >>> to_file_name("../../eye left.png"), to_file_name("C:\\scans\\eye"), to_file_name("...")
    ('eye left.png', 'eye', 'image')
    """
    last = re.split(r"[/\\]", name)[-1]
    plain = re.sub(r"[^\w .()+-]", "_", last).strip(" .")[:MAX_NAME]
    whole = plain.encode()[:MAX_NAME_BYTES].decode(errors="ignore").strip(" .")  # cut between two letters
    return whole or "image"


def _write_new(path: Path) -> Any:
    """Open a file that must not be there yet."""
    if path.exists() or path.is_symlink():
        raise CenetError(path, "is already there", "move it away, or choose another --corrections")
    return atomic_write(path)


def _count_classes(mask: NDArray[np.uint8], where: NDArray[np.bool_], model: ServedModel) -> dict[str, int]:
    counts = np.bincount(mask[where], minlength=len(model.classes) + 1)
    return {name: int(counts[index]) for index, name in enumerate(model.classes, start=1)}
