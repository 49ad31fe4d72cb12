"""Trained runs by their folder: one, or the folds of a cross-validation as an ensemble."""

import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from cenet.config.json_files import read_json
from cenet.config.recipe import Recipe
from cenet.data.splits import Part
from cenet.errors import CenetError
from cenet.inference.device import AnyDevice, to_device_config
from cenet.inference.engines import EngineName
from cenet.inference.exported import ExportedModel, ExportedPredictor
from cenet.inference.model_file import is_model_file
from cenet.inference.pixels import InputImage, InputImages, to_pixels
from cenet.inference.post_processing import find_common_post_processing
from cenet.inference.run import Run
from cenet.inference.run_folder import LOCALISER
from cenet.inference.run_metadata import RunMetadata
from cenet.inference.uncertainty import estimate_uncertainty
from cenet.models.installed import resolve_run
from cenet.safe_text import print_line

if TYPE_CHECKING:  # imported when they are used, so that a folder is refused before torch is there
    from cenet.data.appearance import ImageAppearance
    from cenet.data.preprocessing import PixelSource
    from cenet.inference.pipeline import PixelUm
    from cenet.inference.prediction import Prediction
    from cenet.inference.predictor import Predictor
    from cenet.networks import NetworkFactory

MEMBERS = "ensemble.json"
MemberName = Annotated[str, Field(pattern=r"^\w[\w. -]*(/\w[\w. -]*)*$", max_length=1000)]  # no way out of the folder
PREDICTING_FACTS = {"in_channels", "dtype", "value_range", "labels", "operating_points", "weights_sha256"}


class EnsemblePredictor:
    """Several networks as one: the mean of their calibrated probabilities, with the mean of their thresholds.

    Masks are post-processed as all members at least do it.

    Args:
        members: The predictor of each.
    """

    def __init__(self, members: "Sequence[Predictor]") -> None:
        self.members = tuple(members)
        thresholds = zip(*(member.thresholds for member in members), strict=True)
        self.thresholds = tuple(float(np.mean(of_map)) for of_map in thresholds)
        self.post_processing = find_common_post_processing([member.post_processing for member in members])

    @property
    def appearance(self) -> "ImageAppearance | None":
        """How the training images look; the members saw nearly the same."""
        return self.members[0].appearance

    @overload
    def __call__(
        self, image: InputImage, *, name: str = ..., uncertainty: bool = ..., pixel_um: "PixelUm | None" = ...
    ) -> "Prediction": ...
    @overload
    def __call__(
        self, image: InputImages, *, name: str = ..., uncertainty: bool = ..., pixel_um: "PixelUm | None" = ...
    ) -> "list[Prediction]": ...
    def __call__(
        self,
        image: InputImage | InputImages,
        *,
        name: str = "image",
        uncertainty: bool = False,
        pixel_um: "PixelUm | None" = None,
    ) -> "Prediction | list[Prediction]":
        """Predict images, as `Predictor` does; uncertainty comes from the members, of a single one from its views."""
        if isinstance(image, list | tuple):
            options: Any = {"uncertainty": uncertainty, "pixel_um": pixel_um}
            return [self(item, name=f"{name} {number}", **options) for number, item in enumerate(image)]
        pixels, name = to_pixels(image, name=name, expects=self.members[0].expects, channels=self.members[0].channels)
        _, prediction = self.predict_raw_and_calibrated(pixels, name=name, uncertainty=uncertainty, pixel_um=pixel_um)
        return replace(prediction, unfamiliar=self.appearance.describe_unfamiliar(pixels) if self.appearance else None)

    def predict_raw_and_calibrated(
        self, image: NDArray[Any], *, name: str = "image", uncertainty: bool = False, pixel_um: "PixelUm | None" = None
    ) -> "tuple[NDArray[np.float32], Prediction]":
        """The mean of the members' probabilities before each calibrates its own, and the prediction after it."""
        raw, predictions = zip(
            *(
                member.predict_raw_and_calibrated(
                    image, name=name, uncertainty=uncertainty and len(self.members) == 1, pixel_um=pixel_um
                )
                for member in self.members
            ),
            strict=True,
        )
        unsure = predictions[0].uncertainty
        if uncertainty and unsure is None:
            probabilities = [prediction.probabilities for prediction in predictions]
            unsure = estimate_uncertainty(probabilities, softmax=not self.thresholds)
        mean = replace(self._average(predictions), uncertainty=unsure, post_processing=self.post_processing)
        return np.asarray(np.mean(raw, axis=0), np.float32), mean

    def with_windows(self, tile_px: int) -> "EnsemblePredictor":
        """A copy whose larger images meet the networks in windows of this side, in place of the recipe's."""
        return EnsemblePredictor([member.with_windows(tile_px) for member in self.members])

    def predict_bands(
        self, image: "PixelSource", *, name: str = "image", pixel_um: "PixelUm | None" = None
    ) -> "Iterator[tuple[slice, Prediction]]":
        """Predict an image of which parts are read, band by band and without post-processing, as `Predictor` does."""
        bands = [member.predict_bands(image, name=name, pixel_um=pixel_um) for member in self.members]
        for (rows, first), *others in zip(*bands, strict=True):
            yield rows, self._average([first, *(prediction for _, prediction in others)])

    def _average(self, predictions: "Sequence[Prediction]") -> "Prediction":
        from cenet.inference.prediction import Prediction

        mean = np.mean([prediction.probabilities for prediction in predictions], axis=0)
        probabilities = np.asarray(mean, np.float32)
        # the other members look there or nearly there
        box = next((prediction.box for prediction in predictions if prediction.box), None)
        return Prediction(
            probabilities,
            self.thresholds,
            self.members[0].ordered,
            box,
            predictions[0].field_of_view_px,
            windows=predictions[0].windows,
            window_px=predictions[0].window_px,
        )


