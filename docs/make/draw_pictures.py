"""Draw the pictures of the documentation, of phantoms and a free photograph: `python docs/make/draw_pictures.py`."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import cenet
from cenet.data.io.write import overlay
from cenet.phantoms import draw_fundus, draw_oct, draw_patient, draw_stack, write_phantoms

IMAGES = Path(__file__).parents[1] / "images"
SIDE = 300  # pixels
GAP = 6


def draw_tasks() -> list[tuple[NDArray[Any], NDArray[Any]]]:
    """A phantom for each task (vessels, disc, lung, cells, oct): image (H, W, C), and class of each pixel (H, W)."""
    eye = draw_fundus(3, size_px=SIDE)
    cells, inside = draw_stack(0, slices=1, size_px=SIDE)
    chest, lungs = draw_patient(1, slices=1, size_px=SIDE)[0]
    scan, boundaries = draw_oct(2, height_px=SIDE, width_px=SIDE)
    rows = np.arange(SIDE)[:, None] + 0.5
    layers = sum((rows > boundary).astype(np.uint8) for boundary in np.nan_to_num(boundaries))
    layers[:, np.isnan(boundaries).any(axis=0)] = 0  # these columns are unannotated
    layers[layers == len(boundaries)] = 0  # below the last boundary
    return [
        (eye.image, eye.label),
        (eye.image, eye.disc),
        (chest[:, :, None], (lungs > 0).astype(np.uint8)),
        (cells[0][:, :, None], (inside[0] == 0).astype(np.uint8)),
        (scan[:, :, None], layers),
    ]


def write_tasks(path: Path) -> None:
    """Write one picture of all tasks: the images above, their labels drawn on them below."""
    drawn = draw_tasks()
    sheet = np.full((2 * SIDE + GAP, len(drawn) * (SIDE + GAP) - GAP, 3), 255, np.uint8)
    for column, (image, label) in enumerate(drawn):
        left = column * (SIDE + GAP)
        sheet[:SIDE, left : left + SIDE] = overlay(image, np.zeros_like(label))
        sheet[SIDE + GAP :, left : left + SIDE] = overlay(image, label)
    Image.fromarray(sheet).save(path, quality=85)


def write_contact_sheet(path: Path) -> None:
    """Write the contact sheet of `cenet doctor` for a set with a label of another eye, and with an image twice."""
    with tempfile.TemporaryDirectory() as scratch:
        eyes = Path(scratch, "eyes")
        write_phantoms(eyes, task="vessels", count=5, seed=0, size_px=256)
        masks = eyes / "masks"
        shutil.copy(masks / "fundus-000.png", masks / "fundus-001.png")
        for folder in eyes.iterdir():
            shutil.copy(folder / "fundus-004.png", folder / "fundus-005.png")
        cenet.examine(eyes, output=Path(scratch, "doctor"))
        with Image.open(Path(scratch, "doctor", "contact-sheet.png")) as sheet:
            sheet.convert("RGB").save(path, quality=80)


def write_retina(path: Path) -> None:
    """Write the photograph of a retina that comes with scikit-image, with the vessels that `vessels-open` finds."""
    from skimage import data

    photograph = np.asarray(data.retina())
    drawn = overlay(photograph, cenet.load("vessels-open", device="cpu")(photograph).mask)
    Image.fromarray(drawn).resize((705, 705), Image.Resampling.LANCZOS).save(path, quality=85)


if __name__ == "__main__":
    IMAGES.mkdir(exist_ok=True)
    write_retina(IMAGES / "retina_overlay.jpg")
    write_tasks(IMAGES / "tasks.jpg")
    write_contact_sheet(IMAGES / "contact_sheet.jpg")
