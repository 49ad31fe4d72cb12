"""CE-Net for 2D medical image segmentation: train, evaluate and predict on anyone's images."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cenet.config.presets import RECIPES, load_recipe
    from cenet.config.recipe import Recipe
    from cenet.data.sample import Sample
    from cenet.datasets.registry import TASKS
    from cenet.errors import CenetError
    from cenet.inference.ensemble import load
    from cenet.inference.predictor import Prediction, Predictor
    from cenet.networks import NETWORKS, build
    from cenet.networks.authors import load_official
    from cenet.networks.cenet import CENet
    from cenet.networks.unet import UNet

_WHERE = {
    "CENet": "cenet.networks.cenet",
    "CenetError": "cenet.errors",
    "NETWORKS": "cenet.networks",
    "Prediction": "cenet.inference.predictor",
    "Predictor": "cenet.inference.predictor",
    "RECIPES": "cenet.config.presets",
    "Recipe": "cenet.config.recipe",
    "Sample": "cenet.datasets.registry",
    "TASKS": "cenet.datasets.registry",
    "UNet": "cenet.networks.unet",
    "build": "cenet.networks",
    "load": "cenet.inference.ensemble",
    "load_official": "cenet.networks.authors",
    "load_recipe": "cenet.config.presets",
}

__all__ = [
    "NETWORKS",
    "RECIPES",
    "TASKS",
    "CENet",
    "CenetError",
    "Prediction",
    "Predictor",
    "Recipe",
    "Sample",
    "UNet",
    "build",
    "load",
    "load_official",
    "load_recipe",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562), so that `import cenet` stays light."""
    if name not in _WHERE:
        raise AttributeError(f"module 'cenet' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_WHERE[name]), name)
    return value


def __dir__() -> list[str]:
    return __all__
