"""CE-Net for 2D medical image segmentation: train, evaluate and predict on anyone's images.

Every name here is imported when it is first used, so `import cenet` needs neither PyTorch nor MONAI.
"""

from typing import TYPE_CHECKING

from lazy_loader import attach

if TYPE_CHECKING:
    from cenet.config.plan import Plan
    from cenet.config.presets import RECIPES, load_recipe
    from cenet.config.recipe import Recipe
    from cenet.data.sample import Sample
    from cenet.datasets.convert import convert_dataset
    from cenet.datasets.registry import TASKS
    from cenet.datasets.spec import DatasetSpec
    from cenet.doctor.examine import examine
    from cenet.errors import CenetError
    from cenet.evaluation.compare import compare
    from cenet.evaluation.evaluate import evaluate
    from cenet.experiments.cross_validation import cross_validate
    from cenet.exporting.export import export
    from cenet.inference.device import DeviceConfig, resolve_device
    from cenet.inference.ensemble import load
    from cenet.inference.input_options import InputOptions
    from cenet.inference.predict import predict, write_predictions
    from cenet.inference.prediction import Prediction
    from cenet.inference.predictor import Predictor
    from cenet.networks import NETWORKS, build_network
    from cenet.networks.authors import load_official
    from cenet.networks.cenet import CENet
    from cenet.networks.unet import UNet
    from cenet.reporting.html_report import report
    from cenet.training.plan import plan
    from cenet.training.train import resume, train


__all__ = [
    "NETWORKS",
    "RECIPES",
    "TASKS",
    "CENet",
    "CenetError",
    "DatasetSpec",
    "DeviceConfig",
    "InputOptions",
    "Plan",
    "Prediction",
    "Predictor",
    "Recipe",
    "Sample",
    "UNet",
    "build_network",
    "compare",
    "convert_dataset",
    "cross_validate",
    "evaluate",
    "examine",
    "export",
    "load",
    "load_official",
    "load_recipe",
    "plan",
    "predict",
    "report",
    "resolve_device",
    "resume",
    "train",
    "write_predictions",
]

# Imported when first used; no package of cenet may have one of these names.
__getattr__, __dir__, _ = attach(
    __name__,
    submod_attrs={
        "config.plan": ["Plan"],
        "config.presets": ["RECIPES", "load_recipe"],
        "config.recipe": ["Recipe"],
        "data.sample": ["Sample"],
        "datasets.convert": ["convert_dataset"],
        "datasets.registry": ["TASKS"],
        "datasets.spec": ["DatasetSpec"],
        "doctor.examine": ["examine"],
        "errors": ["CenetError"],
        "evaluation.compare": ["compare"],
        "evaluation.evaluate": ["evaluate"],
        "experiments.cross_validation": ["cross_validate"],
        "exporting.export": ["export"],
        "inference.device": ["DeviceConfig", "resolve_device"],
        "inference.ensemble": ["load"],
        "inference.input_options": ["InputOptions"],
        "inference.predict": ["predict", "write_predictions"],
        "inference.prediction": ["Prediction"],
        "inference.predictor": ["Predictor"],
        "networks": ["NETWORKS", "build_network"],
        "networks.authors": ["load_official"],
        "networks.cenet": ["CENet"],
        "networks.unet": ["UNet"],
        "reporting.html_report": ["report"],
        "training.plan": ["plan"],
        "training.train": ["resume", "train"],
    },
)
