"""The engines that compute an exported model: ONNX Runtime and OpenVINO, each imported when it is used."""

import os
from abc import ABC, abstractmethod
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cenet.errors import CenetError
from cenet.inference.model_file import ONNX

EngineName = Literal["auto", "onnxruntime", "openvino", "openvino-bf16"]
OPSET = 17  # of ONNX graphs that are written; engines of the last years read it
INPUT, PROBABILITIES, MASK, UNCALIBRATED = "image", "probabilities", "mask", "uncalibrated"


class Engine(ABC):
    """What computes one output of an exported model.

    Attributes:
        name: As a user asks for it, and as it is recorded with predictions.
        package: That has to be installed.
        version: Of the package.
    """

    name: str
    package: str

    def __init__(self) -> None:
        self.version = metadata.version(self.package)

    @abstractmethod
    def compute(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Compute the output.

        Shape:
            (N, C, H, W) to (N, maps, H, W).
        """


class OnnxRuntimeEngine(Engine):
    """ONNX Runtime, on the processor.

    Args:
        path: The ONNX file.
        output: The name of the output.

    Raises:
        CenetError: It cannot load the file.
    """

    name = package = "onnxruntime"

    def __init__(self, path: Path, output: str) -> None:
        super().__init__()
        import onnxruntime

        onnxruntime.disable_telemetry_events()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = count_threads()
        options.log_severity_level = 4  # what fails is raised
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # each of its errors derives from this alone
            raise _refuse_model(path, self, error) from error
        self._output = output

    def compute(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        (answer,) = self._session.run([self._output], {INPUT: image})
        return np.asarray(answer, np.float32)


class OpenVinoEngine(Engine):
    """OpenVINO, on the processor, in the precision of the file.

    Args:
        path: An OpenVINO or ONNX file.
        output: The name of the output.

    Raises:
        CenetError: It cannot load the file.
    """

    name = package = "openvino"
    precision = "f32"  # without this hint, masks would depend on what the processor can

    def __init__(self, path: Path, output: str) -> None:
        super().__init__()
        import openvino

        core = openvino.Core()
        self.check_processor(core)
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": self.precision}
        if threads := count_threads():
            settings["INFERENCE_NUM_THREADS"] = threads
        try:
            self._model = core.compile_model(core.read_model(path), "CPU", settings)
        except RuntimeError as error:
            raise _refuse_model(path, self, error) from error
        self._output = self._model.output(output)

    def compute(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.array(self._model([image])[self._output], np.float32)

    def check_processor(self, core: Any) -> None:
        """Refuse a processor that does not compute in this precision; every one does in float32.

        Args:
            core: Of OpenVINO.

        Raises:
            CenetError: It does not.
        """


class OpenVinoBfloat16Engine(OpenVinoEngine):
    """OpenVINO in bfloat16, which a processor with AMX computes in half the time or less; masks differ a little.

    Args:
        path: As for `OpenVinoEngine`.
        output: Likewise.

    Raises:
        CenetError: The processor lacks bfloat16, or it cannot load the file.
    """

    name = "openvino-bf16"
    precision = "bf16"

    def check_processor(self, core: Any) -> None:
        if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise CenetError(f"--engine {self.name}", "this processor lacks bfloat16", "use --engine openvino")


ENGINES: dict[str, type[OnnxRuntimeEngine] | type[OpenVinoEngine]] = {
    engine.name: engine for engine in (OnnxRuntimeEngine, OpenVinoEngine, OpenVinoBfloat16Engine)
}


def choose_engine(path: Path, engine: EngineName = "auto") -> str:
    """Return the name of the engine of a file: the one that is asked for, or the one of its kind.

    Args:
        path: An ONNX or OpenVINO file.
        engine: `auto` for that of the file's kind.

    Raises:
        CenetError: The engine cannot read the file, or is not installed.

    >>> choose_engine(Path("vessels.onnx"))
    'onnxruntime'
    """
    is_onnx = path.suffix.lower() == ONNX
    name: str = engine
    if engine == "auto":
        name = "onnxruntime" if is_onnx else "openvino"
    if name == "onnxruntime" and not is_onnx:
        raise CenetError(f"--engine {name}", f"cannot read {path.name}, a file of OpenVINO", "use --engine openvino")
    package = ENGINES[name].package
    if find_spec(package) is None:
        raise CenetError(path, f"is computed by {package}, which is not installed", f"pip install {package}")
    return name


def open_engine(path: Path, output: str, *, engine: EngineName = "auto") -> Engine:
    """Load a model's file into an engine.

    Args:
        path: An ONNX or OpenVINO file.
        output: The name of the output that is computed.
        engine: As for `choose_engine`.

    Raises:
        CenetError: There is no such engine, or it cannot load the file.
    """
    return ENGINES[choose_engine(path, engine)](path, output)


def count_threads() -> int:
    """The number of threads that `--threads` or the environment asks for; 0 leaves the choice to the engine."""
    words = os.environ.get("OMP_NUM_THREADS", "")
    return int(words) if words.isdecimal() else 0


def _refuse_model(path: Path, engine: Engine, error: Exception) -> CenetError:
    reason = " ".join(str(error).split())
    return CenetError(
        path,
        f"cannot be loaded by {engine.package} {engine.version} ({reason[:300]})",
        f"install a newer version: pip install --upgrade {engine.package}; or export the model again",
    )
