"""What training on corrected masks gains: a released model on drawn photographs of another kind, before and after.

    python benchmarks/corrections.py

The model was trained on drawings in colour. The new images are such drawings as a camera for near infrared would show
them: grey, of low contrast, noisy. Exact masks stand in for a person who corrects. Scored on other drawings of the new
kind, and on drawings in colour, which the model must not forget. Prints a table and writes results/corrections.json.
"""

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import cenet
from cenet.inference.device import describe_environment
from cenet.phantoms import draw_fundus
from cenet.service import CorrectionFolder, ServedModel, Upload

RESULT = Path(__file__).parents[1] / "results" / "corrections.json"
MODEL = "vessels-open"
CORRECTED, TESTED, SIZE_PX = 12, 12, 320
CHANGES: dict[str, Any] = {
    "task": "folder",
    "epochs": 5,
    "validate_every": 5,
    "steps_per_epoch": 8,
    "batch_size": 4,
    "crop_px": 256,
    "learning_rate": 1e-3,
    "test_fraction": 0.0,
}


def show_near_infrared(image: NDArray[np.uint8], region: NDArray[np.bool_], seed: int) -> NDArray[np.uint8]:
    """Show a photograph (H, W, 3) as grey, of low contrast and noisy; three equal channels."""
    grey = image @ np.array([0.6, 0.4, 0])
    grey = 128 + 0.7 * (grey - grey[region].mean()) + np.random.default_rng(seed).normal(0, 8, grey.shape)
    return np.repeat(np.where(region, grey, 0).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def draw_set(folder: Path, seeds: range, *, is_infrared: bool) -> None:
    """Draw photographs with their masks and fields of view."""
    for kind in ("images", "masks", "regions"):
        (folder / kind).mkdir(parents=True)
    for seed in seeds:
        phantom, name = draw_fundus(seed, size_px=SIZE_PX), f"{seed}.png"
        image = show_near_infrared(phantom.image, phantom.region, seed) if is_infrared else phantom.image
        Image.fromarray(image).save(folder / "images" / name)
        Image.fromarray(phantom.label * np.uint8(255)).save(folder / "masks" / name)
        Image.fromarray(phantom.region).save(folder / "regions" / name)


def save_corrections(images: Path, folder: Path) -> int:
    """Save the exact masks as corrections of what the model predicts, and count the pixels that were changed."""
    predict = cenet.load(MODEL, device="cpu")
    model, corrections, changed = ServedModel(name=MODEL, predict=predict), CorrectionFolder(folder), 0
    for path in sorted((images / "images").iterdir()):
        corrected = (np.array(Image.open(images / "masks" / path.name)) > 0).astype(np.uint8)
        saved = corrections.save(
            Upload(path.read_bytes(), ".png"),
            name=path.name,
            model=model,
            predicted=predict(path).mask,
            corrected=corrected,
        )
        changed += saved.changed_pixels
    return changed


def score(run: Path | str, data: Path, output: Path) -> dict[str, Any]:
    """Score a run on a set: the mean Dice of its images, with its 95 % interval."""
    report = cenet.evaluate(run, data=data, task="folder", output=output, overlays=0, device="cpu")
    dice = report.classes[0].thresholds[0].per_image["dice"]
    return {"dice": round(dice.value, 4), "low": round(dice.low, 4), "high": round(dice.high, 4), "method": dice.method}


def main() -> None:
    begun = time.process_time()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        draw_set(root / "new", range(9000, 9000 + CORRECTED), is_infrared=True)
        draw_set(root / "near infrared", range(9100, 9100 + TESTED), is_infrared=True)
        draw_set(root / "colour", range(9200, 9200 + TESTED // 2), is_infrared=False)
        changed = save_corrections(root / "new", root / "corrections")
        recipe, data = cenet.load_recipe("vessels-lite").replace(**CHANGES), root / "corrections" / MODEL
        cenet.train(recipe, data, output=root / "further", init_from=MODEL, device="cpu")
        cenet.train(recipe, data, output=root / "anew", device="cpu")
        models = {
            f"{MODEL}, as released": MODEL,
            f"{MODEL}, trained further on the corrections": root / "further",
            "the same network, trained on the corrections alone": root / "anew",
        }
        rows = {
            title: {
                name: score(run, root / name, root / f"report-{number}-{name}") for name in ("near infrared", "colour")
            }
            for number, (title, run) in enumerate(models.items())
        }
    report = {
        "command": "python benchmarks/corrections.py",
        "corrected_images": CORRECTED,
        "changed_pixels_an_image": round(changed / CORRECTED),
        "size_px": SIZE_PX,
        "test_images": {"near infrared": TESTED, "colour": TESTED // 2},
        "changes": CHANGES,
        "processor_seconds": round(time.process_time() - begun),
        "rows": rows,
        "environment": describe_environment(),
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for title, row in rows.items():
        print(f"{title}: Dice {row['near infrared']['dice']:.3f} near infrared, {row['colour']['dice']:.3f} colour")


if __name__ == "__main__":
    main()
