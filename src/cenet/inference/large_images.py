"""Predict an image that is too large for the memory: read, predicted and written band by band."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.io.large_tiff import LargeTiff, SmallCopy, make_small_copy, open_large_tiff
from cenet.data.io.limits import format_pixels, max_pixels
from cenet.data.io.ome import read_channel_names
from cenet.data.io.outputs import Note, OutputFolder
from cenet.data.io.read import describe_file
from cenet.data.io.tiled_tiff import TiledTiffWriter
from cenet.data.io.write import class_colours, write_overlay
from cenet.errors import CenetError
from cenet.inference.adapt_image import adapt_to_run, choose_channels
from cenet.inference.compare_pixel_size import describe_other_pixel_size
from cenet.inference.input_options import PLAIN_INPUT, InputOptions, describe_matched, note_pixel_size
from cenet.inference.post_processing import NO_POST_PROCESSING
from cenet.inference.prediction_files import PlannedPrediction, PredictionPlan
from cenet.inference.run_metadata import RunMetadata
from cenet.inference.trust import PredictionRecord, describe_uniform
from cenet.measurements.areas import split_classes
from cenet.measurements.expected_dice import estimate_dice_from_sums

if TYPE_CHECKING:
    from cenet.inference.ensemble import LoadedPredictor, OpenedModel
    from cenet.inference.prediction import Prediction


class BandStatistics:
    """What is known of a prediction once all of its bands were seen.

    Attributes:
        lowest: The lowest class in the mask.
        highest: The highest one.
        largest_foreground: The largest probability of any foreground.
    """

    def __init__(self) -> None:
        self.lowest, self.highest, self.largest_foreground = 255, 0, 0.0
        self._sums: NDArray[np.float64] | float = 0.0  # of each class: all probabilities, those inside, pixels inside

    def add(self, band: "Prediction") -> None:
        """Take the next band into account."""
        nested = bool(band.thresholds)
        maps = band.probabilities if nested else band.probabilities[1:]
        numbers = tuple(str(number) for number in range(1, len(maps) + 1))
        inside = split_classes(band.mask, numbers, nested=nested).values()
        self._sums = self._sums + np.array(
            [
                (probabilities.sum(dtype=float), probabilities[where].sum(dtype=float), np.count_nonzero(where))
                for probabilities, where in zip(maps, inside, strict=True)
            ]
        )
        self.lowest = min(self.lowest, int(band.mask.min()))
        self.highest = max(self.highest, int(band.mask.max()))
        foreground = maps[:1] if nested else maps  # nested regions lie inside the first
        self.largest_foreground = max(self.largest_foreground, float(foreground.max()))

    def expected_dice(self) -> float:
        """The mean over the classes of the Dice that is expected of the mask."""
        sums = np.atleast_2d(np.asarray(self._sums))
        return float(np.mean([estimate_dice_from_sums(*row) for row in sums]))


class AdaptedImage:
    """A large image whose parts are converted into the kind that a run was trained on, where there is one way.

    Args:
        image: The image.
        copy: Its small copy, which says whether its channels are equal.
        facts: Of the run.
        chosen: Which channels the user wants, as for `choose_channels`.
        name: What errors call it.

    Raises:
        CenetError: A channel is missing.
    """

    def __init__(
        self, image: LargeTiff, copy: SmallCopy, *, facts: RunMetadata, chosen: Sequence[str], name: str
    ) -> None:
        self.image, self.dtype = image, image.dtype
        names = read_channel_names(image.path)
        self.indices, remarks = choose_channels(image.shape[2], names, trained=facts.channels, chosen=chosen, name=name)
        numbered = np.arange(image.shape[2], dtype=image.dtype)[None, None]
        first = copy.pixels[:1, :1] if copy.has_equal_channels else numbered
        first = first[..., self.indices]
        adapted, converted = adapt_to_run(first, image.path, in_channels=facts.in_channels, dtype=facts.dtype)
        self.remarks = (*remarks, *converted)
        self.shape = (*image.shape[:2], adapted.shape[2])

    def __getitem__(self, part: tuple[slice, slice]) -> NDArray[Any]:
        return self.convert(self.image[part])

    def convert(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Convert a part of the image, or its small copy, as it was read.

        Shape:
            (H, W, C) to (H, W, channels of the run).
        """
        pixels = pixels[..., self.indices]
        if pixels.shape[2] == self.shape[2]:
            return pixels
        return np.repeat(pixels[..., :1], self.shape[2], axis=2)


