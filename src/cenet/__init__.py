"""CE-Net for 2D medical image segmentation: train, evaluate and predict on anyone's images."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cenet.ensembles import load
    from cenet.errors import CenetError
    from cenet.inference import Prediction, Predictor
    from cenet.networks import NETWORKS, build
    from cenet.networks.cenet import CENet
    from cenet.networks.official import load_official
    from cenet.networks.unet import UNet
    from cenet.recipe import Recipe
    from cenet.recipes import RECIPES, load_recipe
    from cenet.tasks import TASKS, Sample

_WHERE = {
    "CENet": "cenet.networks.cenet",
    "CenetError": "cenet.errors",
    "NETWORKS": "cenet.networks",
    "Prediction": "cenet.inference",
    "Predictor": "cenet.inference",
    "RECIPES": "cenet.recipes",
    "Recipe": "cenet.recipe",
    "Sample": "cenet.tasks",
    "TASKS": "cenet.tasks",
    "UNet": "cenet.networks.unet",
    "build": "cenet.networks",
    "load": "cenet.ensembles",
    "load_official": "cenet.networks.official",
    "load_recipe": "cenet.recipes",
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
