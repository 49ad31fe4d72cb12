"""What `engines.py` measures of use: memory, the first mask after typing, and folders of images."""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage import data
from speed_clock import measure_in_turns, read_clock
from speed_compute import DRIVE, SQUARE, Row
from speed_networks import (
    AUTHORS,
    RECIPES,
    build_network_of,
    build_torch_candidate,
    draw_images,
    prepare_candidates,
    prepare_model_folder,
)

from cenet.exporting.export import export
from cenet.inference.engines import EngineName, open_engine
from cenet.inference.ensemble import LoadedPredictor, load_predictor, open_model
from cenet.inference.predict import write_predictions
from cenet.phantoms import write_phantoms

MODEL = "vessels-open"
FEW, MANY, PHANTOM_PX = 1, 12, 576  # images of a folder; photographs of DRIVE have 565 x 584 px


def predict_alone(engine: str, name: str, shape: tuple[int, int], batch: int, folder: Path) -> None:
    """Predict images, and print the peak memory of this process, in MB, and the seconds.

    Args:
        engine: `torch`, or one of `cenet.inference.engines`.
        name: Of the network.
        shape: Height and width.
        batch: Images at once.
        folder: With the model files.
    """
    images = draw_images(shape, batch=batch)
    if engine == "torch":
        compute = build_torch_candidate(name, build_network_of(name)).compute
    else:
        suffix = ".xml" if engine == "openvino-int8" else ".onnx"
        compute = open_engine(folder / f"{name}{suffix}", "probabilities", engine=engine.removesuffix("-int8")).compute
    began = read_clock()
    compute(images)
    print(read_peak_memory(), read_clock() - began)


def read_peak_memory() -> float:
    """The peak memory of this process so far, in MB; that of `getrusage` includes its parent's before the start."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def run_alone(engine: str, name: str, shape: tuple[int, int], batch: int) -> tuple[float, float]:
    """Peak memory and seconds of `predict_alone` in a process of its own."""
    arguments = json.dumps([engine, name, list(shape), batch, str(prepare_model_folder())])
    memory, seconds = run_child([__file__, arguments])[0].split()
    return float(memory), float(seconds)


def run_child(arguments: Sequence[str], **options: Any) -> tuple[str, float]:
    """Run a Python process, and return what it printed and its seconds, as `read_clock` has them."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True, **options)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - began
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, processor if torch.get_num_threads() == 1 else wall


@cache
def export_models() -> dict[str, tuple[str, EngineName]]:
    """The released model in each engine: what `cenet predict` is given, and its option `--engine`."""
    folder = prepare_model_folder()
    write_phantoms(folder / "gate", task="vessels", count=1, seed=1, size_px=PHANTOM_PX)
    onnx = str(export(MODEL, folder / "eyes.onnx", calibration=folder / "gate" / "images").files[0])
    models: dict[str, tuple[str, EngineName]] = {
        "PyTorch": (MODEL, "auto"),
        "ONNX Runtime": (onnx, "auto"),
        "OpenVINO": (onnx, "openvino"),
    }
    return models


def predict_folder(model: str, option: EngineName, images: Path) -> None:
    """Predict a folder as `cenet predict` does, into a folder that is removed."""
    with tempfile.TemporaryDirectory() as output:
        write_predictions(model, images, output=Path(output, "masks"), engine=option)


def list_network_inputs(predictor: LoadedPredictor, images: Path) -> list[np.ndarray]:
    """What the network of a predictor is given for the images of a folder; its `forward` is as before."""
    inputs: list[np.ndarray] = []
    forward = predictor.forward

    def record(image: np.ndarray) -> np.ndarray:
        inputs.append(image)
        return forward(image)

    predictor.forward = record
    predictor(sorted(images.iterdir()))
    predictor.forward = forward
    return inputs


def compute_each(predictor: LoadedPredictor, inputs: Sequence[np.ndarray]) -> None:
    """Compute the network alone."""
    for image in inputs:
        predictor.forward(image)


