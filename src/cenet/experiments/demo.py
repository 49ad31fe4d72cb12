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
from cenet.inference.device import DeviceConfig
from cenet.inference.predict import write_predictions
from cenet.metrics import Counts, count, dice
from cenet.phantoms import write_phantoms
from cenet.reporting.evaluation_text import format_evaluation
from cenet.reporting.files import write_evaluation_files
from cenet.training.train import train

OVERLAYS = 3


def demo(output: Path, *, seed: int = 0, machine: DeviceConfig, images: int = 30) -> None:
    """Draw phantoms, train on them, score on those set aside, and segment scikit-image's photograph of a retina.

    Args:
        output: The folder to make.
        seed: Of the phantoms, their split and the training.
        machine: What computes.
        images: How many phantoms.

    Raises:
        CenetError: The place is taken or cannot be written.
    """
    if output.exists():
        raise CenetError(output, "is taken", "remove it, or choose another --output")
    began = time.monotonic()
    data, run, real = output / "phantoms", output / "vessels", output / "photograph"
    print(f"1/4  drawing {images} fundus phantoms with exact truth: {data / 'images'}")
    write_phantoms(data, task="vessels", count=images, seed=seed)
    print("2/4  training a CE-Net on them")
    train(load_recipe("phantom-vessels").replace(seed=seed), data, output=run, device=machine)
    print("3/4  scoring it on the phantoms that were set aside")
    report = evaluate(run, device=machine, output=output / "scores", overlays=OVERLAYS)
    write_evaluation_files(report, overlays=OVERLAYS)
    print(format_evaluation(report))
    names = [image.name for image in report.data.images]
    print(f"for comparison, the green channel cut by Otsu's threshold: Dice {otsu_dice(data, names):.4f} (pooled)")
    print("4/4  segmenting a real photograph, the retina of scikit-image")
    write_photograph(real / "retina.png")
    for remark in write_predictions(run, real / "retina.png", output=real, device=machine):
        print(f"note: {remark}")
    print(
        f"\nlook at  {real / 'retina_overlay.png'}\n"
        f"and at   {output / 'scores'} (worst phantoms: green right, red false, blue missed)\n"
        f"next:    cenet predict {run} YOUR_IMAGE --output DIR\n"
        f"took {time.monotonic() - began:.0f} seconds"
    )


def otsu_dice(data: Path, names: list[str]) -> float:
    """What a threshold alone reaches: the pooled Dice of dark pixels by Otsu's cut of each green channel."""
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
    """Take scikit-image's photograph of a retina out of its package."""
    from skimage import data

    path.parent.mkdir(parents=True)
    Image.fromarray(data.retina()).save(path)
