"""Latency of the engines beside each other on this machine: a table, and results/engines.json.

Ratios to PyTorch in float32 and contiguous memory, in one run; every engine takes its turn in each round, so that a
busy moment of the machine meets all of them. Networks have random weights, which cost the same as trained ones.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import torch

from cenet.config.presets import load_recipe
from cenet.exporting.graph import GraphNetwork, write_graph
from cenet.inference.engines import OnnxRuntimeEngine, OpenVinoEngine
from cenet.inference.operating_point import OperatingPoint
from cenet.networks import build_network

RESULT = Path(__file__).parents[1] / "results" / "engines.json"
SIDE_PX, ROUNDS = 448, 5
NETWORKS = {
    "cenet": {"encoder": "resnet34"},
    "cenet-lite": {"network": "cenet-lite", "encoder": "efficientnet-lite0"},
    "unet": {"network": "unet"},
}


def build_engines(options: dict[str, str], folder: Path) -> dict[str, Callable[[np.ndarray], object]]:
    """What computes a network, by its name in the table."""
    recipe = load_recipe("folder").replace(encoder_weights="none", **options)
    network = build_network(recipe).eval()
    file = folder / "model.onnx"
    file.write_bytes(write_graph(GraphNetwork(network, recipe, OperatingPoint()), in_channels=3))

    def compute(image: np.ndarray, memory_format: torch.memory_format) -> object:
        with torch.inference_mode():
            network.to(memory_format=memory_format)
            return network(torch.from_numpy(image).contiguous(memory_format=memory_format)).sigmoid()

    return {
        "torch, contiguous": lambda image: compute(image, torch.contiguous_format),
        "torch, channels last": lambda image: compute(image, torch.channels_last),
        "ONNX Runtime": OnnxRuntimeEngine(file, "probabilities").compute,
        "OpenVINO": OpenVinoEngine(file, "probabilities").compute,
    }


def measure(engines: dict[str, Callable[[np.ndarray], object]]) -> dict[str, float]:
    """The median seconds of each engine for one image, after one round that warms up."""
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, SIDE_PX, SIDE_PX)).astype(np.float32)
    times: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(ROUNDS + 1):
        for name, compute in engines.items():
            began = time.perf_counter()
            compute(image)
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(seconds[1:]) for name, seconds in times.items()}


def main() -> None:
    rows = []
    for network, options in NETWORKS.items():
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(build_engines(options, Path(folder)))
        first = measured["torch, contiguous"]
        for engine, seconds in measured.items():
            rows.append(
                {"network": network, "engine": engine, "seconds": round(seconds, 4), "ratio": round(seconds / first, 2)}
            )
    machine = "AMX" if torch.cpu._is_amx_tile_supported() else "VNNI" if torch.cpu._is_vnni_supported() else "neither"
    about = {
        "command": "python benchmarks/engines.py",
        "side_px": SIDE_PX,
        "median_of": ROUNDS,
        "machine": machine,
        "threads": torch.get_num_threads(),
        "versions": {each.__name__: each.__version__ for each in (torch, onnxruntime, openvino)},
        "rows": rows,
    }
    RESULT.write_text(json.dumps(about, indent=1))
    print(f"machine: {machine}, {about['threads']} threads, {SIDE_PX} x {SIDE_PX} px, one image, float32")
    print("| network | engine | seconds | ratio |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['network']} | {row['engine']} | {row['seconds']:.3f} | {row['ratio']:.2f} |")


if __name__ == "__main__":
    main()
