"""The networks whose speed `engines.py` compares, and what computes each of them."""

import atexit
import os
import tempfile
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import openvino
import torch
import torch.nn.functional as F
from monai.networks.nets import DynUNet
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.exporting.graph import GraphNetwork, write_graph
from cenet.inference.engines import OnnxRuntimeEngine, OpenVinoBfloat16Engine, OpenVinoEngine
from cenet.inference.operating_point import OperatingPoint
from cenet.networks import CENet, UNet, build_network
from cenet.networks.context import DenseAtrousConvolution

Images = NDArray[np.float32]
PLANNED_FEATURES = 32, 64, 128, 256, 512, 512, 512  # nnU-Net's 2D plan for patches of 448 px
AUTHORS = "the authors' network"
LAYOUTS = {"channels last": torch.channels_last, "contiguous": torch.contiguous_format}
LAYOUT_OF = {AUTHORS: "contiguous", "DynUNet": "contiguous"}
"""Of networks that are computed as their code has it; ours are computed channels last."""
RECIPES: dict[str, Recipe] = {
    "cenet": load_recipe("drive").replace(encoder_weights="none"),
    "cenet-lite": load_recipe("vessels-lite").replace(encoder_weights="none"),
}


NAMES = (AUTHORS, *RECIPES, "U-Net", "DynUNet")


class AuthorsDac(DenseAtrousConvolution):
    """DAC as the authors' code computes it: each branch from its start."""

    def forward(self, x: Tensor) -> Tensor:
        b1 = self.dilate1(x)
        b2 = self.conv1x1(self.dilate2(x))
        b3 = self.conv1x1(self.dilate2(self.dilate1(x)))
        b4 = self.conv1x1(self.dilate3(self.dilate2(self.dilate1(x))))
        return x + F.relu(b1) + F.relu(b2) + F.relu(b3) + F.relu(b4)


def build_network_of(name: str) -> nn.Module:
    """A network by its name in the tables, with random weights, which cost the same as trained ones."""
    torch.manual_seed(0)
    if name in RECIPES:
        return build_network(RECIPES[name])
    if name == "U-Net":
        return UNet()
    if name == AUTHORS:
        authors = CENet(encoder="resnet34")
        authors.dac = AuthorsDac(512)
        return authors
    levels = len(PLANNED_FEATURES)
    strides = [1] + [2] * (levels - 1)
    return DynUNet(2, 3, 1, [3] * levels, strides, strides[1:], filters=list(PLANNED_FEATURES))


def build_networks() -> dict[str, nn.Module]:
    """All of them."""
    return {name: build_network_of(name) for name in NAMES}


def count_macs(network: nn.Module, shape: tuple[int, int]) -> int:
    """Multiplications with an addition of one image, counted without computing.

    Args:
        network: It stays as it is.
        shape: Height and width.
    """
    on_meta = deepcopy(network).to("meta").eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        on_meta(torch.zeros(1, 3, *shape, device="meta"))
    return int(counter.get_total_flops()) // 2


@dataclass(frozen=True)
class Candidate:
    """A network in an engine.

    Args:
        network: Its name.
        engine: The engine's.
        precision: In which it computes.
        compute: Probabilities of a batch of images.
    """

    network: str
    engine: str
    precision: str
    compute: Callable[[Images], object]


def build_torch_candidate(name: str, network: nn.Module, *, bf16: bool = False) -> Candidate:
    """A network in PyTorch, as `cenet.inference.Predictor` computes it.

    Args:
        name: Of the network.
        network: It.
        bf16: Compute in bfloat16.
    """
    layout = LAYOUT_OF.get(name, "channels last")
    memory_format = LAYOUTS[layout]
    network = network.eval().to(memory_format=memory_format)  # type: ignore[call-overload]  # torch's stubs lack it

    def compute(images: Images) -> object:
        batch = torch.from_numpy(images).contiguous(memory_format=memory_format)
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return network(batch).float().sigmoid()

    return Candidate(name, f"PyTorch, {layout}", "bf16" if bf16 else "fp32", compute)


def write_model_files(name: str, network: nn.Module, folder: Path) -> tuple[Path, Path]:
    """Write a network as ONNX and, in int8, as OpenVINO; return the files.

    Args:
        name: Of the network.
        network: It.
        folder: Where.
    """
    from cenet.exporting.quantise import quantise_graph

    onnx, quantised = folder / f"{name}.onnx", folder / f"{name}.xml"
    onnx.write_bytes(write_graph(GraphNetwork(network, RECIPES[name], OperatingPoint()), in_channels=3))
    images = [draw_images((256, 256), seed=seed) for seed in range(2)]
    openvino.save_model(quantise_graph(onnx.read_bytes(), images), quantised, compress_to_fp16=False)
    return onnx, quantised


@cache
def prepare_model_folder() -> Path:
    """A folder for model files that lasts as long as this process."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    return Path(folder.name)


def has_bfloat16() -> bool:
    """Whether the processor computes in bfloat16; otherwise it is imitated, many times slower than float32."""
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@cache
def prepare_candidates() -> tuple[Candidate, ...]:
    """Every network in every engine, those that users would otherwise run in PyTorch alone; made once."""
    networks, folder = build_networks(), prepare_model_folder()
    candidates = [build_torch_candidate(name, network) for name, network in networks.items()]
    for name in RECIPES:
        if has_bfloat16():
            candidates.append(build_torch_candidate(name, networks[name], bf16=True))
        onnx, quantised = write_model_files(name, networks[name], folder)
        candidates += [
            Candidate(name, "ONNX Runtime", "fp32", OnnxRuntimeEngine(onnx, "probabilities").compute),
            Candidate(name, "OpenVINO", "fp32", OpenVinoEngine(onnx, "probabilities").compute),
            Candidate(name, "OpenVINO", "int8", OpenVinoEngine(quantised, "probabilities").compute),
        ]
        if has_bfloat16():
            bfloat16 = OpenVinoBfloat16Engine(onnx, "probabilities")
            candidates.append(Candidate(name, "OpenVINO", "bf16", bfloat16.compute))
    order = list(networks)
    return tuple(sorted(candidates, key=lambda candidate: order.index(candidate.network)))


def draw_images(shape: tuple[int, int], *, batch: int = 1, seed: int = 0) -> Images:
    """Random images, `(batch, 3, H, W)`."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 255, (batch, 3, *shape)).astype(np.float32)


def describe_machine() -> dict[str, Any]:
    """What the measured times depend on beside the code."""
    has_amx, has_vnni = torch.cpu._is_amx_tile_supported(), torch.cpu._is_vnni_supported()  # no public name tells it
    return {
        "class": "AMX" if has_amx else "VNNI" if has_vnni else "neither AMX nor VNNI",
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
    }


def list_versions() -> dict[str, str]:
    """The versions of the engines."""
    return {package: metadata.version(package) for package in ("torch", "onnxruntime", "openvino", "monai")}