def predict_large_image(
    predictor: "LoadedPredictor",
    run: "OpenedModel",
    planned: PlannedPrediction,
    plan: PredictionPlan,
    *,
    record: Note,
    trust: PredictionRecord,
    reading: InputOptions = PLAIN_INPUT,
) -> list[str]:
    """Predict an image band by band, write its files and note that it is finished.

    Args:
        predictor: What predicts.
        run: Whose predictor it is.
        planned: The image, and which files to write.
        plan: Where they are written.
        record: What is noted with each prediction.
        trust: Takes in each prediction.
        reading: How it is read.

    Returns:
        What a user should know of it.

    Raises:
        CenetError: The image is damaged, does not fit the run or has equal pixels only, or the files cannot be written.
    """
    source = planned.image
    name = source.describe(str(source.file))
    image = open_large_tiff(source.file, page=source.page)
    if image is None:
        raise CenetError(name, "has changed since the prediction began", "give the same command again")
    pixel_um = reading.find_pixel_um(source.file, name=name)
    copy = make_small_copy(image)
    if copy.is_uniform:
        cause = f"every one of its {image.shape[1]} x {image.shape[0]} pixels has the same value"
        raise CenetError(name, cause, "export it again, or remove it")
    adapted = AdaptedImage(image, copy, facts=run.facts, chosen=reading.channels, name=name)
    copy = replace(copy, pixels=adapted.convert(copy.pixels))
    statistics = _write_bands(
        predictor.predict_bands(adapted, name=name, pixel_um=pixel_um),
        adapted,
        copy,
        run,
        planned=planned,
        output=plan.output,
    )
    unfamiliar = predictor.appearance.describe_unfamiliar(copy.pixels) if predictor.appearance else None
    trust.add_large(source.title, statistics.expected_dice(), unfamiliar)
    plan.note_finished(planned, {**record, **note_pixel_size(pixel_um)})
    uniform = describe_uniform(
        (statistics.lowest, statistics.highest),
        statistics.largest_foreground,
        maps=run.recipe.maps,
        thresholds=predictor.thresholds,
    )
    left_out = ["its mask is not post-processed"] if predictor.post_processing != NO_POST_PROCESSING else []
    left_out += ["it is not measured"] if trust.measure is not None else []
    left_out += ["its uncertainty is not written"] if record.get("uncertainty") else []
    pixel_size = describe_other_pixel_size(source.file, run.recipe, run.facts)
    if pixel_um is not None:
        pixel_size = describe_matched(pixel_um, run.facts.pixel_um)
    of_file = describe_file(source.file)
    remarks = [*adapted.remarks, *of_file, _describe_bands(image, copy), pixel_size, unfamiliar, uniform]
    remarks += [f"{remark}, as it was never in memory as a whole" for remark in left_out]
    return [f"{source.title}: {remark}" for remark in remarks if remark]


def _write_bands(
    bands: "Iterator[tuple[slice, Prediction]]",
    image: AdaptedImage,
    copy: SmallCopy,
    run: "OpenedModel",
    *,
    planned: PlannedPrediction,
    output: OutputFolder,
) -> BandStatistics:
    """Take the bands of a prediction, and write its files once all are there."""
    statistics, small_mask = BandStatistics(), np.zeros(copy.pixels.shape[:2], np.uint8)
    height, width = image.shape[:2]
    is_binary = run.recipe.num_classes == 1
    folder = next(parent for parent in (output.path, *output.path.absolute().parents) if parent.is_dir())
    with ExitStack() as stack:
        writers = {"mask": TiledTiffWriter(folder, (1, height, width), np.uint8)}
        stack.enter_context(closing(writers["mask"]))
        if "probability" in planned.files:
            writers["probability"] = TiledTiffWriter(folder, (run.recipe.maps, height, width), np.float32)
            stack.enter_context(closing(writers["probability"]))
        for rows, band in bands:
            statistics.add(band)
            writers["mask"].add(band.mask[None] * np.uint8(255 if is_binary else 1))
            if "probability" in writers:
                writers["probability"].add(band.probabilities)
            _shrink_mask(band.mask, rows, copy.factor, small_mask)
        colours = run.facts.labels.colours if run.facts.labels else ()
        palettes = {} if is_binary else {"mask": class_colours(256, colours)}
        for kind, writer in writers.items():
            with output.open(planned.files[kind]) as file:
                writer.write(file, colours=palettes.get(kind))
    if "overlay" in planned.files:
        with output.open(planned.files["overlay"]) as file:
            write_overlay(file, copy.pixels, small_mask, colours=colours)
    return statistics


def _shrink_mask(mask: NDArray[np.uint8], rows: slice, factor: int, small: NDArray[np.uint8]) -> None:
    """Enter a band into a small mask: of each square the highest class, so that nothing that was found vanishes."""
    height, width = small.shape
    targets = np.arange(rows.start, rows.stop) // factor
    squares = mask[:, : width * factor].reshape(len(mask), width, factor).max(2)
    inside = targets < height  # what fills no square is left out
    np.maximum.at(small, targets[inside], squares[inside])


def _describe_bands(image: LargeTiff, copy: SmallCopy) -> str:
    height, width = image.shape[:2]
    limit = f"above the limit of {format_pixels(max_pixels())}"
    shown = f", and one pixel of the overlay shows {copy.factor} x {copy.factor}" if copy.factor > 1 else ""
    return f"has {width} x {height} px, {limit}, so it was predicted band by band; its mask is a TIFF{shown}"
