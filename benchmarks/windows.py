"""Windows beside the whole image, and what a large image takes; see results/windows.json.

The masks of a trained model in windows and of the whole image, on a photograph that comes with scikit-image and on
drawn ones; how much probabilities jump where a window begins or ends; and memory and time of large images, each in a
process of its own.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from cenet.data.windows import WindowGrid

RESULT = Path(__file__).parents[1] / "results" / "windows.json"
MODEL = "vessels-open"
SIDES_PX = (512, 768)
PHANTOMS = (1, 2, 3)
LARGE = {  # side in pixels, and what predicts
    "one layer": (20_000, "one layer"),
    MODEL: (6_000, MODEL),
}
MIB = 2**20


def compare_windows(model: str) -> list[dict]:
    """Masks and probabilities of each image, in windows of each side and whole."""
    from skimage import data

    from cenet import load
    from cenet.phantoms.phantom import draw_fundus

    images = {"retina of scikit-image": data.retina()}
    images |= {f"phantom {seed}": draw_fundus(seed, size_px=1080).image for seed in PHANTOMS}
    rows = []
    for name, image in images.items():
        predictor = load(model, device="cpu")
        whole, _ = predictor.predict_network_scale(image)
        mask = predictor(image).mask
        for side_px in SIDES_PX:
            predictor.geometry = replace(predictor.geometry, tile_px=side_px)
            windows, placement = predictor.predict_network_scale(image)
            assert len(placement.windows) > 1
            rows.append(
                {
                    "image": name,
                    "window_px": side_px,
                    "windows": len(placement.windows),
                    "dice": round(dice(predictor(image).mask, mask), 4),
                    **measure_jumps(windows, whole, placement.windows),
                }
            )
    return rows


def dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of two masks."""
    return float(2 * np.count_nonzero(one & other) / (np.count_nonzero(one) + np.count_nonzero(other)))


def measure_jumps(windows: np.ndarray, whole: np.ndarray, grid: WindowGrid) -> dict[str, float]:
    """Mean step of the probability from a pixel to the next: across borders of windows, and everywhere else."""
    at_borders, elsewhere, whole_at_borders = [], [], []
    for axis in (1, 2):
        sides = {(part[axis - 1].start, part[axis - 1].stop) for part in grid}
        borders = {end for side in sides for end in side} - {0, windows.shape[axis]}
        steps = np.abs(np.diff(windows, axis=axis)).mean(axis=(0, 3 - axis))
        whole_steps = np.abs(np.diff(whole, axis=axis)).mean(axis=(0, 3 - axis))
        is_border = np.isin(np.arange(1, windows.shape[axis]), sorted(borders))
        at_borders += steps[is_border].tolist()
        elsewhere += steps[~is_border].tolist()
        whole_at_borders += whole_steps[is_border].tolist()
    return {
        "step_at_borders": round(statistics.mean(at_borders), 5),
        "step_elsewhere": round(statistics.mean(elsewhere), 5),
        "step_of_the_whole_at_borders": round(statistics.mean(whole_at_borders), 5),
    }


def measure_large_image(name: str) -> dict:
    """Memory and seconds of `write_predictions` of a large image, in this process."""
    from cenet.inference.predict import write_predictions

    side_px, network = LARGE[name]
    os.environ["CENET_MAX_PIXELS"] = str(10**7)
    with tempfile.TemporaryDirectory() as folder:
        run = make_run(Path(folder), network)
        small, large = Path(folder, "small.tif"), Path(folder, "large.tif")
        write_noise(small, 1536)
        write_noise(large, side_px)
        write_predictions(run, small, output=Path(folder, "small"), device="cpu")  # loads everything once
        before, began = read_memory("VmRSS"), time.process_time()
        reset_peak()
        remarks = write_predictions(run, large, output=Path(folder, "large"), device="cpu")
        seconds = time.process_time() - began
        return {
            "network": name,
            "side_px": side_px,
            "cpu_seconds": round(seconds),
            "peak_mib_above_loaded": round((read_memory("VmHWM") - before) / MIB),
            "loaded_mib": round(before / MIB),
            "image_mib_decoded": round(side_px * side_px * 3 / MIB),
            "mask_mib": round(Path(folder, "large", "large_mask.tif").stat().st_size / MIB, 1),
            "remark": remarks[0],
        }


def make_run(folder: Path, network: str) -> Path:
    """A run that predicts at the image's own scale: of a released model, or of one convolution."""
    import torch
    from torch import nn

    from cenet.config.presets import load_recipe
    from cenet.inference.ensemble import open_run
    from cenet.inference.run import Run
    from cenet.inference.run_metadata import RunMetadata
    from cenet.networks import NETWORKS

    class OneLayer(nn.Module):
        """A convolution of the normalised image."""

        stride, min_size = 32, 32

        def __init__(self, num_classes: int, in_channels: int, normalise: nn.Module) -> None:
            super().__init__()
            self.normalise, self.layer = normalise, nn.Conv2d(in_channels, num_classes, 3, padding=1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.layer(self.normalise(image))

    NETWORKS["one-layer"] = OneLayer
    torch.manual_seed(0)
    facts = {"command": "benchmarks/windows.py", "in_channels": 3, "dtype": "uint8", "classes": ("foreground",)}
    if network == "one layer":
        recipe = load_recipe("folder").replace(network="one-layer", encoder_weights="none")
        run = Run.create(folder / "run", recipe, RunMetadata(started_from="random weights", **facts))
        run.save_weights(run.build_network(), finished=True)
        return run.path
    source = open_run(network)
    recipe = source.recipe.replace(resize_mode="native")
    run = Run.create(folder / "run", recipe, source.facts.model_copy(update=facts))
    run.save_weights(source.network(), finished=True)
    return run.path


def write_noise(path: Path, side_px: int) -> None:
    """Write an RGB image of noise on waves as a TIFF of compressed tiles, one tile at a time."""
    import tifffile

    def tiles() -> Iterator[np.ndarray]:
        rng = np.random.default_rng(0)
        wave = 128 + 40 * np.sin(np.arange(512) / 20)
        several = [wave[:, None, None] + rng.integers(-20, 20, (512, 512, 3)) for _ in range(8)]
        for number in range((-(-side_px // 512)) ** 2):
            yield several[number % 8].astype(np.uint8)

    options = {"photometric": "rgb", "tile": (512, 512), "compression": "zlib"}
    tifffile.imwrite(path, tiles(), shape=(side_px, side_px, 3), dtype=np.uint8, **options)


def read_memory(field: str) -> int:
    """The bytes that a field of Linux's /proc/self/status names."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith(f"{field}:")]
    return int(line.split()[1]) * 1024


def reset_peak() -> None:
    """Let VmHWM begin anew."""
    Path("/proc/self/clear_refs").write_text("5")


def main() -> None:
    if "--large" in sys.argv:
        print(json.dumps(measure_large_image(sys.argv[-1])))
        return
    large = []
    for name in LARGE:
        command = [sys.executable, __file__, "--large", name]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        large.append(json.loads(done.stdout.splitlines()[-1]))
        print(large[-1])
    content = {
        "command": "OMP_NUM_THREADS=1 python benchmarks/windows.py",
        "machine": platform.machine(),
        "model": MODEL,
        "windows": compare_windows(MODEL),
        "large_images": large,
    }
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print("| image | window, px | windows | Dice | step at borders | elsewhere |\n|---|---|---|---|---|---|")
    for row in content["windows"]:
        print("| " + " | ".join(str(value) for value in list(row.values())[:-1]) + " |")


if __name__ == "__main__":
    main()
