"""From a run folder to predictions: the device, the run folder, predictors, ensembles and `cenet predict`.

Sigmoid, softmax, argmax and threshold happen here, and nowhere else. Scores belong to `cenet.evaluation`.
"""

from typing import TYPE_CHECKING

from lazy_loader import attach

if TYPE_CHECKING:
    from cenet.inference.device import DeviceConfig, resolve_device
    from cenet.inference.ensemble import Ensemble, EnsemblePredictor, load, open_run
    from cenet.inference.pipeline import Pipeline
    from cenet.inference.predict import write_predictions
    from cenet.inference.prediction import Prediction
    from cenet.inference.predictor import Predictor
    from cenet.inference.run import Run
    from cenet.inference.run_metadata import RunMetadata


__all__ = [
    "DeviceConfig",
    "Ensemble",
    "EnsemblePredictor",
    "Pipeline",
    "Prediction",
    "Predictor",
    "Run",
    "RunMetadata",
    "load",
    "open_run",
    "resolve_device",
    "write_predictions",
]

# Imported when first used. `predict` is a module here; the function is `cenet.predict`.
__getattr__, __dir__, _ = attach(
    __name__,
    submod_attrs={
        "device": ["DeviceConfig", "resolve_device"],
        "ensemble": ["Ensemble", "EnsemblePredictor", "load", "open_run"],
        "predict": ["write_predictions"],
        "pipeline": ["Pipeline"],
        "prediction": ["Prediction"],
        "predictor": ["Predictor"],
        "run": ["Run", "RunMetadata"],
    },
)
