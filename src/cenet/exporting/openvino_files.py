"""OpenVINO files: converted from an ONNX graph, and written with their description."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cenet.data.io.files import hash_file
from cenet.inference.exported import ExportedInfo, SecondFile
from cenet.inference.model_file import KEY, seal_xml


def convert_graph(graph: bytes) -> Any:
    """Return an ONNX graph as a model of OpenVINO.

    What can be computed without an image is: quantisation does not know the bias of a convolution from a constant whose
    shape is computed.
    """
    import openvino
    from openvino.passes import ConstantFolding, Manager

    with TemporaryDirectory(prefix="cenet-export-") as folder:
        path = Path(folder, "model.onnx")
        path.write_bytes(graph)
        model = openvino.Core().read_model(path)
    passes = Manager()
    passes.register_pass(ConstantFolding())
    passes.run_passes(model)
    return model


def write_openvino(path: Path, model: Any, info: ExportedInfo) -> None:
    """Write `NAME.xml` with its description and `NAME.bin` with the weights.

    Args:
        path: The XML file.
        model: Of OpenVINO.
        info: What the file says of itself; the file of weights is added.
    """
    import openvino

    weights = path.with_suffix(".bin")
    openvino.save_model(model, path, compress_to_fp16=False)
    second = SecondFile(name=weights.name, sha256=hash_file(weights))
    model.set_rt_info(info.model_copy(update={"weights": second}).model_dump_json(), [KEY])
    openvino.save_model(model, path, compress_to_fp16=False)
    path.write_bytes(seal_xml(path.read_bytes()))