AnyPredictor: TypeAlias = "Predictor | EnsemblePredictor"
LoadedPredictor: TypeAlias = "AnyPredictor | ExportedPredictor"


class EnsembleFile(BaseModel):
    """The content of an `ensemble.json`: the folders of its members, inside its own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    members: Annotated[tuple[MemberName, ...], Field(min_length=1, max_length=1000)]


def describe_predictions(run: Run) -> tuple[object, ...]:
    """Return what the members of an ensemble must have in common."""
    return run.recipe.num_classes, run.recipe.nested, run.recipe.ordered, run.facts.in_channels, run.facts.dtype


class Ensemble:
    """Runs that predict together; they share recipe (but for the seed), classes and kind of images.

    Args:
        path: The folder, in which `ensemble.json` lists the folders of its members.
        network: The class of the members' network, where it is one of your own.
    """

    def __init__(self, path: str | Path, *, network: "NetworkFactory | None" = None) -> None:
        self.path = Path(path)
        listing = self.path / MEMBERS
        remedy = "name a folder that `cenet cross-validate` has written"
        content = read_json(listing, EnsembleFile, cause="lists no runs", remedy=remedy)
        self.members = [Run(self.path / name, network=network) for name in content.members]
        self.recipe: Recipe = self.members[0].recipe
        for run in self.members:
            if not run.facts.finished:
                remedy = "give the command that started it again"
                raise CenetError(run.path, "its training is not finished", remedy)
            if describe_predictions(run) != describe_predictions(self.members[0]):
                cause = f"predicts other classes, or from other images, than {self.members[0].path}"
                raise CenetError(run.path, cause, "copy the folder again")

    @property
    def facts(self) -> RunMetadata:
        """What the members have in common, as the first knows it."""
        return self.members[0].facts

    def part_of(self, fingerprint: str) -> Part | None:
        """The part in which any member has seen an image; training comes before the others."""
        parts = {member.part_of(fingerprint) for member in self.members}
        known: Sequence[Part] = ("train", "validation", "test")
        return next((part for part in known if part in parts), None)

    def predictor(self, *, device: str = "cpu", tta: bool = False) -> EnsemblePredictor:
        """The predictor that averages the members' probabilities."""
        return EnsemblePredictor([member.predictor(device=device, tta=tta) for member in self.members])


