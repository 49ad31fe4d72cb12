"""`cenet export`: a run as a model file for other programs, written only if it says what the run says."""

from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from cenet.data.appearance import ImageAppearance
from cenet.data.io.files import hash_file
from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError
from cenet.exporting.agreement import check_agreement, measure_agreement, predict_images
from cenet.exporting.bioimage import BIOIMAGE_NAMES, build_bioimage_files
from cenet.exporting.hugging_face import HUB_NAMES, HubConfig, build_hub_files
from cenet.exporting.images import load_gate_images
from cenet.inference.ensemble import note_unfinished, open_run
from cenet.inference.exported import (
    Agreement,
    ExportedInfo,
    ExportedModel,
    SecondFile,
    describe_inside,
)
from cenet.inference.model_file import ONNX, OPENVINO, seal_onnx
from cenet.inference.operating_point import choose_operating_point
from cenet.inference.run import Run

if TYPE_CHECKING:  # imported when they are used, so that what cannot be written is refused before torch is there
    from cenet.networks import NetworkFactory

Precision = Literal["fp32", "int8"]
VERB = "export"
PACKAGES = {ONNX: ("onnx", "onnxruntime"), OPENVINO: ("onnx", "openvino")}
PRIVATE_FACTS = {  # paths and fingerprints, of which predictions do not depend
    "command": "",
    "started_from": "",
    "data": None,
    "init_from": None,
    "group_pattern": None,
    "seen_in_earlier_training": (),
}


@dataclass(frozen=True)
class Export:
    """What was written.

    Args:
        files: The model's file first, then those that belong to it.
        info: What the file says of itself.
        agreement: How it was compared with the run.
    """

    files: tuple[Path, ...]
    info: ExportedInfo
    agreement: Agreement


def export(
    run: Path | str,
    output: Path | str,
    *,
    precision: Precision = "fp32",
    data: Path | str | None = None,
    calibration: Path | str | None = None,
    hub: bool = False,
    overwrite: bool = False,
    network: "NetworkFactory | None" = None,
) -> Export:
    """Write a run as a model file that needs no PyTorch, after comparing it with the run on images.

    In fp32 no probability may differ by more than 1e-4. In int8 99 % of the pixels of each mask must be the same, and
    Dice of labelled images may fall by less than 0.002.

    Args:
        run: The name of a released model, or a run folder.
        output: The file; `.onnx` for ONNX, `.xml` for OpenVINO, whose weights are written beside it.
        precision: In which it computes; int8 is for OpenVINO.
        data: The images that the run was trained on, where they have moved; its validation part is compared.
        calibration: A folder of other images to compare, and to calibrate int8 on.
        hub: Also write weights, configuration and card beside it, as a repository of Hugging Face has them, and beside
            an ONNX file what bioimage.io needs.
        overwrite: Replace files there that `cenet export` did not write.
        network: The class of the run's network, where it is one of your own.

    Raises:
        CenetError: The place cannot be written, a package is missing, or the model does not say what the run says.
    """
    output = Path(output)
    check_request(output, precision)
    opened = open_run(run, network=network)
    if not isinstance(opened, Run):
        raise CenetError(opened.path, "is a cross-validation, of several networks", "name one of its folds")
    note_unfinished(opened)
    names = list_model_names(output.name)
    second_name = f"{output.stem}.localiser{output.suffix}"
    localiser = opened.localiser_run()
    if localiser is not None:
        names += list_model_names(second_name)
    is_onnx = output.suffix.lower() == ONNX
    folder = OutputFolder(output.parent, verb=VERB, overwrite=overwrite)
    folder.check([*names, *(HUB_NAMES if hub else ()), *(BIOIMAGE_NAMES if hub and is_onnx else ())])
    images = load_gate_images(
        opened, data=Path(data) if data else None, calibration=Path(calibration) if calibration else None
    )
    with TemporaryDirectory(prefix="cenet-export-") as scratch:
        path = Path(scratch, output.name)
        content, info, output_names = _convert(opened)
        localiser_info = None
        if localiser is not None:
            localiser_info, second = _write_localiser(localiser, Path(scratch, second_name))
            info = info.model_copy(update={"localiser": second})
        write_model_file(path, content, info)
        expected = predict_images(opened.predictor(device="cpu"), images)
        if precision == "int8":
            from cenet.exporting.quantise import quantise_model

            info = info.model_copy(update={"precision": precision})
            content = quantise_model(content, ExportedModel(path), images, expected)
            write_model_file(path, content, info)
        exported = ExportedModel(path).predictor()
        agreement = measure_agreement(expected, exported, images, recipe=opened.recipe)
        check_agreement(agreement, opened.path, precision=precision)
        info = info.model_copy(update={"agreement": agreement})
        write_model_file(path, content, info)
        for name in names:
            with folder.open(name) as file:
                file.write(Path(scratch, name).read_bytes())
        config = HubConfig(model=info, localiser=localiser_info)
        contents = build_hub_files(opened, config, model=output.name) if hub else {}
        if hub and is_onnx:
            contents |= build_bioimage_files(path, info, output_names)
        for name, of_file in contents.items():
            with folder.open(name) as file:
                file.write(of_file)
    return Export(tuple(folder.path / name for name in [*names, *contents]), info, agreement)


