"""`cenet predict`: masks, overlays and probabilities of images, in their own geometry."""

from collections import Counter
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cenet.ensembles import open_run
from cenet.errors import CenetError
from cenet.files import check_place
from cenet.images import IMAGE_SUFFIXES, read_image
from cenet.inference import Prediction
from cenet.machine import Machine
from cenet.pictures import write_boundaries, write_mask, write_overlay, write_probability
from cenet.runs import listed


def predict(
    path: Path,
    image: Path,
    *,
    output: Path,
    tta: bool = False,
    probabilities: bool = False,
    machine: Machine,
) -> list[str]:
    """Predict an image or a folder of images, into `STEM_mask.png`, `STEM_overlay.png` and `STEM_probability.tif`.

    Where classes lie in layers, `STEM_boundaries.npy` holds the rows of the boundaries between them.

    Args:
        path: The run folder, or an ensemble's.
        image: An image file, or a folder of them.
        output: The folder to write into.
        tta: Average the eight flips and turns.
        probabilities: Also write the probabilities (float32, classes first).
        machine: What computes.

    Returns:
        A remark for each prediction that is empty or full.

    Raises:
        CenetError: An image that cannot be read or does not fit the run; those before it are written.
    """
    files = _files(image)
    run = open_run(path)
    predictor = run.predictor(device=machine.device, tta=tta)
    check_place(output)
    if image.is_dir() and output.resolve() == image.resolve():
        raise CenetError(f"{output}: holds the images, and masks would be taken for images; choose another --output")
    colours = run.facts.labels.colours if run.facts.labels else ()
    remarks = []
    for file in tqdm(files, desc="predicting", unit="image", disable=len(files) < 2):
        pixels = read_image(file)
        prediction = predictor(pixels, name=str(file))
        write_mask(
            output / f"{file.stem}_mask.png", prediction.mask, num_classes=run.recipe.num_classes, colours=colours
        )
        write_overlay(output / f"{file.stem}_overlay.png", pixels, prediction.mask, colours=colours)
        if probabilities:
            write_probability(output / f"{file.stem}_probability.tif", prediction.probabilities)
        if prediction.ordered:
            write_boundaries(output / f"{file.stem}_boundaries.npy", prediction.layers[1])
        if run.recipe.crop_around is not None and prediction.box is None:
            remarks.append(f"{file.name}: the finder finds nothing to look at, so the prediction is empty")
        elif remark := remark_on(prediction):
            remarks.append(f"{file.name}: {remark}")
    return remarks


def remark_on(prediction: Prediction) -> str | None:
    """What to say of a prediction that is one class everywhere, with the largest foreground probability.

    >>> remark_on(Prediction(np.full((1, 2, 2), 0.2, np.float32), (0.5,)))
    'the prediction is empty; the largest foreground probability is 0.200, the threshold 0.5'
    """
    mask, probabilities = prediction.mask, prediction.probabilities
    if mask.min() != mask.max():
        return None
    sigmoid, cuts = bool(prediction.thresholds), listed(prediction.thresholds[:1])
    what = "empty" if mask.max() == 0 else "full" if len(probabilities) == 1 else f"class {mask.max()} everywhere"
    foreground = probabilities[:1] if sigmoid else probabilities[1:]  # nested regions lie inside the first
    largest = float(np.max(foreground))
    cut = f", the threshold {cuts}" if sigmoid else ""
    return f"the prediction is {what}; the largest foreground probability is {largest:.3f}{cut}"


def _files(image: Path) -> list[Path]:
    if not image.is_dir():
        return [image]
    files = sorted(p for p in image.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith("."))
    if not files:
        raise CenetError(f"{image}: holds no image ({', '.join(IMAGE_SUFFIXES)}); name a folder that does")
    stem, times = Counter(file.stem for file in files).most_common(1)[0]
    if times > 1:
        raise CenetError(f"{image}: {times} images are called {stem}, and their masks would be one; rename them")
    return files
