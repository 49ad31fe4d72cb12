"""What `cenet predict` reads and writes: its images, the names of their predictions, and which are finished.

Predictions are called by the stem of their image: `eye.png` becomes `eye_mask.png`. Where that name belongs to another
image, of the same call or of an earlier one into the same folder, the whole name is used: `eye.png_mask.png`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cenet.data.io.files import hash_file
from cenet.data.io.large_tiff import is_large_tiff
from cenet.data.io.outputs import Note, OutputFolder
from cenet.data.io.read import has_image_suffix
from cenet.errors import CenetError
from cenet.inference.list_images import ImageFile, check_not_replaced, list_images
from cenet.inference.shards import Shard, declare_shard, is_same_setting, note_failures

ENDINGS = {
    "mask": "_mask.png",
    "overlay": "_overlay.png",
    "probability": "_probability.tif",
    "uncertainty": "_uncertainty.tif",
    "uncertainty image": "_uncertainty.png",
    "boundaries": "_boundaries.npy",
}

LARGE_ENDINGS = {**{kind: ENDINGS[kind] for kind in ("overlay", "probability")}, "mask": "_mask.tif"}


def name_files(image: ImageFile, prefix: str, kinds: Sequence[str]) -> dict[str, str]:
    """The files that the prediction of an image becomes; of one that is too large to be read at once they are fewer.

    Args:
        image: The image.
        prefix: How the names begin.
        kinds: What is wanted, keys of `ENDINGS`.
    """
    endings = LARGE_ENDINGS if is_large_tiff(image.file, page=image.page) else ENDINGS
    return {kind: prefix + endings[kind] for kind in kinds if kind in endings}


@dataclass(frozen=True)
class PlannedPrediction:
    """An image and the files that its prediction becomes.

    Args:
        image: The image.
        files: Their names, by what they hold: a key of `ENDINGS`.
        prefix: How the names begin; None where the mask has the name that the user gave.
    """

    image: ImageFile
    files: Mapping[str, str]
    prefix: str | None

    @property
    def is_large(self) -> bool:
        """Whether the image is too large to be read at once."""
        return self.files["mask"].endswith(LARGE_ENDINGS["mask"])


def list_extras(*, probabilities: bool, uncertainty: bool) -> list[str]:
    """What is written beside mask and overlay.

    >>> list_extras(probabilities=True, uncertainty=False)
    ['probability']
    """
    extras = ["probability"] if probabilities else []
    return [*extras, "uncertainty", "uncertainty image"] if uncertainty else extras


class PredictionPlan:
    """What is predicted, into which files; whatever cannot be done is refused before any work.

    Args:
        paths: Image files, stacks, and folders of these.
        output: The folder to write into; or, for one image, the PNG file of its mask.
        extras: What is written beside mask and overlay, keys of `ENDINGS`.
        overwrite: Replace files of others, and predict again what is finished.
        shard: Which part of the images is predicted; None for all.

    Attributes:
        images: All images, also those of other shards.
        predictions: What this shard predicts.
        single_file: Whether the mask of one image is written into a file that the user named.

    Raises:
        CenetError: There is no image, two predictions would have one name, or the output holds files of others.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        output: Path,
        *,
        extras: Sequence[str] = (),
        overwrite: bool = False,
        shard: Shard | None = None,
    ) -> None:
        self.images = list_images(paths)
        self.shard, self.single_file = shard, has_image_suffix(output) and not output.is_dir()
        kinds = ["mask", "overlay", *extras]
        if self.single_file:
            _check_single_file(output, paths, self.images, extras, shard)
            self.output = OutputFolder(output.parent, verb="predict", overwrite=overwrite)
            self.predictions = [PlannedPrediction(self.images[0], {"mask": output.name}, prefix=None)]
            self._check(self.predictions)
            return
        if any(path.is_dir() and path.resolve() == output.resolve() for path in paths):
            cause = "holds the images, and masks would be taken for images"
            raise CenetError(output, cause, "choose another --output")
        self.output = OutputFolder(output, verb="predict", overwrite=overwrite, part=shard.name if shard else "")
        self._notes = {str(note["image"]): note for note in self.output.notes}  # the latest of each image
        prefixes = name_predictions(self.images, {title: str(note["prefix"]) for title, note in self._notes.items()})
        self.predictions = [
            PlannedPrediction(image, name_files(image, prefix, kinds), prefix) for image, prefix in prefixes.items()
        ]
        if shard is not None:
            self.predictions = shard.select(self.predictions)
        if not overwrite:
            for prediction in self.predictions:
                self._check_same_image(prediction.image)
        self._check([prediction for prediction in self.predictions if overwrite or not self._has_files(prediction)])

    def describe_skipped(self, pending: Sequence["PlannedPrediction"]) -> list[str]:
        """A remark on the images that were predicted before, where there are any.

        Args:
            pending: Those that are to be predicted.
        """
        count = len(self.predictions)
        skipped = count - len(pending)
        return [f"{skipped} of {count} images were predicted before and are skipped"] if skipped else []

    def list_pending(self, settings: Note, *, boundaries: bool = False) -> list[PlannedPrediction]:
        """The predictions that are not finished yet.

        Args:
            settings: What predictions of the same images differ by, such as the run.
            boundaries: Whether the rows of the boundaries are written too.

        Raises:
            CenetError: The folder holds predictions with other settings, or files of others.
        """
        predictions = self.predictions
        if self.single_file:
            return predictions
        if boundaries:
            predictions = [
                PlannedPrediction(
                    prediction.image,
                    {**prediction.files, "boundaries": f"{prediction.prefix}{ENDINGS['boundaries']}"},
                    prediction.prefix,
                )
                for prediction in predictions
            ]
        files = {prediction.image.title: prediction.files for prediction in predictions}
        if not self.output.overwrite:
            for note in [*self.output.notes[-1:], *(note for title, note in self._notes.items() if title in files)]:
                self._check_same_settings(note, settings)
            predictions = [prediction for prediction in predictions if not self._has_files(prediction)]
        self._check(predictions)
        if self.shard is not None:
            titles = [image.title for image in self.images]
            self._declared = declare_shard(self.output, self.shard, titles, files, settings)
        return predictions

    def note_finished(self, prediction: PlannedPrediction, settings: Note) -> None:
        """Note that all files of a prediction are written, so that it is not predicted again.

        Args:
            prediction: The prediction.
            settings: As for `list_pending`.

        Raises:
            CenetError: It cannot be written.
        """
        if prediction.prefix is not None:
            self.output.add_note({**describe_finished(prediction), **settings})

    def note_failures(self, failed: Mapping[str, str]) -> None:
        """Note why images of a shard could not be predicted, by what they are called.

        Raises:
            CenetError: It cannot be written.
        """
        if self.shard is not None:
            note_failures(self.output, self._declared, failed)

    def _has_files(self, prediction: PlannedPrediction) -> bool:
        """Whether a prediction was finished earlier, and its files are still there."""
        names = prediction.files.values()
        return prediction.image.title in self._notes and all(self.output.exists(name) for name in names)

    def _check_same_image(self, image: ImageFile) -> None:
        note = self._notes.get(image.title)
        if note is not None and image.file.is_file() and hash_file(image.file) != note["image_sha256"]:
            cause = f"holds the prediction of another image that is called {image.title}"
            raise CenetError(self.output.path, cause, "choose another --output, or replace it with --overwrite")

    def _check_same_settings(self, note: Note, settings: Note) -> None:
        remedy = "choose another --output, or predict all of these images again with --overwrite"
        for name in settings:
            if not is_same_setting(name, note, settings):
                others = "of another run" if name == "run" else f"{'with' if note.get(name) else 'without'} --{name}"
                raise CenetError(self.output.path, f"holds predictions {others}", remedy)

    def _check(self, predictions: Sequence[PlannedPrediction]) -> None:
        names = [name for prediction in predictions for name in prediction.files.values()]
        check_not_replaced(self.images, [self.output.path / name for name in names])
        self.output.check(names)


