"""`cenet predict`: masks, overlays and probabilities of images, in their own geometry."""

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import overload

import numpy as np
from tqdm import tqdm

from cenet.data.io.files import check_writable
from cenet.data.io.read import IMAGE_SUFFIXES, check_usable, page_count, read_image
from cenet.data.io.write import write_boundaries, write_mask, write_overlay, write_probability
from cenet.errors import CenetError
from cenet.inference.device import Device, DeviceConfig, to_device_config
from cenet.inference.ensemble import AnyPredictor, load, open_run
from cenet.inference.pixels import InputImage, InputImages
from cenet.inference.predictor import Prediction
from cenet.inference.run import format_numbers
from cenet.networks import NetworkFactory


@dataclass(frozen=True)
class ImageFile:
    """An image in a file, to predict.

    Args:
        file: Where it is.
        page: Which one of a stack; None for the only one.

    >>> ImageFile(Path("scans/stack.tif"), 7).stem, ImageFile(Path("scans/eye.png")).stem
    ('stack-07', 'eye')
    """

    file: Path
    page: int | None = None

    @property
    def stem(self) -> str:
        """What its prediction is called."""
        return self.file.stem + ("" if self.page is None else f"-{self.page:02}")

    def describe(self, name: str) -> str:
        """What messages call it, by the name or the path of its file."""
        return name if self.page is None else f"{name}, page {self.page}"


@overload
def predict(
    run: Path | str | AnyPredictor,
    images: InputImage,
    *,
    device: DeviceConfig | Device = ...,
    tta: bool = ...,
    network: NetworkFactory | None = ...,
) -> Prediction: ...
@overload
def predict(
    run: Path | str | AnyPredictor,
    images: InputImages,
    *,
    device: DeviceConfig | Device = ...,
    tta: bool = ...,
    network: NetworkFactory | None = ...,
) -> list[Prediction]: ...
def predict(
    run: Path | str | AnyPredictor,
    images: InputImage | InputImages,
    *,
    device: DeviceConfig | Device = "auto",
    tta: bool = False,
    network: NetworkFactory | None = None,
) -> Prediction | list[Prediction]:
    """Predict an image or a list of images; nothing is written, see `write_predictions` for that.

    Args:
        run: The run folder, an ensemble's, or what `cenet.load` returned, for which the options do not count.
        images: A file, a PIL image, or an array `(H, W, C)` as the network was trained on; or a list of these.
        device: What computes: `auto`, `cpu`, `cuda` or `mps`, or a whole configuration.
        tta: Average the eight flips and turns.
        network: The class of the run's network, where it is one of your own.

    Returns:
        The prediction, with `mask` and `probabilities`; for a list one for each image.

    Raises:
        CenetError: The run is not complete, or an image cannot be read or is of another kind than in training.
    """
    predictor = load(run, device=device, tta=tta, network=network) if isinstance(run, Path | str) else run
    return predictor(images)


