"""Segments a layer of napari with a released model or a run."""

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError
from cenet.models.installed import list_installed_models

if TYPE_CHECKING:
    import napari.layers  # type: ignore[import-not-found, unused-ignore]  # napari is the user's
    import napari.types  # type: ignore[import-not-found, unused-ignore]

    from cenet.inference.ensemble import LoadedPredictor


def list_models(_widget: object = None) -> list[str]:
    """Name the released models that are installed, for the choice in napari."""
    return list(list_installed_models())


def segment(
    image: "napari.layers.Image",
    model: Annotated[str, {"choices": list_models}] = "vessels-open",
    run_folder: str = "",
    views: Annotated[str, {"choices": ["one", "all flips and turns"]}] = "one",
    show_probabilities: bool = False,
) -> "list[napari.types.LayerDataTuple]":
    """Segment an image layer; of a stack, every plane by itself.

    Args:
        image: The layer, with the pixels as the file holds them.
        model: A released model.
        run_folder: A run of your own, in place of the model.
        views: Whether eight flips and turns are averaged, which takes eight times as long.
        show_probabilities: Also add the probability of each map as a layer.

    Returns:
        A labels layer, and the layers of probabilities.

    Raises:
        CenetError: There is no such model or run, or the image is of another kind than in its training.
    """
    name = run_folder or model
    predict = _load(name, tta=views != "one")
    is_rgb = bool(image.rgb)
    pixels = np.asarray(image.data[0] if getattr(image, "multiscale", False) else image.data)  # the finest level
    planes, grid = _split_planes(pixels[..., :3] if is_rgb else pixels, is_rgb=is_rgb)  # without alpha
    predictions = [predict(plane, name=image.name) for plane in planes]
    place = _find_place(image)
    mask = np.stack([prediction.mask for prediction in predictions])
    layers: list[Any] = [(mask.reshape(*grid, *mask.shape[1:]), {"name": f"{image.name} {name}", **place}, "labels")]
    if show_probabilities:
        probabilities = np.stack([prediction.probabilities for prediction in predictions], axis=1)
        layers += [
            (
                of_map.reshape(*grid, *of_map.shape[1:]),
                {"name": f"{image.name} probability {number}", **place, "visible": False, "colormap": "magma"},
                "image",
            )
            for number, of_map in enumerate(probabilities, start=1)
        ]
    return layers


@lru_cache(maxsize=4)
def _load(name: str, *, tta: bool) -> "LoadedPredictor":
    from cenet.inference.ensemble import load

    return load(name, tta=tta)


def _find_place(image: "napari.layers.Image") -> dict[str, Any]:
    """Where a layer lies, as properties of another layer in the same place."""
    place = {"scale": image.scale}
    for name in ("translate", "rotate", "shear", "affine"):
        value = getattr(image, name, None)
        if value is not None and not (name == "shear" and not np.any(value)):  # of no shear napari takes no zeros
            place[name] = np.array(getattr(value, "affine_matrix", value))
    return place


def _split_planes(pixels: NDArray[Any], *, is_rgb: bool) -> tuple[list[NDArray[Any]], tuple[int, ...]]:
    """The planes `(H, W, C)` of an image or a stack, and the stack's shape before height and width."""
    if pixels.ndim < 2 + is_rgb:
        raise CenetError("the layer", f"its shape {pixels.shape} is not that of an image", "choose an image layer")
    if not pixels.size:
        raise CenetError("the layer", "it holds no pixels", "choose another layer")
    if not is_rgb:
        pixels = pixels[..., None]
    grid = pixels.shape[:-3]
    return list(pixels.reshape(-1, *pixels.shape[-3:])), grid