def list_model_names(name: str) -> list[str]:
    """The files of an exported model: of OpenVINO a second one holds the weights.

    >>> list_model_names("eyes.onnx"), list_model_names("eyes.xml")
    (['eyes.onnx'], ['eyes.xml', 'eyes.bin'])
    """
    return [name] if name.lower().endswith(ONNX) else [name, Path(name).with_suffix(".bin").name]


def check_request(output: Path, precision: Precision) -> None:
    """Refuse what cannot be exported, before anything heavy is imported.

    Args:
        output: The file.
        precision: In which it computes.

    Raises:
        CenetError: There is no such format, or a package is missing.
    """
    suffix = output.suffix.lower()
    if suffix not in PACKAGES:
        raise CenetError(output, "is no name of a model file", "let it end in .onnx, or in .xml for OpenVINO")
    if suffix == OPENVINO != output.suffix:  # which OpenVINO does not write
        raise CenetError(output, "ends in capital letters", "let its name end in .xml")
    if precision == "int8" and suffix == ONNX:
        raise CenetError(output, "int8 is written for OpenVINO", "let its name end in .xml, or use --precision fp32")
    for package in (*PACKAGES[suffix], *(("nncf",) if precision == "int8" else ())):
        if find_spec(package) is None:
            raise CenetError(output, f"needs {package}, which is not installed", "pip install 'cenet[export]'")


def _write_localiser(localiser: Run, path: Path) -> tuple[ExportedInfo, SecondFile]:
    """Write the file of a localiser: what it says of itself, and what the model's file says of it."""
    content, info, _ = _convert(localiser)
    write_model_file(path, content, info)
    return info, SecondFile(name=path.name, sha256=hash_file(path))


def _convert(run: Run) -> tuple[bytes, ExportedInfo, list[str]]:
    """The graph of a run, what its file says of it, and the names of its outputs."""
    from cenet.exporting.graph import GraphNetwork, list_outside_steps, write_graph

    point = choose_operating_point(run.facts.operating_points, 1)
    graph = GraphNetwork(run.network(), run.recipe, point)
    model = run.model
    encoder_weights = Path(run.recipe.encoder_weights).name  # of a path only what says nothing of the machine
    info = ExportedInfo(
        cenet=metadata.version("cenet"),
        title=model.title if model else run.recipe.title,
        name=model.name if model else run.recipe.name,
        version=model.version if model else "",
        licence=model.licence if model else "",
        recipe=run.recipe.replace(encoder_weights=encoder_weights),
        facts=run.facts.model_copy(update=PRIVATE_FACTS),
        parameters=sum(parameter.numel() for parameter in graph.network.parameters()),
        stride=graph.stride,
        min_size=graph.min_size,
        raw_output="uncalibrated" if graph.calibration else "probabilities",
        inside=describe_inside(graph.output_names, classes=run.facts.classes, softmax=graph.softmax),
        outside=list_outside_steps(run.recipe, post_processing=point.post_processing),
        appearance=ImageAppearance.load(run.path),
    )
    return write_graph(graph, in_channels=run.facts.in_channels), info, graph.output_names


def write_model_file(path: Path, content: Any, info: ExportedInfo) -> None:
    """Write a model's file, and for OpenVINO that of its weights.

    Args:
        path: The file.
        content: An ONNX graph; or for OpenVINO also its model.
        info: What the file says of itself.
    """
    if path.suffix.lower() == ONNX:
        path.write_bytes(seal_onnx(content, info.model_dump_json()))
        return
    from cenet.exporting.openvino_files import convert_graph, write_openvino

    write_openvino(path, convert_graph(content) if isinstance(content, bytes) else content, info)