def write_predictions(
    path: Path | str,
    image: Path | str | Sequence[Path | str],
    *,
    output: Path | str,
    tta: bool = False,
    probabilities: bool = False,
    device: DeviceConfig | Device = "auto",
    network: NetworkFactory | None = None,
) -> list[str]:
    """Predict an image or a folder of images, into `STEM_mask.png`, `STEM_overlay.png` and `STEM_probability.tif`.

    Where classes lie in layers, `STEM_boundaries.npy` holds the rows of the boundaries between them. Of a TIFF with
    several pages every page is predicted, as `STEM-00`, `STEM-01`, ...

    Args:
        path: The run folder, or an ensemble's.
        image: An image file or a stack of them, a folder of such files, or several of these.
        output: The folder to write into.
        tta: Average the eight flips and turns.
        probabilities: Also write the probabilities (float32, classes first).
        device: What computes: `auto`, `cpu`, `cuda` or `mps`, or a whole configuration.
        network: The class of the run's network, where it is one of your own.

    Returns:
        A remark for each prediction that is empty or full, and on files that were ignored.

    Raises:
        CenetError: An image that cannot be read or does not fit the run; those before it are written.
    """
    paths = [Path(image)] if isinstance(image, str | Path) else [Path(item) for item in image]
    output = Path(output)
    sources = _list_sources(paths)
    run = open_run(path, network=network)
    predictor = run.predictor(device=to_device_config(device).device, tta=tta)
    check_writable(output)
    if any(folder.is_dir() and output.resolve() == folder.resolve() for folder in paths):
        raise CenetError(output, "holds the images, and masks would be taken for images", "choose another --output")
    colours = run.facts.labels.colours if run.facts.labels else ()
    remarks, refused = [remark for folder in paths for remark in _passed_over(folder)], list[CenetError]()
    for source in tqdm(sources, desc="predicting", unit="image", disable=len(sources) < 2):
        stem, name = source.stem, source.describe(str(source.file))
        try:
            pixels = read_image(source.file, page=source.page)
            check_usable(pixels, name=name, min_side_px=1)
            prediction = predictor(pixels, name=name)
        except CenetError as error:
            refused.append(error)
            continue
        write_mask(output / f"{stem}_mask.png", prediction.mask, num_classes=run.recipe.num_classes, colours=colours)
        write_overlay(output / f"{stem}_overlay.png", pixels, prediction.mask, colours=colours)
        if probabilities:
            write_probability(output / f"{stem}_probability.tif", prediction.probabilities)
        if prediction.ordered:
            write_boundaries(output / f"{stem}_boundaries.npy", prediction.layers[1])
        short_name = source.describe(source.file.name)
        if run.recipe.roi_fraction is not None and prediction.box is None:
            remarks.append(f"{short_name}: the localiser finds nothing, so the prediction is empty")
        elif remark := describe_uniform_prediction(prediction):
            remarks.append(f"{short_name}: {remark}")
    if refused:
        for remark in remarks:
            print(f"note: {remark}", file=sys.stderr)
        first, remedy = refused[0], refused[0].remedy
        if len(sources) > 1:
            remedy += f" ({len(refused)} of {len(sources)} images fail; the others are written)"
        raise CenetError(first.subject, first.cause, remedy)
    return remarks


def _passed_over(image: Path) -> list[str]:
    """A remark on what lies in a folder beside the images, such as images of a kind that is not read."""
    others = [p.name for p in sorted(image.iterdir()) if not _is_read(p)] if image.is_dir() else []
    shown = ", ".join(others[:3]) + f" and {len(others) - 3} more" * (len(others) > 3)
    return [f"{shown}: passed over, as only {', '.join(IMAGE_SUFFIXES)} files are read"] if others else []


def _is_read(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES or path.name.startswith(".")


def describe_uniform_prediction(prediction: Prediction) -> str | None:
    """What to say of a prediction that is one class everywhere, with the largest foreground probability.

    >>> describe_uniform_prediction(Prediction(np.full((1, 2, 2), 0.2, np.float32), (0.5,)))
    'the prediction is empty; the largest foreground probability is 0.200, the threshold 0.5'
    """
    mask, probabilities = prediction.mask, prediction.probabilities
    if mask.min() != mask.max():
        return None
    sigmoid, threshold = bool(prediction.thresholds), format_numbers(prediction.thresholds[:1])
    what = "empty" if mask.max() == 0 else "full" if len(probabilities) == 1 else f"class {mask.max()} everywhere"
    foreground = probabilities[:1] if sigmoid else probabilities[1:]  # nested regions lie inside the first
    largest = float(np.max(foreground))
    limit = f", the threshold {threshold}" if sigmoid else ""
    return f"the prediction is {what}; the largest foreground probability is {largest:.3f}{limit}"


def _list_sources(paths: Sequence[Path]) -> list[ImageFile]:
    """List what is to be predicted; no two predictions may have one name."""
    sources = [source for path in paths for source in _list_images(path)]
    if not sources:
        raise CenetError("predict", "no image is named", "name an image, or a folder of images")
    stem, times = Counter(source.stem for source in sources).most_common(1)[0]
    if times > 1:
        raise CenetError(paths[0], f"{times} images are called {stem}, and their masks would be one", "rename them")
    return sources


def _list_images(image: Path) -> list[ImageFile]:
    """List the images of a file or of a folder."""
    if not image.is_dir():
        return _pages(image)
    files = sorted(p for p in image.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith("."))
    if not files:
        raise CenetError(image, f"holds no image ({', '.join(IMAGE_SUFFIXES)})", "name a folder that does")
    return [source for file in files for source in _pages(file)]


def _pages(file: Path) -> list[ImageFile]:
    """List the pages of a file; one that cannot be read is reported when its turn comes."""
    if file.suffix.lower() in (".tif", ".tiff"):
        with suppress(CenetError):
            if (count := page_count(file)) > 1:
                return [ImageFile(file, page) for page in range(count)]
    return [ImageFile(file)]