def describe_finished(prediction: PlannedPrediction) -> Note:
    """What is noted of a prediction whose files are written: its image, and how their names begin."""
    image = prediction.image
    return {"image": image.title, "prefix": prediction.prefix or "", "image_sha256": hash_file(image.file)}


def name_predictions(images: Sequence[ImageFile], earlier: Mapping[str, str]) -> dict[ImageFile, str]:
    """How the names of each image's files begin: by its stem, or where another image has that, by its whole name.

    Args:
        images: The images of one call.
        earlier: Of images of earlier calls, by title, how the names of their files begin.

    Raises:
        CenetError: Two images have the same whole name.

    >>> images = [ImageFile(Path(name)) for name in ("eye.jpg", "eye.png", "ear.png")]
    >>> list(name_predictions(images, {}).values())
    ['eye.jpg', 'eye.png', 'ear']
    >>> list(name_predictions([ImageFile(Path("eye.png"))], {"eye.jpg": "eye"}).values())
    ['eye.png']
    """
    owners = {prefix.casefold(): title for title, prefix in earlier.items()}  # `Eye` and `eye` are one on some disks
    times = Counter(image.stem.casefold() for image in images)
    clashing = {  # if one page of a stack needs the whole name, all have it
        image.file
        for image in images
        if times[image.stem.casefold()] > 1 or owners.get(image.stem.casefold(), image.title) != image.title
    }
    prefixes = {}
    for image in images:
        prefix = image.full_stem if image.file in clashing else image.stem
        prefixes[image] = earlier.get(image.title, prefix)
    files: dict[str, Path] = {}
    for image, prefix in prefixes.items():
        other = files.setdefault(prefix.casefold(), image.file)
        if other != image.file:
            cause = f"its predictions would have the same names as those of {other}"
            raise CenetError(image.file, cause, "predict them into two folders, or rename one")
    return prefixes


def _check_single_file(
    output: Path, paths: Sequence[Path], images: Sequence[ImageFile], extras: Sequence[str], shard: Shard | None
) -> None:
    """Refuse the name of a file for anything but the mask of one image."""
    if shard is not None:
        raise CenetError(output, "is the name of one file, and shards write many", "name a folder as --output")
    if len(images) > 1 or paths[0].is_dir():
        raise CenetError(output, "is the name of one file, which holds one mask", "name a folder as --output")
    if output.suffix.lower() != ".png":
        raise CenetError(output, "has an ending that is not written", "let it end in .png, .tif, .nii.gz or .dcm")
    if is_large_tiff(images[0].file, page=images[0].page):
        cause = "is the name of a PNG file, and the mask of an image that is too large to be read at once is a TIFF"
        raise CenetError(output, cause, "name a folder as --output")
    if extras:
        cause = "holds the mask alone, without --probabilities and --uncertainty"
        raise CenetError(output, cause, "name a folder as --output")
