"""Quantisation to int8 with accuracy control: layers that cost too much stay in float."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError
from cenet.exporting.agreement import MAX_DICE_LOST, mean_dice
from cenet.exporting.images import GateImages
from cenet.exporting.openvino_files import convert_graph
from cenet.inference.engines import Engine
from cenet.inference.exported import ExportedModel
from cenet.inference.run import Run

MARGIN = 0.5  # of the allowed loss, as the engine rounds otherwise than the quantisation's own simulation


class RecordingEngine(Engine):
    """Keeps the images that a pipeline hands to its network.

    Args:
        engine: What computes them.
    """

    def __init__(self, engine: Engine) -> None:
        self.name, self.version, self.engine = engine.name, engine.version, engine
        self.images: list[NDArray[np.float32]] = []

    def compute(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        self.images.append(image)
        return self.engine.compute(image)


class CompiledEngine(Engine):
    """A model of OpenVINO that is compiled already.

    Args:
        model: The compiled model.
        output: The name of the output that is computed.
    """

    name = package = "openvino"

    def __init__(self, model: Any, output: str) -> None:
        super().__init__()
        self._model, self._output = model, model.output(output)

    def compute(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array(self._model([image])[self._output], np.float32)


def quantise_graph(graph: bytes, images: Sequence[NDArray[np.float32]], *, float_layers: Sequence[str] = ()) -> Any:
    """Return a model of OpenVINO whose convolutions compute in int8.

    Args:
        graph: An ONNX graph.
        images: What it is calibrated on, as they meet the network.
        float_layers: Names of layers that stay in floating point.
    """
    os.environ["NNCF_CI"] = "1"  # nncf sends no telemetry where this is set
    import nncf

    return nncf.quantize(
        convert_graph(graph),
        calibration_dataset=nncf.Dataset(images),
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(names=list(float_layers)) if float_layers else None,
    )


def quantise_model(run: Run, graph: bytes, exported: ExportedModel, images: GateImages) -> Any:
    """Return a model of OpenVINO whose convolutions compute in int8, calibrated on the training images.

    Args:
        run: What was exported.
        graph: Its ONNX graph; a model that is read from the exported file would change with it.
        exported: Its file in fp32.
        images: Those to calibrate on, and those by whose Dice layers are put back into float. An image without a label
            is compared with the mask in fp32.

    Raises:
        CenetError: There is no image to calibrate on.
    """
    if not images.training:
        raise CenetError(run.path, "there is no image to calibrate int8 on", "name a folder of some with --calibration")
    os.environ["NNCF_CI"] = "1"  # nncf sends no telemetry where this is set
    import nncf

    predictor = exported.predictor()
    recorder = RecordingEngine(predictor.engine)
    predictor.engine = recorder
    for image in images.training:
        predictor(image.pixels, name=image.name)
    predictor.engine = recorder.engine
    truths = [
        image.label if image.label is not None else predictor(image.pixels, name=image.name).mask
        for image in images.compared
    ]

    def measure(compiled: Any, _: Any) -> tuple[float, None]:
        predictor.engine = CompiledEngine(compiled, exported.info.raw_output)
        masks = [predictor(image.pixels, name=image.name).mask for image in images.compared]
        pairs = zip(masks, truths, strict=True)
        return float(np.mean([mean_dice(mask, truth, run.recipe) for mask, truth in pairs])), None

    return nncf.quantize_with_accuracy_control(
        convert_graph(graph),
        calibration_dataset=nncf.Dataset(recorder.images),
        validation_dataset=nncf.Dataset([None]),  # `measure` has the images
        validation_fn=measure,
        max_drop=MAX_DICE_LOST * MARGIN,
        drop_type=nncf.DropType.ABSOLUTE,
        subset_size=len(recorder.images),
    )
