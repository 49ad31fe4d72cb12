"""Whether a released model still says of an image that everyone has what it said when it was released."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from cenet.data.io.read import read_image
from cenet.datasets.registry import TASKS
from cenet.inference.run import Run
from cenet.models.model_info import CheckedPrediction, CheckImage
from cenet.phantoms import write_phantoms

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID = 8  # blocks along each side of the image
TOLERANCE = 0.005  # of a mean probability, or of the share of a mask; other processors differ by some 1e-5
LAYOUTS = {"vessels": "folder"}  # of phantoms that are not laid out as the task of their name


def read_check_image(image: CheckImage, size_px: int) -> "NDArray[Any]":
    """The photograph of a retina that comes with scikit-image, or the first phantom of a task.

    Args:
        image: `retina`, or a task of `cenet.phantoms`.
        size_px: Side of the phantom, pixels.

    Shape:
        `(H, W, C)`.
    """
    if image == "retina":
        from skimage import data

        return np.asarray(data.retina())
    with TemporaryDirectory(prefix="cenet-check-") as folder:
        write_phantoms(Path(folder, image), task=image, count=1, seed=0, size_px=size_px)
        sample = TASKS[LAYOUTS.get(image, image)].read(Path(folder, image))[0]
        return read_image(sample.image, page=sample.page)


def predict_check_image(run: Run, image: CheckImage, size_px: int = 0) -> CheckedPrediction:
    """Predict an image that everyone has, and reduce the prediction to a few numbers.

    Args:
        run: The run or model.
        image: As for `read_check_image`.
        size_px: Likewise.
    """
    prediction = run.predictor()(read_check_image(image, size_px))
    grid = tuple(_block_means(probabilities) for probabilities in prediction.probabilities)
    classes = range(1, len(run.facts.classes) + 1)
    shares = tuple(round(float((prediction.mask == index).mean()), 5) for index in classes)
    return CheckedPrediction(image=image, size_px=size_px, grid=grid, mask_shares=shares)


def measure_deviation(run: Run) -> float:
    """The largest difference between what a model says of its check image and what it said when it was released.

    Args:
        run: A released model with a `check`.
    """
    assert run.model is not None
    assert run.model.check is not None
    stored = run.model.check
    now = predict_check_image(run, stored.image, stored.size_px)
    grids = np.abs(np.array(now.grid) - np.array(stored.grid))
    shares = np.abs(np.array(now.mask_shares) - np.array(stored.mask_shares))
    return float(max(grids.max(), shares.max()))


def _block_means(probabilities: "NDArray[np.float32]") -> Sequence[float]:
    rows = np.array_split(probabilities, GRID, axis=0)
    blocks = [block for row in rows for block in np.array_split(row, GRID, axis=1)]
    return tuple(round(float(block.mean(dtype=np.float64)), 5) for block in blocks)
