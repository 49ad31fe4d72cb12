"""The images of a folder: the next is read, and the last is written, while the network computes one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np

from cenet.data.io.large_tiff import open_large_tiff
from cenet.data.io.ome import read_channel_names
from cenet.data.io.outputs import Note, OutputFolder
from cenet.data.io.read import check_usable, describe_file, read_image
from cenet.data.io.write import write_boundaries, write_mask, write_overlay, write_probability
from cenet.data.io.write_uncertainty import write_uncertainty, write_uncertainty_picture
from cenet.inference.adapt_image import fit_to_run
from cenet.inference.compare_pixel_size import describe_other_pixel_size
from cenet.inference.input_options import PLAIN_INPUT, InputOptions, describe_matched, note_pixel_size
from cenet.inference.prediction_files import PlannedPrediction, PredictionPlan
from cenet.inference.run_metadata import RunMetadata
from cenet.inference.trust import PredictionRecord, describe_uniform, group_remarks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cenet.config.recipe import Recipe
    from cenet.inference.prediction import Prediction

Item = TypeVar("Item")
Result = TypeVar("Result")


def compute_ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Future[Result]]]:
    """Compute a function of each item in a thread, one item ahead of what is asked for.

    Args:
        function: What is computed; its error is raised by `result()` of that item alone.
        items: What it is computed of.

    >>> [(item, future.result()) for item, future in compute_ahead(abs, [-1, -2, -3])]
    [(-1, 1), (-2, 2), (-3, 3)]
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        coming: tuple[Item, Future[Result]] | None = None
        for item in items:
            following = item, thread.submit(function, item)
            if coming is not None:
                yield coming
            coming = following
        if coming is not None:
            yield coming


@dataclass(frozen=True)
class LoadedImage:
    """An image that is ready for the network.

    Args:
        planned: What is to be written of it.
        name: What errors call it.
        pixels: `(H, W, C)`, as the network was trained on.
        remarks: What was converted, and what a user must know of the file.
        pixel_um: Height and width of its pixels in micrometres, where it is resampled to those of the training.
    """

    planned: PlannedPrediction
    name: str
    pixels: "NDArray[Any]"
    remarks: tuple[str, ...]
    pixel_um: tuple[float, float] | None = None

    @classmethod
    def load(cls, planned: PlannedPrediction, facts: RunMetadata, options: InputOptions = PLAIN_INPUT) -> Self:
        """Read an image, and convert it to what a run was trained on.

        Args:
            planned: Names the file.
            facts: Of the run.
            options: How it is read.

        Raises:
            CenetError: The file cannot be read, shows nothing, or does not state what the options need.
        """
        source = planned.image
        name = source.describe(str(source.file))
        open_large_tiff(source.file, page=source.page)  # which says why one that is too large is not read in parts
        pixels = read_image(source.file, page=source.page)
        if source.page is None:  # a volume may begin and end with slices that show nothing
            check_usable(pixels, name=name, min_side_px=1)
        names, chosen = read_channel_names(source.file), options.channels
        pixels, adapted = fit_to_run(
            pixels, source.file, facts, names=names, chosen=chosen, name=name, page=source.page
        )
        remarks = (*adapted, *describe_file(source.file))
        if pixel_um := options.find_pixel_um(source.file, name=name):
            remarks += (describe_matched(pixel_um, facts.pixel_um),)
        return cls(planned, name, pixels, remarks, pixel_um)


