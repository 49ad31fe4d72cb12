"""The file of an exported model is opened strictly: what it says must fit together, and fit the files beside it."""

import json

import onnx
import pytest

from cenet.errors import CenetError
from cenet.exporting.export import export
from cenet.inference.ensemble import load_predictor
from cenet.inference.exported import ExportedModel
from cenet.inference.model_file import read_description, seal_onnx


@pytest.fixture(scope="module")
def model(run, keep):
    """The trained run as ONNX file. Not to be changed."""
    return export(run, keep("opened") / "eyes.onnx").files[0]


@pytest.fixture
def change(model, tmp_path):
    """Writes the model with another description, sealed as `cenet export` does."""

    def write(**changes):
        graph = onnx.load(model)
        del graph.metadata_props[:]
        description = {**json.loads(read_description(model)), **changes}
        path = tmp_path / "changed.onnx"
        path.write_bytes(seal_onnx(graph.SerializeToString(), json.dumps(description)))
        return path

    return write


def description(model):
    return json.loads(read_description(model))


def test_a_description_of_another_version_is_refused(model, change):
    assert ExportedModel(change()).info == ExportedModel(model).info
    recipe = {**description(model)["recipe"], "num_classes": 3}
    for changes in ({"later": 1}, {"recipe": recipe}):
        with pytest.raises(CenetError, match="another version of cenet"):
            ExportedModel(change(**changes))


def test_files_that_it_does_not_name_or_that_are_not_there_are_refused(model, change):
    second = {"name": "gone.bin", "sha256": "0" * 64}
    with pytest.raises(CenetError, match="does not name the file of its weights"):
        ExportedModel(change(weights=second))
    with pytest.raises(CenetError, match=r"is missing, and changed\.onnx needs it"):
        ExportedModel(change(localiser={**second, "name": "gone.onnx"}))
    recipe = {**description(model)["recipe"], "roi_fraction": 0.5, "resize_mode": "square"}
    with pytest.raises(CenetError, match="it has no localiser"):
        ExportedModel(change(recipe=recipe))


def test_a_model_of_openvino_keeps_the_name_of_its_weights(run, tmp_path):
    file, _ = export(run, tmp_path / "eyes.xml").files
    with pytest.raises(CenetError) as caught:
        ExportedModel(file.rename(tmp_path / "other.xml"))
    assert "eyes.xml" in caught.value.remedy


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_it_is_computed_by_the_processor(model, device):
    with pytest.raises(CenetError, match="by the processor"):
        load_predictor(ExportedModel(model), device=device)
    assert load_predictor(ExportedModel(model), device="cpu")
