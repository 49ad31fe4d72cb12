"""A model that is served: a predictor, and what one must know to read its masks."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from cenet.errors import CenetError
from cenet.measurements import Kind
from cenet.measurements.measure import has_kind

if TYPE_CHECKING:
    from cenet.inference.device import AnyDevice
    from cenet.inference.prediction import Prediction


class PredictorFunction(Protocol):
    """Anything that predicts an image: a network in PyTorch, an ensemble, or an exported model."""

    def __call__(self, image: NDArray[Any], *, name: str = ..., uncertainty: bool = ...) -> "Prediction":
        """Predict an image `(H, W, C)`, with its uncertainty if asked; a CenetError says why one is refused."""
        ...


@dataclass(frozen=True, kw_only=True)
class ServedModel:
    """A model that is served.

    Args:
        name: What a request calls it.
        predict: Predicts an image.
        classes: Names of the foreground classes.
        num_classes: 1 for a binary mask; otherwise with the background.
        nested: Whether each class lies inside the one before.
        colours: "#rrggbb" in which each class is shown, or empty.
        kind: What its masks show, for measurements.
        in_channels: Of the images that it was trained on; None where it takes any.
        channels: What their channels are called, where that is known.
        dtype: Of their values.
        fingerprint: SHA-256 of all that its predictions depend on.
        title: What it is for.
        version: Of a released model; empty for a run.
    """

    name: str
    predict: PredictorFunction
    classes: tuple[str, ...] = ("foreground",)
    num_classes: int = 1
    nested: bool = False
    colours: tuple[str, ...] = ()
    kind: Kind = "area"
    in_channels: int | None = None
    channels: tuple[str, ...] = ()
    dtype: str = "uint8"
    fingerprint: str = ""
    title: str = ""
    version: str = ""


def load_served_models(
    runs: Sequence[str], *, device: "AnyDevice" = "auto", tta: bool = False
) -> dict[str, ServedModel]:
    """Load models, by the names that requests call them: of a released model its own, of a run that of its folder.

    An exported model is called by the name of its file, without the ending.

    Args:
        runs: Names of released models, run folders, and files of exported models.
        device: What computes.
        tta: Average the eight flips and turns.

    Raises:
        CenetError: One cannot be loaded, or two would have the same name.
    """
    from cenet.datasets.resolve import resolve_dataset
    from cenet.inference.ensemble import fingerprint_run, load_predictor, open_model
    from cenet.inference.model_file import is_model_file

    opened = [open_model(run) for run in runs]
    paths = [run.path.resolve() for run in opened]
    names = [path.stem if is_model_file(path) else path.name for path in paths]
    for name, count in Counter(names).items():
        if count > 1:
            raise CenetError(name, f"{count} models have this name", "rename the folder or file of one")
    models = {}
    for name, run in zip(names, opened, strict=True):
        model = getattr(run, "model", getattr(run, "info", None))
        kind = resolve_dataset(run.recipe.task).measured_as
        models[name] = ServedModel(
            name=name,
            predict=load_predictor(run, device=device, tta=tta),
            classes=run.facts.classes,
            num_classes=run.recipe.num_classes,
            nested=run.recipe.nested,
            colours=run.facts.labels.colours if run.facts.labels else (),
            kind=kind if has_kind(kind, len(run.facts.classes)) else "area",
            in_channels=run.facts.in_channels,
            channels=run.facts.channels,
            dtype=run.facts.dtype,
            fingerprint=fingerprint_run(run),
            title=model.title if model else f"run {name}",
            version=model.version if model else "",
        )
    return models
