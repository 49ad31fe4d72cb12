"""CE-Net for 2D medical image segmentation: train, evaluate and predict on anyone's images.

Every name here is imported when it is first used, so `import cenet` needs neither PyTorch nor MONAI.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cenet.config.presets import RECIPES, load_recipe
    from cenet.config.recipe import Recipe
    from cenet.data.sample import Sample
    from cenet.datasets.registry import TASKS
    from cenet.datasets.spec import DatasetSpec
    from cenet.doctor.examine import examine
    from cenet.errors import CenetError
    from cenet.evaluation.compare import compare
    from cenet.evaluation.evaluate import evaluate
    from cenet.experiments.cross_validation import cross_validate
    from cenet.inference.device import DeviceConfig, resolve_device
    from cenet.inference.ensemble import load
    from cenet.inference.predict import predict, write_predictions
    from cenet.inference.predictor import Prediction, Predictor
    from cenet.networks import NETWORKS, build_network
    from cenet.networks.authors import load_official
    from cenet.networks.cenet import CENet
    from cenet.networks.unet import UNet
    from cenet.reporting.html_report import write_html_report as report
    from cenet.training.train import resume, train

_MODULES = {  # where each name is defined; no package of cenet may have one of these names
    "CENet": "cenet.networks.cenet",
    "CenetError": "cenet.errors",
    "DatasetSpec": "cenet.datasets.spec",
    "DeviceConfig": "cenet.inference.device",
    "NETWORKS": "cenet.networks",
    "Prediction": "cenet.inference.predictor",
    "Predictor": "cenet.inference.predictor",
    "RECIPES": "cenet.config.presets",
    "Recipe": "cenet.config.recipe",
    "Sample": "cenet.data.sample",
    "TASKS": "cenet.datasets.registry",
    "UNet": "cenet.networks.unet",
    "build_network": "cenet.networks",
    "compare": "cenet.evaluation.compare",
    "cross_validate": "cenet.experiments.cross_validation",
    "evaluate": "cenet.evaluation.evaluate",
    "examine": "cenet.doctor.examine",
    "load": "cenet.inference.ensemble",
    "load_official": "cenet.networks.authors",
    "load_recipe": "cenet.config.presets",
    "predict": "cenet.inference.predict",
    "report": "cenet.reporting.html_report",
    "resolve_device": "cenet.inference.device",
    "resume": "cenet.training.train",
    "train": "cenet.training.train",
    "write_predictions": "cenet.inference.predict",
}
_OTHER_NAMES = {"report": "write_html_report"}  # what is called otherwise where it is defined

__all__ = [
    "NETWORKS",
    "RECIPES",
    "TASKS",
    "CENet",
    "CenetError",
    "DatasetSpec",
    "DeviceConfig",
    "Prediction",
    "Predictor",
    "Recipe",
    "Sample",
    "UNet",
    "build_network",
    "compare",
    "cross_validate",
    "evaluate",
    "examine",
    "load",
    "load_official",
    "load_recipe",
    "predict",
    "report",
    "resolve_device",
    "resume",
    "train",
    "write_predictions",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'cenet' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULES[name]), _OTHER_NAMES.get(name, name))
    return value


def __dir__() -> list[str]:
    return __all__
