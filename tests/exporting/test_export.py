"""Exported models: what they compute, what they say of themselves, and what is refused."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch
import yaml
from tiny_network import TINY

from cenet import load
from cenet.config.presets import load_recipe
from cenet.data.io.files import hash_file
from cenet.data.io.read import read_image
from cenet.errors import CenetError
from cenet.evaluation.evaluate import evaluate
from cenet.exporting.bioimage import describe_model
from cenet.exporting.export import export
from cenet.exporting.graph import GraphNetwork, reflect_indices, write_graph
from cenet.exporting.hugging_face import HubConfig
from cenet.inference.exported import ExportedInfo, ExportedModel
from cenet.inference.model_file import read_description, seal_onnx
from cenet.inference.operating_point import OperatingPoint
from cenet.inference.prediction import Prediction
from cenet.inference.run import Run
from cenet.inference.run_metadata import RunMetadata
from cenet.metrics.calibration import apply
from cenet.networks.registry import build_network
from cenet.phantoms import write_phantoms
from cenet.service.served_model import load_served_models

BLOCKED_IMPORTS = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "monai", "pytorch_lightning", "matplotlib", "onnx", "openvino"}:
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Blocker())
from cenet.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def model(run, images, keep):
    """The trained run as ONNX file. Not to be changed."""
    return export(run, keep("exported") / "eyes.onnx").files[0]


def run_graph(content, image):
    """What plain ONNX Runtime makes of an image, by the names of the outputs."""
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


@pytest.mark.parametrize("length", [1, 5, 31, 32, 33, 100])
def test_a_graph_pads_as_the_preprocessing_does(length):
    indices, before = reflect_indices(length, stride=32, min_size=64)
    expected = np.pad(np.arange(length), [(int(before), len(indices) - length - int(before))], mode="symmetric")
    assert indices.tolist() == expected.tolist()
    assert len(indices) in (64, 128)


@pytest.mark.parametrize("options", [{"network": "unet"}, {"encoder": "resnet18"}, {"network": "cenet-lite"}])
def test_a_graph_computes_what_the_network_computes_at_any_size(options):
    lite = {"encoder": "efficientnet-lite0"} if options.get("network") == "cenet-lite" else {}
    recipe = load_recipe("folder").replace(encoder_weights="none", **options, **lite)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        graph = GraphNetwork(
            build_network(recipe), recipe, OperatingPoint(thresholds=(0.4,), calibration=((1.2, 0.3),))
        )
    content = write_graph(graph, in_channels=3)
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    image = np.random.default_rng(0).uniform(0, 255, (2, 3, 33, 50)).astype(np.float32)
    with torch.inference_mode():
        expected = [tensor.numpy() for tensor in graph(torch.from_numpy(image))]
    outputs = run_graph(content, image)
    assert list(outputs) == ["probabilities", "mask", "uncalibrated"]
    for name, array in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(outputs[name], array, atol=1e-5, err_msg=name)
    assert np.array_equal(outputs["mask"], (outputs["probabilities"][:, 0] >= 0.4).astype(np.uint8))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"num_classes": 3, "nested": True}, lambda p: (p[:, 0] >= 0.5) * (1 + (p[:, 1] >= 0.5))),
        ({"num_classes": 3}, lambda p: p.argmax(axis=1)),
    ],
)
def test_the_mask_of_a_graph_holds_class_indices(changes, expected):
    recipe = load_recipe("folder").replace(network=TINY, encoder_weights="none", clip_low=10, **changes)
    graph = GraphNetwork(build_network(recipe), recipe, OperatingPoint())
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 40, 40)).astype(np.float32)
    outputs = run_graph(write_graph(graph, in_channels=3), image)
    assert np.array_equal(outputs["mask"], expected(outputs["probabilities"]))
    assert outputs["mask"].dtype == np.uint8


def test_an_exported_model_matches_pixel_sizes_as_its_run(run, tmp_path):
    Run(shutil.copytree(run, tmp_path / "run", ignore=shutil.ignore_patterns("*.ckpt"))).update(pixel_um=(10, 20))
    image = np.random.default_rng(0).integers(0, 256, (60, 80, 3)).astype(np.uint8)
    exported = load(export(tmp_path / "run", tmp_path / "eyes.onnx").files[0])
    answers = [predictor(image, pixel_um=(5, 5)).probabilities for predictor in (exported, load(tmp_path / "run"))]
    np.testing.assert_allclose(*answers, atol=1e-5)
    assert np.abs(answers[0] - exported(image).probabilities).max() > 1e-3


def test_an_exported_model_predicts_what_its_run_predicts(model, run, images):
    image = images / "images" / "eye-0.png"
    for tta in (False, True):
        expected, exported = (load(path, tta=tta, device="cpu")(image) for path in (run, model))
        np.testing.assert_allclose(exported.probabilities, expected.probabilities, atol=1e-5)
        assert exported.thresholds == expected.thresholds
        assert exported.unfamiliar == expected.unfamiliar


def test_it_says_what_it_was_compared_on_and_nothing_of_its_data(model, images):
    info = ExportedModel(model).info
    assert info.agreement.largest_difference < 1e-5
    assert info.agreement.dice is not None
    assert info.facts.classes == ("foreground",)
    assert str(images).encode() not in model.read_bytes()


def test_plain_onnx_runtime_gives_the_mask(model, run, images):
    onnx.checker.check_model(model, full_check=True)
    image = read_image(images / "images" / "eye-1.png")
    outputs = run_graph(str(model), np.moveaxis(image, -1, 0)[None].astype(np.float32))
    assert (outputs["mask"][0] == load(run, device="cpu")(image).mask).mean() > 0.999
    entries = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).get_modelmeta()
    assert json.loads(entries.custom_metadata_map["cenet"])["facts"]["classes"] == ["foreground"]


def test_the_how_to_predicts_without_cenet(model, run, images, tmp_path, monkeypatch):
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "export.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    monkeypatch.chdir(tmp_path)
    shutil.copy(model, "eyes.onnx")
    shutil.copy(images / "images" / "eye-0.png", "eye.png")
    exec(compile(code, "export.md", "exec"), {})  # noqa: S102  # the documentation's own code
    mask = read_image(Path("eye_mask.png"))[..., 0]
    assert (mask == load(run, device="cpu")("eye.png").mask * 255).mean() > 0.999


def test_what_the_runtime_imports_is_in_its_requirements():
    text = (Path(__file__).parents[2] / "requirements-runtime.txt").read_text(encoding="utf-8")
    names = {line.split(">=")[0] for line in text.splitlines() if not line.startswith("#")}
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    dependencies = {item.split(">=")[0] for item in project["dependencies"]}
    assert not names & {"torch", "monai", "pytorch-lightning", "matplotlib"}
    assert names - {"onnxruntime"} <= dependencies


def test_it_is_predicted_without_torch_and_the_engine_is_recorded(model, images, tmp_path):
    command = ["predict", model, images / "images" / "eye-0.png", "--output", tmp_path / "masks"]
    subprocess.run([sys.executable, "-c", BLOCKED_IMPORTS, *map(str, command)], check=True)
    assert (tmp_path / "masks" / "eye-0_mask.png").exists()
    notes = (tmp_path / "masks" / ".cenet.jsonl").read_text()
    assert f'"onnxruntime {onnxruntime.__version__}"' in notes


def test_an_exported_model_is_scored_as_its_run_is(model, run, images, tmp_path):
    expected = evaluate(run, data=images, task="folder", part="all", output=tmp_path / "run", device="cpu")
    report = evaluate(model, data=images, task="folder", output=tmp_path / "model")
    first, second = (scored.classes[0].thresholds[0].per_image["dice"].value for scored in (expected, report))
    assert second == pytest.approx(first, abs=1e-3)
    assert (report.runs[0].name, report.cost.parameters) == ("eyes.onnx", expected.cost.parameters)
    for options in ({}, {"data": images, "part": "test"}):
        with pytest.raises(CenetError):
            evaluate(model, **options, output=tmp_path / "other")


def test_bfloat16_is_a_choice_at_run_time_where_the_processor_has_it(model, images, tmp_path, cenet):
    image = images / "images" / "eye-0.png"
    has_bfloat16 = "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    status = cenet("predict", model, image, "--output", tmp_path / "masks", "--engine", "openvino-bf16")
    assert status == (0 if has_bfloat16 else 1)
    if has_bfloat16:
        assert f'"openvino-bf16 {version("openvino")}"' in (tmp_path / "masks" / ".cenet.jsonl").read_text()


def test_openvino_reads_both_kinds_of_files(model, run, images, tmp_path, cenet):
    image = images / "images" / "eye-0.png"
    written = export(run, tmp_path / "eyes.xml")
    assert [file.name for file in written.files] == ["eyes.xml", "eyes.bin"]
    assert written.agreement.engine.startswith("openvino")
    assert cenet("predict", model, image, "--output", tmp_path / "a", "--engine", "openvino") == 0
    assert cenet("predict", written.files[0], image, "--output", tmp_path / "b") == 0
    masks = [(tmp_path / name / "eye-0_mask.png").read_bytes() for name in "ab"]
    assert masks[0] == masks[1]


def change_a_byte(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    "breaking",
    [
        change_a_byte,
        lambda file: file.write_bytes(file.read_bytes()[:-100]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"no model at all" * 20),
        lambda file: file.unlink(),
    ],
    ids=["changed", "truncated", "empty", "foreign", "missing"],
)
def test_a_damaged_file_is_refused(model, tmp_path, breaking):
    copy = shutil.copy(model, tmp_path / "copy.onnx")
    breaking(copy)
    with pytest.raises(CenetError) as refusal:
        ExportedModel(copy)
    assert refusal.value.subject == str(copy)


def test_a_repository_of_hugging_face_holds_weights_configuration_and_card(run, tmp_path):
    files = export(run, tmp_path / "hub" / "model.onnx", hub=True).files
    tensors = {"test_input.npy", "test_probabilities.npy", "test_mask.npy"}
    assert {"model.onnx", "README.md", "config.json", "model.safetensors", "rdf.yaml", *tensors} <= {
        file.name for file in files
    }
    assert (tmp_path / "hub" / "model.safetensors").read_bytes() == (run / "weights.safetensors").read_bytes()
    _, front, text = (tmp_path / "hub" / "README.md").read_text().split("---\n", 2)
    assert yaml.safe_load(front)["pipeline_tag"] == "image-segmentation"
    assert "model.onnx" in text
    assert HubConfig.model_validate_json((tmp_path / "hub" / "config.json").read_text()).model.agreement is not None

    check_bioimage_description(tmp_path / "hub")


def check_bioimage_description(folder):
    """What the schema 0.5 of bioimage.io demands, for which its own package is too large."""
    description = yaml.safe_load((folder / "rdf.yaml").read_text())
    assert (description["type"], description["format_version"].rsplit(".", 1)[0]) == ("model", "0.5")
    assert re.fullmatch(r"[\w+ ()-]{5,128}", description["name"], re.A)
    assert len(description["description"]) <= 1024
    assert all(description[name] for name in ("authors", "cite", "documentation", "timestamp"))
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    assert [tensor["id"] for tensor in description["inputs"]] == [tensor.name for tensor in session.get_inputs()]
    assert [tensor["id"] for tensor in description["outputs"]] == [tensor.name for tensor in session.get_outputs()]
    sources = [description["weights"]["onnx"]]
    sources += [tensor["test_tensor"] for tensor in (*description["inputs"], *description["outputs"])]
    assert all(hash_file(folder / source["source"]) == source["sha256"] for source in sources)
    outputs = run_graph(str(folder / "model.onnx"), np.load(folder / "test_input.npy"))
    for tensor in description["outputs"]:
        array = np.load(folder / tensor["test_tensor"]["source"])
        assert (array.ndim, str(array.dtype)) == (len(tensor["axes"]), tensor["data"]["type"])
        np.testing.assert_allclose(outputs[tensor["id"]], array, atol=1e-6)


def test_an_exported_model_is_served(model, images):
    served = load_served_models([str(model)], tta=True)["eyes"]
    pixels = read_image(images / "images" / "eye-0.png")
    assert np.array_equal(served.predict(pixels).mask, load(model, tta=True)(pixels).mask)
    assert served.classes == ("foreground",)


def test_the_localiser_is_exported_beside_it_and_looks_where_the_run_does(tmp_path):
    recipe = load_recipe("disc").replace(network=TINY, encoder_weights="none", size_px=64, localiser_size_px=64)
    facts = RunMetadata(
        command="drawn",
        started_from="random weights",
        in_channels=3,
        classes=("disc", "cup"),
        operating_points=(OperatingPoint(thresholds=(0.5, 0.4)),),
        finished=True,
    )
    for folder, network in ((tmp_path / "run", recipe), (tmp_path / "run" / "localiser", recipe.localiser)):
        with torch.random.fork_rng([]):
            torch.manual_seed(0)
            Run.create(folder, network, facts).save_weights(build_network(network))
    write_phantoms(tmp_path / "eyes", task="disc", count=1, seed=3, size_px=96)
    image = tmp_path / "eyes" / "images" / "fundus-000.png"
    files = export(tmp_path / "run", tmp_path / "out" / "disc.onnx", calibration=image.parent).files
    assert [file.name for file in files] == ["disc.onnx", "disc.localiser.onnx"]
    expected, exported = (load(path, device="cpu")(image) for path in (tmp_path / "run", files[0]))
    assert exported.box == expected.box
    np.testing.assert_allclose(exported.probabilities, expected.probabilities, atol=1e-5)
    files[1].write_bytes(files[0].read_bytes())
    with pytest.raises(CenetError) as refusal:
        ExportedModel(files[0])
    assert refusal.value.subject == str(files[1])


def test_operators_that_the_engine_does_not_have_are_refused(model, tmp_path):
    graph = onnx.load(model)
    del graph.metadata_props[:]
    graph.opset_import[0].version = 99
    (tmp_path / "new.onnx").write_bytes(seal_onnx(graph.SerializeToString(), read_description(model)))
    with pytest.raises(CenetError) as refusal:
        load(tmp_path / "new.onnx")
    assert "pip install --upgrade onnxruntime" in refusal.value.remedy


def test_weights_of_another_file_are_refused(run, tmp_path):
    file, weights = export(run, tmp_path / "eyes.xml").files
    change_a_byte(weights)
    with pytest.raises(CenetError) as refusal:
        ExportedModel(file)
    assert refusal.value.subject == str(weights)


def test_images_of_another_kind_are_refused(model):
    with pytest.raises(CenetError) as refusal:
        load(model)(np.zeros((40, 40, 1), np.uint8), name="grey")
    assert refusal.value.subject == "grey"


def test_a_model_that_differs_from_its_run_is_not_written(run, tmp_path, monkeypatch):
    compute = "cenet.inference.engines.OnnxRuntimeEngine.compute"
    monkeypatch.setattr(compute, lambda self, image: np.full((1, 1, *image.shape[2:]), 0.5, np.float32))
    with pytest.raises(CenetError) as refusal:
        export(run, tmp_path / "eyes.onnx")
    assert refusal.value.subject == str(run)
    assert not (tmp_path / "eyes.onnx").exists()


def test_what_cannot_be_exported_is_refused_before_any_work(run, model, images, tmp_path, monkeypatch):
    (tmp_path / "mine.onnx").write_bytes(b"mine")
    for output, options in (
        ("eyes.pt", {}),
        ("eyes.XML", {}),
        ("eyes.onnx", {"precision": "int8"}),
        ("mine.onnx", {}),
        ("eyes.onnx", {"data": tmp_path / "nowhere"}),
        ("mine.onnx/eyes.onnx", {}),
    ):
        with pytest.raises(CenetError):
            export(run, tmp_path / output, **options)
    with pytest.raises(CenetError) as refusal:
        load(run.parent / "nowhere.xml")
    assert refusal.value.subject.endswith("nowhere.xml")
    monkeypatch.setattr("cenet.inference.engines.find_spec", lambda name: None)
    with pytest.raises(CenetError) as refusal:
        load(model)
    assert "pip install onnxruntime" in refusal.value.remedy


@pytest.mark.parametrize(
    ("changes", "calibration", "thresholds"),
    [
        ({}, ((1.2, 0.3),), (0.4,)),
        ({"num_classes": 3, "nested": True}, ((1.2, 0.3), (0.8, -0.5)), (0.45, 0.5)),
        ({"num_classes": 3}, ((0.7, 0.0),), ()),
    ],
    ids=str,
)
def test_a_graph_calibrates_and_decides_as_a_run_does(changes, calibration, thresholds):
    recipe = load_recipe("folder").replace(network=TINY, encoder_weights="none", **changes)
    point = OperatingPoint(thresholds=thresholds, calibration=calibration)
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 40, 40)).astype(np.float32)
    outputs = run_graph(write_graph(GraphNetwork(build_network(recipe), recipe, point), in_channels=3), image)
    raw, (after,) = outputs["uncalibrated"][0], outputs["probabilities"]
    np.testing.assert_allclose(after, apply(raw, calibration, softmax=not thresholds), atol=1e-5)
    assert np.abs(after - raw).max() > 1e-3
    assert np.array_equal(outputs["mask"][0], Prediction(after, thresholds).mask)


def test_a_graph_clips_as_its_recipe_says():
    plain = load_recipe("folder").replace(network=TINY, encoder_weights="none")
    clipping, network = plain.replace(clip_low=50, clip_high=200), build_network(plain)
    image = np.random.default_rng(0).uniform(0, 255, (1, 3, 40, 40)).astype(np.float32)
    clipped, unclipped = (
        write_graph(GraphNetwork(network, recipe, OperatingPoint()), in_channels=3) for recipe in (clipping, plain)
    )
    answer = run_graph(clipped, image)["probabilities"]
    np.testing.assert_allclose(answer, run_graph(unclipped, image.clip(50, 200))["probabilities"], atol=1e-6)
    assert np.abs(answer - run_graph(unclipped, image)["probabilities"]).max() > 1e-3


def test_no_path_of_this_computer_is_in_what_is_exported(run_copy, tmp_path):
    recipe = json.loads((run_copy / "recipe.json").read_text())
    (run_copy / "recipe.json").write_text(json.dumps({**recipe, "encoder_weights": "/data/clinic/encoder.pth"}))
    export(run_copy, tmp_path / "eyes.onnx")
    info = ExportedModel(tmp_path / "eyes.onnx").info
    assert info.recipe.encoder_weights == "encoder.pth"
    assert "clinic" not in info.model_dump_json()


def test_channels_that_have_names_keep_them_as_identifiers():
    facts = RunMetadata(command="x", started_from="x", in_channels=3, channels=("DAPI", "Cy5 (far)", "GFP"))
    recipe = load_recipe("folder")
    about = {"parameters": 1, "stride": 1, "min_size": 1, "raw_output": "probabilities", "inside": (), "outside": ()}
    info = ExportedInfo(cenet="x", recipe=recipe, facts=facts, **about)
    (axes,) = (of["axes"] for of in describe_model(Path(__file__), info, [], {"test_input.npy": ""})["inputs"])
    assert axes[1]["channel_names"] == ["DAPI", "Cy5__far_", "GFP"]