def measure_folder() -> list[Row]:
    """Seconds of a further image in a folder, beside those of the network alone, for the released model in each engine.

    What is loaded once counts for both folders, so that the difference between a large and a small one is left. The
    seconds are those of the wall, as reading and writing are done beside the network: other programs must rest.
    """
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        few, many = folder / "few" / "images", folder / "many" / "images"
        for images, count in ((few, FEW), (many, MANY)):
            write_phantoms(images.parent, task="vessels", count=count, seed=1, size_px=PHANTOM_PX)
        for engine, (model, option) in export_models().items():
            predictor = load_predictor(open_model(model), device="cpu", engine=option)
            inputs = list_network_inputs(predictor, few)
            actions = {
                "network": partial(compute_each, predictor, inputs),
                "few": partial(predict_folder, model, option, few),
                "many": partial(predict_folder, model, option, many),
            }
            seconds = measure_in_turns(actions, rounds=1, clock=time.perf_counter)
            whole, alone = (seconds["many"] - seconds["few"]) / (MANY - FEW), seconds["network"] / FEW
            rows.append(
                {
                    "network": "cenet-lite",
                    "engine": engine,
                    "images_per_second": round(1 / whole, 3),
                    "seconds_of_an_image": round(whole, 3),
                    "seconds_of_the_network": round(alone, 3),
                    "ratio": round(whole / alone, 2),
                }
            )
    return rows


def measure_first_mask(*, rounds: int) -> list[Row]:
    """Seconds from typing `cenet predict` to the mask of one photograph, by the released model in each engine."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        Image.fromarray(data.retina()[300:900, 300:900]).save(folder / "eye.png")
        models = export_models()
        times: dict[str, list[float]] = {engine: [] for engine in models}
        environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package is compiled
        for number in range(rounds):
            for engine, (model, option) in models.items():
                command = ["-m", "cenet", "predict", model, str(folder / "eye.png"), "--engine", option, "--output"]
                times[engine].append(run_child([*command, str(folder / f"{engine}-{number}")], env=environment)[1])
    return [
        {"network": "cenet-lite", "engine": engine, "seconds": round(statistics.median(seconds), 2)}
        for engine, seconds in times.items()
    ]


def list_engines(network: str) -> list[str]:
    """What computes a network in the parts in which each has a process of its own."""
    return ["torch"] if network == AUTHORS else ["torch", "onnxruntime", "openvino", "openvino-int8"]


def measure_memory() -> list[Row]:
    """The peak memory of a process that predicts one image, for each engine and size."""
    prepare_candidates()
    return [
        {
            "network": network,
            "engine": engine,
            "megabytes_448": round(run_alone(engine, network, SQUARE, 1)[0]),
            "megabytes_drive": round(run_alone(engine, network, DRIVE, 1)[0]),
        }
        for network in (AUTHORS, *RECIPES)
        for engine in list_engines(network)
    ]


def measure_large_batch(batch: int) -> list[Row]:
    """Seconds and peak memory of a process that computes several photographs at once, a single time."""
    prepare_candidates()
    rows: list[Row] = []
    for network in (AUTHORS, *RECIPES):
        for engine in list_engines(network):
            memory, seconds = run_alone(engine, network, DRIVE, batch)
            ratio = seconds / rows[0]["seconds"] if rows else 1.0
            row = {"network": network, "engine": engine, "seconds": round(seconds, 3), "ratio": round(ratio, 3)}
            rows.append({**row, "images_per_second": round(batch / seconds, 3), "megabytes_drive": round(memory)})
    return rows


if __name__ == "__main__":
    asked_engine, asked_network, asked_shape, asked_batch, asked_folder = json.loads(sys.argv[1])
    predict_alone(asked_engine, asked_network, tuple(asked_shape), asked_batch, Path(asked_folder))
