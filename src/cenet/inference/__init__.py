"""From a run folder to predictions: the device, the run folder, predictors, ensembles and `cenet predict`.

Sigmoid, softmax, argmax and threshold happen here, and nowhere else. Scores belong to `cenet.evaluation`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cenet.inference.device import DeviceConfig, resolve_device
    from cenet.inference.ensemble import Ensemble, EnsemblePredictor, load, open_run
    from cenet.inference.predict import write_predictions
    from cenet.inference.predictor import Prediction, Predictor
    from cenet.inference.run import Run, RunMetadata

_MODULES = {  # `predict` is a module here, and the function `cenet.predict`
    "DeviceConfig": "device",
    "Ensemble": "ensemble",
    "EnsemblePredictor": "ensemble",
    "Prediction": "predictor",
    "Predictor": "predictor",
    "Run": "run",
    "RunMetadata": "run",
    "load": "ensemble",
    "open_run": "ensemble",
    "resolve_device": "device",
    "write_predictions": "predict",
}

__all__ = [
    "DeviceConfig",
    "Ensemble",
    "EnsemblePredictor",
    "Prediction",
    "Predictor",
    "Run",
    "RunMetadata",
    "load",
    "open_run",
    "resolve_device",
    "write_predictions",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f"module 'cenet.inference' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"cenet.inference.{_MODULES[name]}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
