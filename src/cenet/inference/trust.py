"""What is said of a prediction beside its files: its expected Dice, its measurements, and what to look at first."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cenet.data.field_of_view import find_field_of_view
from cenet.data.io.outputs import Note, OutputFolder
from cenet.data.io.pixel_size import format_pixel_size, read_pixel_size
from cenet.errors import CenetError
from cenet.inference.prediction_files import PredictionPlan
from cenet.measurements import Kind, MaskToMeasure, format_csv, measure_probabilities
from cenet.measurements.areas import split_classes
from cenet.measurements.expected_dice import estimate_mean_dice
from cenet.measurements.measure import TOO_FEW_LAYERS, has_kind
from cenet.safe_text import format_names

if TYPE_CHECKING:
    from cenet.inference.prediction import Prediction

TABLE = "measurements.csv"
LISTED = 5  # images to look at first


@dataclass(frozen=True)
class MeasurementOptions:
    """What is measured of predictions.

    Args:
        task: Of which data sets, such as `vessels`; None: the run's own task.
        pixel_um: Height and width of a pixel in micrometres; None: those that the file of each image states, if any.
    """

    task: str | None = None
    pixel_um: tuple[float, float] | None = None


def estimate_prediction_dice(prediction: "Prediction") -> float:
    """The expected Dice of a prediction, the mean over its classes; see `cenet.measurements.estimate_dice`.

    Where a localiser found nothing, no network was asked: all probabilities are exactly 0, which is no certainty.

    >>> from cenet.inference.prediction import Prediction
    >>> estimate_prediction_dice(Prediction(np.array([[[0.9, 0.9, 0.1, 0.1]]], np.float32), (0.5,))).__round__(3)
    0.9
    """
    sigmoid = bool(prediction.thresholds)
    maps = prediction.probabilities if sigmoid else prediction.probabilities[1:]
    if sigmoid and not maps.any():
        return 0.0
    numbers = tuple(str(number) for number in range(1, len(maps) + 1))
    classes = split_classes(prediction.mask, numbers, nested=sigmoid)
    return estimate_mean_dice(zip(maps, classes.values(), strict=True))


def describe_uniform(classes: tuple[int, int], largest: float, *, maps: int, thresholds: Sequence[float]) -> str | None:
    """What to say of a mask that is one class everywhere.

    Args:
        classes: The lowest and the highest in the mask.
        largest: The largest foreground probability.
        maps: How many maps of probabilities there are.
        thresholds: Of sigmoid maps.

    >>> describe_uniform((0, 0), 0.2, maps=1, thresholds=(0.5,))
    'the prediction is empty; the largest foreground probability is 0.200, the threshold 0.5'
    """
    from cenet.inference.run import format_thresholds

    lowest, highest = classes
    if lowest != highest:
        return None
    what = "empty" if highest == 0 else "full" if maps == 1 else f"class {highest} everywhere"
    limit = f", the {format_thresholds(thresholds[:1])}" if thresholds else ""
    return f"the prediction is {what}; the largest foreground probability is {largest:.3f}{limit}"


def measure_prediction(
    prediction: "Prediction",
    pixels: NDArray[Any],
    kind: Kind,
    *,
    names: Sequence[str],
    pixel_um: tuple[float, float] | None = None,
) -> dict[str, float]:
    """Measure a prediction, with the range of each value over thresholds.

    Args:
        prediction: The prediction.
        pixels: Its image, `(H, W, C)`, on which the field of view of vessels is found.
        kind: What it shows.
        names: Of the foreground classes.
        pixel_um: Height and width of a pixel in micrometres, where they are known.
    """

    def decide(probabilities: NDArray[np.floating]) -> tuple[NDArray[np.uint8], NDArray[np.float64] | None]:
        moved = replace(prediction, probabilities=np.asarray(probabilities, np.float32))
        return moved.mask, moved.layers[1] if moved.ordered else None

    image = MaskToMeasure(
        prediction.mask,
        tuple(names),
        nested=len(prediction.thresholds) > 1,
        pixel_um=pixel_um,
        region=find_region(pixels) if kind == "vessels" else None,
        rows=prediction.layers[1] if prediction.ordered else None,
    )
    return measure_probabilities(
        image, kind, probabilities=prediction.probabilities, softmax=not prediction.thresholds, decide=decide
    )


def find_region(pixels: NDArray[Any]) -> NDArray[np.bool_] | None:
    """The field of view of a photograph, `(H, W)`, or None where there is none to be seen."""
    try:
        return find_field_of_view(pixels)
    except CenetError:  # as in a black image
        return None


class PredictionRecord:
    """What is noted of the predictions of one call.

    Args:
        output: The folder that they are written into.
        measure: What is measured; None for nothing.
        task: The run's task.
        names: Of the foreground classes.

    Raises:
        CenetError: The task that masks are to be measured as has more classes than they.
    """

    def __init__(
        self, output: OutputFolder, measure: MeasurementOptions | None, *, task: str, names: Sequence[str]
    ) -> None:
        self.output, self.measure, self.names = output, measure, names
        self.kind: Kind = "area"
        if measure is not None:
            from cenet.datasets.resolve import resolve_dataset  # slow to import, with all layouts

            kind = resolve_dataset(measure.task or task).measured_as
            if has_kind(kind, len(names)):
                self.kind = kind
            elif measure.task:
                raise CenetError(f"--task {measure.task}", f"the run {TOO_FEW_LAYERS}", "name another task")
        self.expected: dict[str, float] = {}
        self.unfamiliar: list[str] = []

    @property
    def settings(self) -> Note:
        """What predictions with other measurements differ by."""
        if self.measure is None:
            return {"measure": ""}
        return {"measure": self.kind, "pixel-size": str(self.measure.pixel_um or "as the file states it")}

    def add(self, title: str, prediction: "Prediction", pixels: NDArray[Any], *, file: Path) -> Note:
        """Take in a prediction; what is returned is to be noted with it.

        Args:
            title: What its image is called.
            prediction: The prediction.
            pixels: The image.
            file: That it was read from.
        """
        self.expected[title] = estimate_prediction_dice(prediction)
        if prediction.unfamiliar is not None:
            self.unfamiliar.append(title)
        if self.measure is None:
            return {}
        pixel_um = self.measure.pixel_um
        if pixel_um is None and (stated := read_pixel_size(file)) is not None:
            pixel_um = stated.um
        row: dict[str, str | float] = {
            "expected_dice_ratio": self.expected[title],
            "unfamiliar": prediction.unfamiliar or "",
            "pixel_size": format_pixel_size(pixel_um) if pixel_um else "",
            **measure_prediction(prediction, pixels, self.kind, names=self.names, pixel_um=pixel_um),
        }
        return {"row": json.dumps(row)}

    def add_large(self, title: str, expected_dice: float, unfamiliar: str | None) -> None:
        """Take in the prediction of an image that was never in memory, and is not measured.

        Args:
            title: What its image is called.
            expected_dice: The Dice that is expected of its mask.
            unfamiliar: How it differs from the images of the training, if it does.
        """
        self.expected[title] = expected_dice
        if unfamiliar is not None:
            self.unfamiliar.append(title)

    def finish(self) -> list[str]:
        """Write the table, if one was asked for, and say which images to look at first."""
        if self.measure is not None and not self.output.part:  # `merge_shards` writes the table of all parts
            write_measurements(self.output)
        first = list_first_to_look_at(self.expected, self.unfamiliar)
        return [] if first is None else [first]


def group_remarks(remarks: Sequence[tuple[str, str]]) -> list[str]:
    """Say what is said of several images once, with the names of up to three of them.

    Args:
        remarks: The title of an image, and what is remarkable of it.

    >>> group_remarks([(f"{number}.png", "is grey") for number in range(5)] + [("7.png", "is dark")])
    ['0.png, 1.png, 2.png and 2 more: is grey', '7.png: is dark']
    """
    titles_of: dict[str, list[str]] = {}
    for title, remark in remarks:
        titles_of.setdefault(remark, []).append(title)
    return [f"{format_names(titles)}: {remark}" for remark, titles in titles_of.items()]


def list_first_to_look_at(expected: Mapping[str, float], unfamiliar: Sequence[str]) -> str | None:
    """Name the images whose masks deserve a look first; None where all can be looked at, up to five.

    Args:
        expected: The expected Dice of each image.
        unfamiliar: Those that look unlike the images that the model knows.

    >>> list_first_to_look_at({f"{number}.png": 0.5 + number / 20 for number in range(6)}, ["0.png", "1.png", "2.png"])
    'look at these first: 0.png (unfamiliar), ..., 4.png (expected Dice 0.70)'
    """
    if len(expected) <= LISTED:
        return None
    others = [name for name in expected if name not in set(unfamiliar)]  # in their order, where several are equal
    lowest = sorted(others, key=expected.__getitem__)[: max(LISTED - len(unfamiliar), 1)]
    reasons = [f"{name} (unfamiliar)" for name in unfamiliar[:LISTED]]
    reasons += [f"{name} (expected Dice {expected[name]:.2f})" for name in lowest]
    return f"look at these first: {', '.join(reasons)}"


def write_measurements(output: OutputFolder, chosen: Mapping[str, Note] | None = None) -> None:
    """Write the rows that were noted of all predictions in a folder, the latest of each image.

    Args:
        output: The folder.
        chosen: Other notes than the latest, by the titles of their images.

    Raises:
        CenetError: It cannot be written.
    """
    notes = {str(note["image"]): note for note in output.notes if "row" in note} | dict(chosen or {})
    rows = {title: json.loads(str(note["row"])) for title, note in notes.items() if "row" in note}
    output.write_text(TABLE, format_csv([{"image": title, **row} for title, row in sorted(rows.items())]))


def check_measurable(plan: PredictionPlan) -> None:
    """Refuse measurements where no table can be written.

    Raises:
        CenetError: One mask is written alone, or the table would replace a file of somebody else's.
    """
    if plan.single_file:
        raise CenetError(plan.output.path, "gets a mask alone, without --measure", "name a folder as --output")
    plan.output.check([TABLE])
