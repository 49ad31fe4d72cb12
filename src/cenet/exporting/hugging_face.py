"""The files beside an exported model in a repository of Hugging Face: weights, configuration and card."""

from pathlib import Path
from typing import Literal

import yaml

from cenet.data.io.files import encode_text
from cenet.exporting.agreement import format_agreement
from cenet.inference.exported import ExportedInfo, Value
from cenet.inference.run import Run
from cenet.inference.run_folder import WEIGHTS
from cenet.models.model_info import CARD

HUB_NAMES = HUB_CARD, HUB_CONFIG, HUB_WEIGHTS, HUB_LOCALISER = (
    "README.md",
    "config.json",
    "model.safetensors",
    "localiser.safetensors",
)


class HubConfig(Value):
    """The configuration of a repository: with the weights beside it, all that a run folder is rebuilt from.

    Args:
        library_name: By which the web site knows that cenet reads it.
        format: Of this file.
        model: What the exported file says of itself.
        localiser: Likewise of the model that finds where to look.
    """

    library_name: Literal["cenet"] = "cenet"
    format: Literal[1] = 1
    model: ExportedInfo
    localiser: ExportedInfo | None = None


def build_hub_files(run: Run, config: HubConfig, *, model: str) -> dict[str, bytes]:
    """Return the files beside an exported model, by their names.

    Args:
        run: The run that was exported.
        config: What the exported files say of themselves.
        model: The name of the exported file.
    """
    files = {
        HUB_CARD: encode_text(format_hub_card(run, config.model, model=model)),
        HUB_CONFIG: encode_text(config.model_dump_json(indent=1)),
        HUB_WEIGHTS: (run.path / WEIGHTS).read_bytes(),
    }
    localiser = run.localiser_run()
    if localiser is not None:
        files[HUB_LOCALISER] = (localiser.path / WEIGHTS).read_bytes()
    return files


def format_hub_card(run: Run, info: ExportedInfo, *, model: str) -> str:
    """The card of a repository: what its list shows in front, then the run's own card and how to use the file.

    Args:
        run: The run that was exported.
        info: What the exported file says of itself.
        model: The name of the exported file.
    """
    front = {
        "library_name": "cenet",
        "pipeline_tag": "image-segmentation",
        "tags": ["medical", "segmentation", "onnx" if Path(model).suffix == ".onnx" else "openvino"],
        "license": "apache-2.0" if info.licence == "Apache-2.0" else "other",
    }
    card = run.path / CARD
    text = card.read_text(encoding="utf-8") if card.is_file() else f"# {info.name}: {info.title}"
    steps = [f"- In the graph: {step}." for step in info.inside]
    outside = [f"- Outside, done by cenet: {step}." for step in info.outside]
    validation = [] if info.agreement is None else ["## Validation", "", f"{format_agreement(info.agreement)}.", ""]
    use = [
        "",
        *validation,
        "## The file",
        "",
        f"`cenet predict {model} IMAGE --output masks` needs no PyTorch. `cenet pull` makes a run folder of the rest.",
        "",
        *steps,
        *outside,
    ]
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n{text.rstrip()}\n" + "\n".join([*use, ""])
