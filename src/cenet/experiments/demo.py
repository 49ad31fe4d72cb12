"""`cenet demo`: phantoms, training, scores, and a real photograph, in minutes on a CPU."""

import time
from pathlib import Path

import numpy as np
from PIL import Image

from cenet.config.presets import load_recipe
from cenet.data.labels.detect import detect_encoding
from cenet.data.loading import load_sample
from cenet.datasets.folder import read_folder
from cenet.errors import CenetError
from cenet.evaluation.evaluate import evaluate
from cenet.inference.device import Device, DeviceConfig, to_device_config
from cenet.inference.predict import write_predictions
from cenet.metrics import Counts, count, dice
from cenet.phantoms import write_phantoms
from cenet.reporting.evaluation_text import format_evaluation
from cenet.reporting.files import write_evaluation_files
from cenet.safe_text import print_line
from cenet.training.train import train

OVERLAYS = 3


def demo(output: Path, *, seed: int = 0, device: DeviceConfig | Device = "auto", images: int = 30) -> None:
    """Draw phantoms, train on them, score on those held out, and segment scikit-image's photograph of a retina.

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
    began, device = time.monotonic(), to_device_config(device)
    data, run, photograph = output / "phantoms", output / "vessels", output / "photograph"
    print(f"1/4  drawing {images} fundus phantoms with exact truth: {data / 'images'}")
    write_phantoms(data, task="vessels", count=images, seed=seed)
    print("2/4  training a CE-Net on them")
    train(load_recipe("phantom-vessels").replace(seed=seed), data, output=run, device=device)
    print("3/4  scoring it on the phantoms that were held out")
    report = evaluate(run, device=device, output=output / "scores", overlays=OVERLAYS)
    write_evaluation_files(report, overlays=OVERLAYS)
    print(format_evaluation(report))
    names = [image.name for image in report.data.images]
    print(f"for comparison, Otsu's threshold on the green channel: Dice {otsu_dice(data, names):.4f} (pooled)")
    print("4/4  segmenting a real photograph, the retina of scikit-image")
    write_photograph(photograph / "retina.png")
    for remark in write_predictions(run, photograph / "retina.png", output=photograph, device=device):
        print_line(f"note: {remark}")
    print(
        f"\nlook at  {photograph / 'retina_overlay.png'}\n"
        f"and at   {output / 'scores'} (worst phantoms: green correct, red false, blue missed)\n"
        f"next:    cenet predict {run} YOUR_IMAGE --output DIR\n"
        f"took {time.monotonic() - began:.0f} seconds"
    )


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
