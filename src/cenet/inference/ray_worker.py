"""A process of a Ray cluster, which holds the model and predicts one image after the other."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cenet.data.io.outputs import Note, OutputFolder
from cenet.errors import CenetError
from cenet.inference.input_options import InputOptions, note_pixel_size
from cenet.inference.list_images import ImageFile
from cenet.inference.overlap import LoadedImage, describe_remarkable, write_prediction_files
from cenet.inference.prediction_files import PlannedPrediction, describe_finished
from cenet.inference.trust import MeasurementOptions, PredictionRecord

if TYPE_CHECKING:
    from cenet.inference.device import Device
    from cenet.inference.engines import EngineName


@dataclass(frozen=True)
class WorkerTask:
    """What a worker needs to know.

    Args:
        run: The name of a released model, a run folder, or the file of an exported model, as the worker finds it.
        output: The folder to write into.
        settings: What is noted with each prediction.
        tta: Average the eight flips and turns.
        uncertainty: Also write how unsure each pixel is.
        overwrite: Replace files of others.
        device: What computes.
        engine: What computes an exported model.
        measure: What is measured of each mask.
        threads: Of the processor.
        reading: How images are read.
    """

    run: str
    output: str
    settings: Note
    tta: bool
    uncertainty: bool
    overwrite: bool
    device: "Device"
    engine: "EngineName"
    measure: MeasurementOptions | None
    threads: int
    reading: InputOptions


class PredictionWorker:
    """Holds the model, and predicts and writes one image after the other.

    Args:
        task: What it needs to know.
    """

    def __init__(self, task: WorkerTask) -> None:
        import torch

        from cenet.inference.ensemble import describe_engine, load_predictor, open_model

        torch.set_num_threads(task.threads)
        self.task, self.run = task, open_model(task.run)
        predictor = load_predictor(self.run, device=task.device, tta=task.tta, engine=task.engine)
        self.predictor = task.reading.limit_windows(predictor)
        part = f"ray-{secrets.token_hex(6)}"
        self.output = OutputFolder(Path(task.output), verb="predict", overwrite=task.overwrite, part=part)
        self.trust = PredictionRecord(
            self.output, task.measure, task=self.run.recipe.task, names=self.run.facts.classes
        )
        self.record: Note = {**task.settings, "engine": describe_engine(self.predictor)}

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Predict an image.

        Args:
            row: From `to_row`.

        Returns:
            What is to be said of it; of one that failed the fields of the error.
        """
        planned = from_row(row)
        title = planned.image.title
        answer: dict[str, Any] = {"title": title, "error": "", "remarks": "[]", "expected": 0.0, "unfamiliar": False}
        try:
            image = LoadedImage.load(planned, self.run.facts, self.task.reading)
            prediction = self.predictor(
                image.pixels, name=image.name, uncertainty=self.task.uncertainty, pixel_um=image.pixel_um
            )
            labels, recipe = self.run.facts.labels, self.run.recipe
            write_prediction_files(
                self.output,
                planned,
                image.pixels,
                prediction,
                num_classes=recipe.num_classes,
                colours=labels.colours if labels else (),
            )
            measured = self.trust.add(title, prediction, image.pixels, file=planned.image.file)
            noted = {**note_pixel_size(image.pixel_um), **measured}
            self.output.add_note({**describe_finished(planned), **self.record, **noted})
        except CenetError as error:
            return {**answer, "error": json.dumps([error.subject, error.cause, error.remedy])}
        remarks = describe_remarkable(image, prediction, recipe, self.run.facts)
        unfamiliar = prediction.unfamiliar is not None
        expected = self.trust.expected[title]
        return {**answer, "remarks": json.dumps(remarks), "expected": expected, "unfamiliar": unfamiliar}


def to_row(planned: PlannedPrediction) -> dict[str, Any]:
    """A planned prediction as plain values, which travel between processes; their current folders differ.

    >>> image = ImageFile(Path("eye.tif").absolute(), 2)
    >>> planned = PlannedPrediction(image, {"mask": "eye-02_mask.png"}, "eye-02")
    >>> from_row(to_row(planned)) == planned
    True
    """
    image = planned.image
    page = -1 if image.page is None else image.page
    return {
        "file": str(image.file.absolute()),
        "page": page,
        "prefix": planned.prefix or "",
        "files": json.dumps(dict(planned.files)),
    }


def from_row(row: dict[str, Any]) -> PlannedPrediction:
    """The planned prediction of a row of `to_row`."""
    image = ImageFile(Path(str(row["file"])), None if row["page"] < 0 else int(row["page"]))
    return PlannedPrediction(image, json.loads(str(row["files"])), str(row["prefix"]))