def open_run(path: str | Path, *, network: "NetworkFactory | None" = None) -> Run | Ensemble:
    """A run, or an ensemble of runs, by its folder or name.

    Args:
        path: The folder, or the name of a released model.
        network: The class of its network, where it is one of your own.

    Raises:
        CenetError: The folder is neither, or is not complete; or there is no such model.
    """
    folder = resolve_run(path)
    return Ensemble(folder, network=network) if (folder / MEMBERS).exists() else Run(folder, network=network)


OpenedModel = Run | Ensemble | ExportedModel


def open_model(path: str | Path, *, network: "NetworkFactory | None" = None) -> OpenedModel:
    """What predicts, by its folder, name or file.

    Args:
        path: The file of an exported model; else as for `open_run`.
        network: As for `open_run`.

    Raises:
        CenetError: It is not complete, or there is none.
    """
    return ExportedModel(path) if is_model_file(path) else open_run(path, network=network)


def load_predictor(
    run: OpenedModel, *, device: AnyDevice = "auto", tta: bool = False, engine: EngineName = "auto"
) -> LoadedPredictor:
    """The predictor of a run, of an ensemble, or of an exported model, which needs no PyTorch.

    Args:
        run: What predicts.
        device: What computes a run.
        tta: Average the eight flips and turns.
        engine: What computes an exported model.

    Raises:
        CenetError: It is not complete, or there is no such device or engine.
    """
    if isinstance(run, ExportedModel):
        if (device if isinstance(device, str) else device.device) not in ("auto", "cpu"):
            raise CenetError(run.path, "is computed by the processor", "use --device cpu or auto")
        return run.predictor(tta=tta, engine=engine)
    if engine != "auto":
        remedy = "leave the engine out, or export it with `cenet export` and predict with the file"
        raise CenetError(run.path, f"is a run, which PyTorch computes, and not {engine}", remedy)
    if isinstance(run, Run):
        note_unfinished(run)
    return run.predictor(device=to_device_config(device).device, tta=tta)


def note_unfinished(run: Run) -> None:
    """Print a note where the training of a run has not come to its end."""
    if not run.facts.finished:
        print_line(f"note: the training of {run.path} is not finished", file=sys.stderr)


def describe_engine(predictor: LoadedPredictor) -> str:
    """The package that computes a predictor's network, and its version."""
    if isinstance(predictor, ExportedPredictor):
        return f"{predictor.engine.name} {predictor.engine.version}"
    return f"torch {metadata.version('torch')}"


def fingerprint_run(run: OpenedModel) -> str:
    """The SHA-256 of what a run's predictions depend on: recipes, weights, calibration, thresholds and classes.

    Args:
        run: A run, an ensemble or an exported model.
    """
    if isinstance(run, ExportedModel):
        return run.fingerprint()
    runs = list(run.members) if isinstance(run, Ensemble) else [run]
    runs += [Run(member.path / LOCALISER) for member in runs if member.recipe.roi_fraction is not None]
    digest = hashlib.sha256()
    for one in runs:
        digest.update(one.recipe.model_dump_json().encode())
        digest.update(one.facts.model_dump_json(include=PREDICTING_FACTS).encode())
    return digest.hexdigest()


def load(
    run: str | Path,
    *,
    device: AnyDevice = "auto",
    tta: bool = False,
    network: "NetworkFactory | None" = None,
) -> LoadedPredictor:
    """A released model, trained run or ensemble, ready to predict: `cenet.load("vessels")(image)`.

    Args:
        run: The name of a released model, a run folder, that of a cross-validation, or the file of an exported model;
            where a folder here has the name of a model, write `./NAME` for the folder.
        device: What computes: `auto`, `cpu`, `cuda` or `mps`, or a whole configuration.
        tta: Average the eight flips and turns.
        network: The class of its network, where it is one of your own; a run folder holds its name, not its code.

    Raises:
        CenetError: The folder is not a run, or is not complete; or there is no such model.
    """
    return load_predictor(open_model(run, network=network), device=device, tta=tta)
