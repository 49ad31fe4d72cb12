"""`cenet demo`: a real photograph by a released model, then phantoms, training and scores, in minutes on a CPU."""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.data.io.files import check_writable
from cenet.data.io.read import read_image
from cenet.data.labels.detect import detect_encoding
from cenet.data.loading import load_sample
from cenet.datasets.folder import read_folder
from cenet.errors import CenetError
from cenet.evaluation.evaluate import evaluate
from cenet.inference.device import AnyDevice, DeviceConfig, to_device_config
from cenet.inference.predict import write_predictions
from cenet.inference.predictor import Predictor
from cenet.metrics import Counts, count, dice
from cenet.models.installed import list_installed_models
from cenet.networks import build_network
from cenet.phantoms import write_phantoms
from cenet.reporting.evaluation_text import format_evaluation
from cenet.reporting.files import write_evaluation_files
from cenet.safe_text import print_line
from cenet.training.train import train

OVERLAYS = 3
RELEASED = "vessels-open"  # comes with the package
TRAINING_MINUTES = 2.5  # as many steps as fit on this machine, as busy as it is
CHANGES = {"network": "cenet-lite", "learning_rate": 3e-3, "batch_size": 4, "validate_tta": False}


def demo(output: Path, *, seed: int = 0, device: AnyDevice = "auto", images: int = 24) -> None:
    """Segment scikit-image's photograph of a retina with a released model, then train on phantoms and score.

    Args:
        output: The folder to make.
        seed: Seed of the phantoms, their split and the training.
        device: What computes: `auto`, `cpu`, `cuda` or `mps`, or a whole configuration.
        images: Number of phantoms.

    Raises:
        CenetError: The output folder already exists or cannot be written.
    """
    if output.exists():
        raise CenetError(output, "already exists", "remove it, or choose another --output")
    check_writable(output)
    began, device = time.monotonic(), to_device_config(device)
    data, run, photograph = output / "phantoms", output / "vessels", output / "photograph" / "retina.png"
    recipe = load_recipe("phantom-vessels").replace(**CHANGES, seed=seed)
    write_photograph(photograph)
    with report_time(f"1/5  segmenting a real photograph with the released model {RELEASED}: some seconds"):
        if RELEASED in list_installed_models():
            _segment(RELEASED, photograph, output / "released", device)
        else:
            print(f"note: {RELEASED} is not in this build of cenet")
    drawing, scoring = measure_seconds(recipe, device, images=images)
    print(
        f"the rest takes about {(drawing + scoring) / 60 + TRAINING_MINUTES:.1f} minutes on this machine: "
        f"drawing {drawing:.0f} s, training {60 * TRAINING_MINUTES:.0f} s, scoring {scoring:.0f} s\n"
    )
    with report_time(f"2/5  drawing {images} fundus phantoms with exact labels"):
        write_phantoms(data, task="vessels", count=images, seed=seed)
    with report_time(f"3/5  training {recipe.network} on them, as many steps as fit into the time"):
        train(recipe, data, output=run, device=device, minutes=TRAINING_MINUTES)
    with report_time("4/5  scoring it on the phantoms that were held out"):
        report = evaluate(run, device=device, output=output / "scores", overlays=OVERLAYS)
        write_evaluation_files(report, overlays=OVERLAYS)
        print(format_evaluation(report))
        names = [image.name for image in report.data.images]
        print(f"for comparison, Otsu's threshold on the green channel: Dice {otsu_dice(data, names):.4f} (pooled)")
    with report_time("5/5  segmenting the photograph with the network that was trained just now"):
        _segment(run, photograph, output / "photograph", device)
    print(
        f"\nlook at  {output / 'scores'} (worst phantoms: green correct, yellow false, blue missed)\n"
        f"next     cenet predict {RELEASED} YOUR_IMAGE --output DIR    the released model on your photograph\n"
        f"         cenet models                                     what is released, and how good it is\n"
        f"         cenet doctor YOUR_DATA                           then: cenet train folder --data YOUR_DATA\n"
        f"took {time.monotonic() - began:.0f} seconds"
    )


@contextmanager
def report_time(title: str) -> Iterator[None]:
    """Print what is done, and when it is done how long it took."""
    began = time.monotonic()
    print_line(title)
    yield
    print(f"     took {time.monotonic() - began:.0f} s\n")


def measure_seconds(recipe: Recipe, device: DeviceConfig, *, images: int) -> tuple[float, float]:
    """How long drawing and scoring phantoms will take here, from one phantom that is drawn and predicted.

    Args:
        recipe: Of the network.
        device: What computes.
        images: Number of phantoms.

    Returns:
        Seconds of the drawing, and of the scoring.
    """
    with tempfile.TemporaryDirectory(prefix="cenet-demo-") as folder:
        began = time.monotonic()
        write_phantoms(Path(folder, "one"), task="vessels", count=1, seed=0)
        drawing = time.monotonic() - began
        image = read_image(next(Path(folder, "one", "images").iterdir()))
    network = build_network(recipe.replace(encoder_weights="none"))
    began = time.monotonic()
    Predictor(network, recipe, device=device.device)(image)
    prediction = time.monotonic() - began
    measuring = drawing  # the metrics and overlays of an image take about as long as drawing one
    return images * drawing, images * recipe.test_fraction * (prediction + measuring)


def _segment(run: Path | str, photograph: Path, output: Path, device: DeviceConfig) -> None:
    for remark in write_predictions(run, photograph, output=output, device=device):
        print_line(f"note: {remark}")
    print_line(f"look at  {output / f'{photograph.stem}_overlay.png'}")


def otsu_dice(data: Path, names: list[str]) -> float:
    """What a threshold alone reaches: the pooled Dice of pixels below Otsu's threshold of each green channel."""
    from skimage.filters import threshold_otsu

    samples = [sample for sample in read_folder(data) if sample.name in names]
    labels = detect_encoding(samples, num_classes=1)
    total = Counts(0, 0, 0, 0)
    for sample in samples:
        image, label, region = load_sample(sample, labels)
        assert label is not None  # phantoms have both
        assert region is not None
        green = image[..., 1].astype(np.float32)
        total += count(green < threshold_otsu(green[region]), label > 0, region=region)
    return float(dice(total))


def write_photograph(path: Path) -> None:
    """Write scikit-image's photograph of a retina to a file."""
    from skimage import data

    path.parent.mkdir(parents=True)
    Image.fromarray(data.retina()).save(path)
