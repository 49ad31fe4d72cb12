"""A network as an ONNX graph: from an image's own values at any size to probabilities and a mask."""

import io
import math
import warnings

import torch
from torch import Tensor, nn

from cenet.config.recipe import Recipe
from cenet.errors import CenetError
from cenet.inference.engines import INPUT, MASK, OPSET, PROBABILITIES, UNCALIBRATED
from cenet.inference.operating_point import OperatingPoint
from cenet.inference.post_processing import PostProcessing
from cenet.networks import Network


class GraphNetwork(nn.Module):
    """A network with the steps around it in a graph: padding before it; activation, calibration, thresholds after.

    Args:
        network: Logits from the image's own values.
        recipe: Says what the logits mean.
        point: Calibration and thresholds.

    Shape:
        image `(N, C, H, W)` float32 of any height and width, to probabilities `(N, maps, H, W)`; to the mask
        `(N, H, W)` uint8 of class indices, unless classes lie in layers; and to the probabilities before calibration,
        if there is one.
    """

    def __init__(self, network: Network, recipe: Recipe, point: OperatingPoint) -> None:
        super().__init__()
        self.network = network
        self.stride, self.min_size = network.stride, network.min_size
        self.softmax, self.ordered, self.maps = not recipe.sigmoid, recipe.ordered, recipe.maps
        self.thresholds = point.thresholds or (0.5,) * recipe.maps
        self.calibration, self.clip = point.calibration, recipe.clip

    @property
    def output_names(self) -> list[str]:
        """The names of what the graph returns, in its order."""
        mask = [] if self.ordered else [MASK]
        uncalibrated = [UNCALIBRATED] if self.calibration else []
        return [PROBABILITIES, *mask, *uncalibrated]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        rows, top = reflect_indices(image.shape[2], stride=self.stride, min_size=self.min_size)
        columns, left = reflect_indices(image.shape[3], stride=self.stride, min_size=self.min_size)
        clipped = image if self.clip == (-math.inf, math.inf) else image.clamp(*self.clip)
        logits = self.network(clipped.index_select(2, rows).index_select(3, columns))
        logits = logits.index_select(2, torch.arange(image.shape[2]) + top)
        logits = logits.index_select(3, torch.arange(image.shape[3]) + left)
        probabilities = self._activate(self._calibrate(logits))
        mask = () if self.ordered else (self._to_mask(probabilities),)
        uncalibrated = (self._activate(logits),) if self.calibration else ()
        return probabilities, *mask, *uncalibrated

    def _activate(self, logits: Tensor) -> Tensor:
        return logits.softmax(dim=1) if self.softmax else logits.sigmoid()

    def _calibrate(self, logits: Tensor) -> Tensor:
        """As `cenet.metrics.calibration.apply`, for which a power of a softmax is a factor of its logits."""
        if not self.calibration:
            return logits
        scale, bias = torch.tensor(self.calibration, dtype=torch.float32).T[..., None, None]
        calibrated: Tensor = logits * scale + bias
        return calibrated

    def _to_mask(self, probabilities: Tensor) -> Tensor:
        if self.softmax:
            return probabilities.argmax(dim=1).to(torch.uint8)
        inside = (probabilities >= torch.tensor(self.thresholds)[:, None, None]).to(torch.uint8)
        mask = region = inside[:, 0]
        for number in range(1, self.maps):
            region = region * inside[:, number]  # a nested region counts only inside those around it
            mask = mask + region
        return mask


def reflect_indices(length: int | Tensor, *, stride: int, min_size: int) -> tuple[Tensor, Tensor]:
    """The rows (or columns) of an image, with those that are reflected into the padding, and how many come before.

    The padding is that of `cenet.data.preprocessing`, as operations that a graph can hold.

    Args:
        length: Rows of the image.
        stride: Their number becomes a multiple of it.
        min_size: And at least this.

    >>> indices, before = reflect_indices(3, stride=8, min_size=8)
    >>> indices.tolist(), int(before)
    ([1, 0, 0, 1, 2, 2, 1, 0], 2)
    """
    length = torch.as_tensor(length)
    padded = torch.clamp(torch.div(length + stride - 1, stride, rounding_mode="floor") * stride, min=min_size)
    before = torch.div(padded - length, 2, rounding_mode="floor")
    indices = torch.arange(padded) - before  # type: ignore[call-overload]  # a tensor, as its sizes are traced
    indices = torch.remainder(indices, 2 * length)
    return torch.where(indices < length, indices, 2 * length - 1 - indices), before


def write_graph(graph: GraphNetwork, *, in_channels: int) -> bytes:
    """Return the ONNX file of a network.

    Args:
        graph: The network and the steps around it.
        in_channels: Channels of its images.

    Raises:
        CenetError: It has an operation that ONNX lacks.
    """
    side = max(graph.min_size, graph.stride * 2)
    example = torch.zeros(1, in_channels, side, side + graph.stride)
    axes = {name: {0: "N", 2: "H", 3: "W"} for name in (INPUT, *graph.output_names)}
    if MASK in axes:
        axes[MASK] = {0: "N", 1: "H", 2: "W"}
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # The exporter through torch.export takes minutes for symbolic sizes; this one is called deprecated, and warns
        # of constants, which are right: `conv2d_same` pads even sizes alike.
        warnings.simplefilter("ignore")
        try:
            torch.onnx.export(
                graph.eval(),
                (example,),
                file,  # type: ignore[arg-type]  # without dynamo it may be one in memory
                dynamo=False,
                opset_version=OPSET,
                input_names=[INPUT],
                output_names=graph.output_names,
                dynamic_axes=axes,
            )
        except torch.onnx.errors.UnsupportedOperatorError as error:
            remedy = "build the network of operations that ONNX has"
            raise CenetError("the network", f"cannot be exported ({error})", remedy) from error
    return file.getvalue()


def list_outside_steps(recipe: Recipe, *, post_processing: PostProcessing) -> tuple[str, ...]:
    """What a run does that cannot stand in a graph, in words; whoever runs the graph alone has to do it.

    Args:
        recipe: How an image meets the network.
        post_processing: What is done to the mask of one view.
    """
    steps = []
    if recipe.roi_fraction is not None:
        steps.append(
            f"a localiser finds the middle, and a square of {recipe.roi_fraction:g} diameters of the field of view is "
            "cut out around it"
        )
    scale = {
        "native": f"the image is resized by the factor {recipe.scale:g}" if recipe.scale != 1 else "",
        "longest": f"the image is resized so that its longest side has {recipe.size_px} px",
        "square": f"the image is resized to {recipe.size_px} x {recipe.size_px} px",
        "field-of-view": f"the image is resized so that the diameter of its field of view becomes {recipe.size_px} px",
    }[recipe.resize_mode]
    if scale:
        steps.append(f"{scale}, and the probabilities are resized back")
    steps.append(f"images with a side above {recipe.tile_px} px are computed in overlapping windows of this side")
    if recipe.ordered:
        steps.append("the most probable order of the layers is decoded in every column")
    if not post_processing.changes_nothing:
        steps.append(f"of the mask {post_processing.describe()}")
    return tuple(steps)