class PredictionWriter:
    """Writes predictions in a thread, one after the other; a context that ends when all are written.

    Args:
        plan: What is written, and where.
        record: What is noted with each.
        trust: Takes in each prediction.
        recipe: Of the run.
        facts: Of the run.
    """

    def __init__(
        self, plan: PredictionPlan, record: Note, trust: PredictionRecord, *, recipe: "Recipe", facts: RunMetadata
    ) -> None:
        self.plan, self.record, self.trust, self.recipe, self.facts = plan, record, trust, recipe, facts
        self.colours = facts.labels.colours if facts.labels else ()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._written: list[Future[list[tuple[str, str]]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown()

    def submit(self, image: LoadedImage, prediction: "Prediction") -> None:
        """Begin to write a prediction, once the one before is written.

        Args:
            image: What was predicted.
            prediction: What the network says of it.

        Raises:
            CenetError: The one before cannot be written.
        """
        if self._written:
            self._written[-1].result()
        self._written.append(self._thread.submit(self._write, image, prediction))

    def list_remarks(self) -> list[str]:
        """Wait until all is written, and return what is remarkable of the images, what many share in one line.

        Raises:
            CenetError: The last one cannot be written.
        """
        return group_remarks([remark for written in self._written for remark in written.result()])

    def _write(self, image: LoadedImage, prediction: "Prediction") -> list[tuple[str, str]]:
        planned, title = image.planned, image.planned.image.title
        write_prediction_files(
            self.plan.output,
            planned,
            image.pixels,
            prediction,
            num_classes=self.recipe.num_classes,
            colours=self.colours,
        )
        measured = self.trust.add(title, prediction, image.pixels, file=planned.image.file)
        noted = {**note_pixel_size(image.pixel_um), **measured}
        self.plan.note_finished(planned, {**self.record, **noted})
        remarks = describe_remarkable(image, prediction, self.recipe, self.facts)
        return [(title, remark) for remark in remarks]


def write_prediction_files(
    output: OutputFolder,
    planned: PlannedPrediction,
    pixels: "NDArray[Any]",
    prediction: "Prediction",
    *,
    num_classes: int,
    colours: Sequence[str],
) -> None:
    """Write the files of a prediction.

    Args:
        output: The folder.
        planned: Names the files.
        pixels: The image.
        prediction: What the network says of it.
        num_classes: Of the recipe.
        colours: Of the labels, where they have some.

    Raises:
        CenetError: A file cannot be written.
    """
    files = planned.files
    with output.open(files["mask"]) as file:
        write_mask(file, prediction.mask, num_classes=num_classes, colours=colours)
    if "overlay" in files:
        with output.open(files["overlay"]) as file:
            write_overlay(file, pixels, prediction.mask, colours=colours)
    if "probability" in files:
        with output.open(files["probability"]) as file:
            write_probability(file, prediction.probabilities)
    if prediction.uncertainty is not None:
        unsure = prediction.uncertainty
        with output.open(files["uncertainty"]) as file:
            write_uncertainty(file, unsure.total, unsure.disagreement)
        with output.open(files["uncertainty image"]) as file:
            write_uncertainty_picture(file, pixels, unsure.total)
    if "boundaries" in files:
        with output.open(files["boundaries"]) as file:
            write_boundaries(file, prediction.layers[1])


def describe_remarkable(
    image: LoadedImage, prediction: "Prediction", recipe: "Recipe", facts: RunMetadata
) -> list[str]:
    """What to say of a prediction and its image, a remark each.

    Args:
        image: The image.
        prediction: What the network says of it.
        recipe: Of the run.
        facts: Of the run.
    """
    remarks = [*image.remarks]
    if image.pixel_um is None and (remark := describe_other_pixel_size(image.planned.image.file, recipe, facts)):
        remarks.append(remark)
    if prediction.windows > 1:
        why = f"as it is larger than {prediction.window_px} px for the network"
        remarks.append(f"was predicted in {prediction.windows} overlapping windows, {why}")
    if prediction.unfamiliar is not None:
        remarks.append(prediction.unfamiliar)
    if recipe.roi_fraction is not None and prediction.box is None:
        remarks.append("the localiser finds nothing, so the prediction is empty")
    elif remark := describe_uniform_prediction(prediction):
        remarks.append(remark)
    return remarks


def describe_uniform_prediction(prediction: "Prediction") -> str | None:
    """What to say of a prediction that is one class everywhere, with the largest foreground probability.

    >>> from cenet.inference.prediction import Prediction
    >>> describe_uniform_prediction(Prediction(np.full((1, 2, 2), 0.2, np.float32), (0.5,)))
    'the prediction is empty; the largest foreground probability is 0.200, the threshold 0.5'
    """
    mask, probabilities, thresholds = prediction.mask, prediction.probabilities, prediction.thresholds
    foreground = probabilities[:1] if thresholds else probabilities[1:]  # nested regions lie inside the first
    classes = int(mask.min()), int(mask.max())
    return describe_uniform(classes, float(np.max(foreground)), maps=len(probabilities), thresholds=thresholds)
