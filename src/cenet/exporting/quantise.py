"""Quantisation to int8: layers at both ends of a network stay in float until it says what the run says."""

import logging
import os
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError
from cenet.exporting.agreement import ExpectedPredictions, find_loss, format_agreement, measure_agreement
from cenet.exporting.images import GateImages
from cenet.exporting.openvino_files import convert_graph
from cenet.inference.engines import Engine
from cenet.inference.exported import ExportedModel, ExportedPredictor
from cenet.safe_text import print_line

FLOAT_LAYERS = (0, 3, 12, 24)  # at each end of the network, tried in this order
CALIBRATION_PX = 640  # of an image its middle is enough
CONVOLUTIONS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData")


class RecordingEngine(Engine):
    """Keeps the images that a pipeline hands to its network.

    Args:
        engine: What computes them.
    """

    def __init__(self, engine: Engine) -> None:
        self.name, self.package, self.version, self.engine = engine.name, engine.package, engine.version, engine
        self.images: list[NDArray[np.float32]] = []

    def compute(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        self.images.append(cut_middle(image))
        return self.engine.compute(image)


class CompiledEngine(Engine):
    """A model of OpenVINO that is in memory.

    Args:
        model: The model.
        output: The name of the output that is computed.
    """

    name = package = "openvino"

    def __init__(self, model: Any, output: str) -> None:
        super().__init__()
        import openvino

        self._model = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        self._output = self._model.output(output)

    def compute(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array(self._model([image])[self._output], np.float32)


def quantise_model(graph: bytes, exported: ExportedModel, images: GateImages, expected: ExpectedPredictions) -> Any:
    """Return a model of OpenVINO that computes in int8, with as few layers in float as its gate allows.

    Args:
        graph: Its ONNX graph; a model that is read from the exported file would change with it.
        exported: Its file in fp32.
        images: Those to calibrate on, and those that it is judged by.
        expected: What the run says of them.

    Raises:
        CenetError: There is no image to calibrate on.
    """
    if not images.training:
        cause = "there is no image to calibrate int8 on"
        raise CenetError(exported.path.name, cause, "name a folder of some with --calibration")
    predictor = exported.predictor()
    calibration = list_network_inputs(predictor, images)
    model = None
    for count in FLOAT_LAYERS:
        model = quantise_graph(graph, calibration, float_layers=count)
        predictor.engine = CompiledEngine(model, exported.info.raw_output)
        agreement = measure_agreement(expected, predictor, images, recipe=exported.recipe)
        loss = find_loss(agreement, precision="int8")
        layers = "no layer" if count == 0 else f"the first and last {count} layers"
        outcome = loss or f"passes, {format_agreement(agreement)}"
        print_line(f"int8, {layers} in floating point: {outcome}", file=sys.stderr)
        if loss is None:
            break
    return model


def list_network_inputs(predictor: ExportedPredictor, images: GateImages) -> list[NDArray[np.float32]]:
    """The middles of the training images as they meet the network.

    Args:
        predictor: That of the exported model; it is as before.
        images: The images.
    """
    recorder = RecordingEngine(predictor.engine)
    predictor.engine = recorder
    for image in images.training:
        predictor(image.pixels, name=image.name)
    predictor.engine = recorder.engine
    return recorder.images


def cut_middle(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """The middle of an image, of at most 640 px.

    >>> cut_middle(np.zeros((1, 3, 1000, 300), np.float32)).shape
    (1, 3, 640, 300)
    """
    top, left = (max((side - CALIBRATION_PX) // 2, 0) for side in image.shape[2:])
    return np.ascontiguousarray(image[..., top : top + CALIBRATION_PX, left : left + CALIBRATION_PX])


def quantise_graph(graph: bytes, images: Sequence[NDArray[np.float32]], *, float_layers: int = 0) -> Any:
    """Return a model of OpenVINO whose convolutions compute in int8.

    Args:
        graph: An ONNX graph.
        images: What it is calibrated on, as they meet the network.
        float_layers: How many convolutions at each end of the network stay in floating point.
    """
    os.environ["NNCF_CI"] = "1"  # nncf sends no telemetry where this is set
    import nncf

    nncf.set_log_level(logging.ERROR)  # it lists every layer that stays in float
    model = convert_graph(graph)
    names = list(list_end_operations(model, float_layers))
    return nncf.quantize(
        model,
        calibration_dataset=nncf.Dataset(images),
        subset_size=len(images),
        ignored_scope=nncf.IgnoredScope(names=names, validate=False) if names else None,
    )


def list_end_operations(model: Any, count: int) -> Iterator[str]:
    """The names of the operations up to the first convolutions, and from the last ones on.

    Args:
        model: Of OpenVINO.
        count: How many convolutions at each end.
    """
    if count == 0:
        return
    operations = model.get_ordered_ops()
    places = [place for place, node in enumerate(operations) if node.get_type_name() in CONVOLUTIONS]
    first, last = places[min(count, len(places)) - 1], places[-min(count, len(places))]
    for place, node in enumerate(operations):
        if (place <= first or place >= last) and node.get_type_name() != "Constant":
            yield node.get_friendly_name()
