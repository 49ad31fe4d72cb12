"""The `rdf.yaml` of bioimage.io beside an ONNX file, by which Fiji, QuPath and ilastik know how to run it."""

import hashlib
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from keyword import iskeyword
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from cenet.data.io.files import encode_text, hash_file
from cenet.exporting.hugging_face import HUB_CARD
from cenet.inference.engines import INPUT, MASK, OPSET, PROBABILITIES, UNCALIBRATED, open_engine
from cenet.inference.exported import ExportedInfo

RDF, TEST_INPUT = "rdf.yaml", "test_input.npy"
FORMAT_VERSION = "0.5.4"
PAPER = {"text": "Gu et al., CE-Net, IEEE TMI 38 (2019) 2281-2292", "doi": "10.1109/TMI.2019.2903562"}
SPDX = ("Apache-2.0", "CC-BY-4.0", "CC0-1.0", "MIT")  # of licences, those that models may have
BIOIMAGE_NAMES = (RDF, TEST_INPUT, *(f"test_{name}.npy" for name in (PROBABILITIES, MASK, UNCALIBRATED)))
"""Of the files that `build_bioimage_files` may return."""
COLOURS = ("red", "green", "blue")


def build_bioimage_files(path: Path, info: ExportedInfo, output_names: Sequence[str]) -> dict[str, bytes]:
    """Return `rdf.yaml` and its test tensors, by their names.

    Args:
        path: The ONNX file.
        info: What it says of itself.
        output_names: Of the graph, in its order.
    """
    side = -(-info.min_size // info.stride) * info.stride
    low, high = info.facts.value_range
    shape = (1, info.facts.in_channels, side, side + info.stride)
    image = np.random.default_rng(0).uniform(low, high, shape).astype(np.float32)
    arrays: dict[str, NDArray[Any]] = {TEST_INPUT: image}
    for name in output_names:
        array: NDArray[Any] = open_engine(path, name).compute(image)
        arrays[f"test_{name}.npy"] = array.astype(np.uint8) if name == MASK else array
    files = {name: _encode_array(array) for name, array in arrays.items()}
    checksums = {name: hashlib.sha256(file).hexdigest() for name, file in files.items()}
    description = describe_model(path, info, output_names, checksums)
    return {RDF: encode_text(yaml.safe_dump(description, sort_keys=False, allow_unicode=True)), **files}


def describe_model(
    path: Path, info: ExportedInfo, output_names: Sequence[str], checksums: dict[str, str]
) -> dict[str, Any]:
    """Return the content of `rdf.yaml`.

    Args:
        path: The ONNX file.
        info: What it says of itself.
        output_names: Of the graph, in its order.
        checksums: SHA-256 of each test tensor, by the name of its file.
    """
    outside = f" Not in the graph: {'; '.join(info.outside)}." if info.outside else ""
    channels = info.facts.channels or _name_channels(info.facts.in_channels)
    description: dict[str, Any] = {
        "type": "model",
        "format_version": FORMAT_VERSION,
        "name": re.sub(r"[^A-Za-z0-9_+ ()-]", "-", info.name)[:128],
        "description": f"{info.title}. {info.notice}{outside}"[:1024],
        "authors": [{"name": "The cenet authors"}],
        "cite": [PAPER],
        "tags": ["cenet", "segmentation", "medical imaging", info.recipe.task],
        "documentation": HUB_CARD,
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "inputs": [
            {
                "id": INPUT,
                "description": "the image in the file's own values",
                "axes": [{"type": "batch"}, _channel_axis(channels), *_image_axes(info)],
                "data": {"type": "float32"},
                "test_tensor": {"source": TEST_INPUT, "sha256": checksums[TEST_INPUT]},
            }
        ],
        "outputs": [_describe_output(name, info, checksums) for name in output_names],
        "weights": {
            "onnx": {"source": path.name, "sha256": hash_file(path), "opset_version": OPSET},
        },
    }
    if info.version:
        description["version"] = info.version
    if info.licence in SPDX:
        description["license"] = info.licence
    return description


def _describe_output(name: str, info: ExportedInfo, checksums: dict[str, str]) -> dict[str, Any]:
    file = f"test_{name}.npy"
    classes = info.facts.classes
    sides = [{"type": "space", "id": axis, "size": {"tensor_id": INPUT, "axis_id": axis}} for axis in ("y", "x")]
    if name == MASK:
        axes = [{"type": "batch"}, *sides]
        data: dict[str, Any] = {"type": "uint8", "values": list(range(len(classes) + 1))}
    else:
        maps = classes if info.recipe.sigmoid else ("background", *classes)
        axes = [{"type": "batch"}, _channel_axis(maps), *sides]
        data = {"type": "float32", "range": [0.0, 1.0]}
    return {
        "id": name,
        "description": f"{name} of {', '.join(classes)}"[:128],
        "axes": axes,
        "data": data,
        "test_tensor": {"source": file, "sha256": checksums[file]},
    }


def _name_channels(count: int) -> tuple[str, ...]:
    return COLOURS if count == len(COLOURS) else tuple(f"channel{number}" for number in range(1, count + 1))


def _channel_axis(names: Sequence[str]) -> dict[str, Any]:
    """The axis of channels, whose names must be different identifiers.

    >>> _channel_axis(("optic disc", "T-cell", "T cell", "#00ff00"))["channel_names"]
    ['optic_disc', 'T_cell', 'T_cell_', '_00ff00']
    """
    identifiers: list[str] = []
    for name in names:
        word = re.sub(r"\W", "_", name)
        word = word if word.isidentifier() and not iskeyword(word) else f"_{word}"
        while word in identifiers:
            word += "_"
        identifiers.append(word)
    return {"type": "channel", "channel_names": identifiers}


def _image_axes(info: ExportedInfo) -> list[dict[str, Any]]:
    size = {"min": info.min_size, "step": info.stride}
    return [{"type": "space", "id": axis, "size": dict(size)} for axis in ("y", "x")]


def _encode_array(array: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()
