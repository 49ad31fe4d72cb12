"""Predict with an exported model in an environment without PyTorch, and say how large it is and how long it takes.

Run by `make runtime`, with the Python in which cenet and its extra `export` are installed.
"""

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

import tifffile

from cenet.exporting.export import export
from cenet.inference.check_model import read_check_image
from cenet.inference.ensemble import open_run
from cenet.models.installed import list_installed_models

ROOT = Path(__file__).parents[1]
FORBIDDEN = ("torch", "monai", "pytorch_lightning", "matplotlib")


def main() -> None:
    """Build the environment, export every installed model, and predict an image of its kind with each."""
    with tempfile.TemporaryDirectory(prefix="cenet-runtime-") as folder:
        place = Path(folder)
        start = time.perf_counter()
        venv.create(place / "venv", with_pip=True)
        python = place / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
        install = [python, "-m", "pip", "install", "--quiet"]
        subprocess.run([*install, "-r", ROOT / "requirements-runtime.txt", "-c", ROOT / "constraints.txt"], check=True)
        subprocess.run([*install, "--no-deps", ROOT], check=True)
        seconds = time.perf_counter() - start
        size = sum(file.stat().st_size for file in (place / "venv").rglob("*") if file.is_file())
        print(f"environment: {size / 1e6:.0f} MB, installed in {seconds:.0f} s")
        unwanted = f"from importlib.util import find_spec; assert not any(map(find_spec, {FORBIDDEN}))"
        subprocess.run([python, "-c", unwanted], check=True, cwd=place)
        for name in list_installed_models():
            model = export(name, place / f"{name}.onnx").files[0]
            image, info = place / f"{name}.tif", open_run(name).model
            assert info is not None
            assert info.check is not None
            tifffile.imwrite(image, read_check_image(info.check.image, info.check.size_px).squeeze())
            start = time.perf_counter()
            command = ["-m", "cenet", "predict", model, image, "--output", place / name]
            subprocess.run([python, *command], check=True, cwd=place)
            print(f"{name}: from typing to the mask in {time.perf_counter() - start:.1f} s")


if __name__ == "__main__":
    sys.exit(main())
