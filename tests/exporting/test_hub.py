"""Models in repositories of Hugging Face, on a server of this machine: what is uploaded, verified and refused."""

import json
import shutil

import httpx2
import numpy as np
import pytest
from hub_server import serve_hub
from huggingface_hub.errors import HfHubHTTPError

from cenet import load
from cenet.config.json_files import read_json
from cenet.data.io.read import read_image
from cenet.errors import CenetError
from cenet.exporting.export import export
from cenet.exporting.hub import (
    HUB_RECORD,
    HubRecord,
    build_run_folder,
    check_repository_name,
    pull,
    push,
    translate_hub_errors,
)
from cenet.exporting.hugging_face import HubConfig
from cenet.inference.run import Run


@pytest.fixture
def hub(monkeypatch, tmp_path):
    for name, value in {"HF_TOKEN": "a-token", "HF_HOME": str(tmp_path / "home"), "HF_HUB_DISABLE_XET": "1"}.items():
        monkeypatch.setenv(name, value)
    with serve_hub() as (hub, address):
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield hub


@pytest.fixture(scope="module")
def folder(run, keep):
    """The exported run with what a repository has, and something that is not of it. Not to be changed."""
    folder = keep("hub")
    export(run, folder / "model.onnx", hub=True)
    (folder / "photograph.png").write_bytes(b"of a patient")
    return folder


@pytest.fixture
def commit(hub, folder):
    """The model in the repository someone/eyes."""
    names = ("README.md", "config.json", "model.safetensors", "model.onnx")
    return hub.commit("someone/eyes", {name: (folder / name).read_bytes() for name in names})


def test_what_was_pushed_is_pulled_and_predicts_the_same(hub, folder, run, images, tmp_path, cenet, capsys):
    assert cenet("push", folder, "someone/eyes") == 0
    assert hub.private["someone/eyes"]
    (pushed,) = list(hub.commits["someone/eyes"].values())[1:]
    assert {"README.md", "config.json", "model.onnx", "model.safetensors", "rdf.yaml"} <= set(pushed)
    assert "photograph.png" in capsys.readouterr().out
    assert cenet("pull", "someone/eyes", "--output", tmp_path / "runs" / "eyes") == 0
    assert not any("model.onnx" in path for method, path in hub.requests if method == "GET")
    image = read_image(images / "images" / "eye-0.png")
    pulled = tmp_path / "runs" / "eyes"
    assert np.array_equal(load(pulled)(image).probabilities, load(run)(image).probabilities)
    assert cenet("predict", pulled, images / "images" / "eye-0.png", "--output", tmp_path / "masks") == 0
    record = read_json(pulled / HUB_RECORD, HubRecord, remedy="")
    assert record.commit == list(hub.commits["someone/eyes"])[-1]
    assert record.files["model.safetensors"] == Run(run).facts.weights_sha256
    assert [path.name for path in pulled.parent.iterdir()] == ["eyes"]


def test_a_commit_gives_the_same_files_when_the_branch_has_moved(hub, commit, run, tmp_path):
    hub.commit("someone/eyes", {"model.safetensors": b"newer"})
    assert (
        pull("someone/eyes", tmp_path / "eyes", revision=commit).facts.weights_sha256 == Run(run).facts.weights_sha256
    )
    with pytest.raises(CenetError):
        pull("someone/eyes", tmp_path / "newer")
    assert not (tmp_path / "newer").exists()


@pytest.mark.parametrize("name", ["README.md", "config.json", "model.safetensors"])
def test_a_file_that_was_changed_on_its_way_is_refused(hub, commit, tmp_path, name):
    content = bytearray(hub.commits["someone/eyes"][commit][name])
    content[len(content) // 2] ^= 1
    hub.tampered[name] = bytes(content)
    with pytest.raises(CenetError) as refusal:
        pull("someone/eyes", tmp_path / "eyes")
    assert refusal.value.subject == f"someone/eyes/{name}"
    assert list(tmp_path.glob("*eyes*")) == []


def test_weights_that_the_configuration_does_not_describe_are_refused(hub, commit, tmp_path):
    hub.commit("someone/eyes", {"model.safetensors": b"others"})
    with pytest.raises(CenetError) as refusal:
        pull("someone/eyes", tmp_path / "eyes")
    assert refusal.value.subject == "someone/eyes/model.safetensors"


def test_a_localiser_becomes_the_run_in_the_run(folder, tmp_path):
    config = HubConfig.model_validate_json((folder / "config.json").read_text())
    whole = config.model.model_copy(
        update={"recipe": config.model.recipe.replace(roi_fraction=0.5, resize_mode="square")}
    )
    (tmp_path / "config.json").write_text(HubConfig(model=whole, localiser=config.model).model_dump_json())
    for name in ("model.safetensors", "localiser.safetensors"):
        shutil.copy(folder / "model.safetensors", tmp_path / name)
    record = HubRecord(endpoint="", repository="someone/discs", commit="0" * 40, files={})
    run = Run(build_run_folder(tmp_path, record))
    assert run.localiser_run() is not None
    assert run.recipe.roi_fraction == 0.5


def test_pickles_are_refused_and_not_downloaded(hub, commit, tmp_path):
    config = hub.commits["someone/eyes"][commit]["config.json"]
    hub.commit("someone/pickled", {"config.json": config, "pytorch_model.bin": b"pickle"})
    with pytest.raises(CenetError) as refusal:
        pull("someone/pickled", tmp_path / "eyes")
    assert refusal.value.subject == "someone/pickled"
    assert "pytorch_model.bin" in refusal.value.cause
    assert all(not path.endswith(".bin") for _, path in hub.requests)


@pytest.mark.parametrize(
    ("repository", "revision"), [("someone/else", "main"), ("someone/eyes", "0" * 40), ("someone/eyes", "v2")]
)
def test_what_is_not_there_is_refused(hub, commit, tmp_path, repository, revision):
    with pytest.raises(CenetError) as refusal:
        pull(repository, tmp_path / "eyes", revision=revision)
    assert refusal.value.subject == repository


def test_a_folder_that_holds_something_is_left_alone(hub, commit, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(CenetError) as refusal:
        pull("someone/eyes", tmp_path)
    assert refusal.value.subject == str(tmp_path)
    assert hub.requests == []


def test_a_server_that_cannot_be_reached_is_reported(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CenetError) as refusal:
        pull("someone/eyes", tmp_path / "eyes")
    assert refusal.value.subject == "someone/eyes"


def test_without_a_token_nothing_is_pushed(hub, folder, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "another")
    with pytest.raises(CenetError) as refusal:
        push(folder, "someone/eyes")
    assert refusal.value.subject == "someone/eyes"
    assert hub.commits == {}


def test_a_public_repository_is_written_only_where_that_is_meant(hub, commit, folder):
    with pytest.raises(CenetError):
        push(folder, "someone/eyes")
    assert list(hub.commits["someone/eyes"]) == [commit]
    assert push(folder, "someone/eyes", public=True).commit == list(hub.commits["someone/eyes"])[-1]


def test_files_of_two_models_are_not_pushed(hub, folder, tmp_path):
    mixed = shutil.copytree(folder, tmp_path / "mixed")
    config = json.loads((mixed / "config.json").read_text())
    config["model"]["facts"]["weights_sha256"] = "0" * 64
    (mixed / "config.json").write_text(json.dumps(config))
    with pytest.raises(CenetError) as refusal:
        push(mixed, "someone/eyes")
    assert refusal.value.subject == str(mixed / "model.safetensors")
    assert hub.requests == []


def test_a_missing_package_is_named_with_what_installs_it(monkeypatch, tmp_path):
    monkeypatch.setattr("cenet.exporting.hub.find_spec", lambda name: None)
    with pytest.raises(CenetError) as refusal:
        pull("someone/eyes", tmp_path / "eyes")
    assert "cenet[hub]" in refusal.value.remedy


@pytest.mark.parametrize("name", ["eyes", "someone/", "/eyes", "a/b/c", "../eyes", "some one/eyes", "https://x/y"])
def test_what_names_no_repository_is_refused(name):
    with pytest.raises(CenetError) as refusal:
        check_repository_name(name)
    assert refusal.value.subject == name


def test_an_empty_folder_is_filled(hub, commit, run, tmp_path):
    (tmp_path / "eyes").mkdir()
    pulled = pull("someone/eyes", tmp_path / "eyes")
    assert pulled.facts.weights_sha256 == Run(run).facts.weights_sha256


@pytest.mark.parametrize(("names", "missing"), [(("README.md",), "has no config.json and no"), (("config.json",), "")])
def test_a_repository_of_something_else_is_refused(hub, commit, tmp_path, names, missing):
    hub.commit("someone/texts", {name: hub.commits["someone/eyes"][commit][name] for name in names})
    with pytest.raises(CenetError) as refusal:
        pull("someone/texts", tmp_path / "eyes")
    assert refusal.value.subject == "someone/texts"
    assert "model.safetensors" in refusal.value.cause
    assert missing in refusal.value.cause


def test_a_recipe_with_a_localiser_that_is_not_there_is_refused(folder, tmp_path):
    config = HubConfig.model_validate_json((folder / "config.json").read_text())
    whole = config.model.recipe.replace(roi_fraction=0.5, resize_mode="square")
    changed = HubConfig(model=config.model.model_copy(update={"recipe": whole}))
    (tmp_path / "config.json").write_text(changed.model_dump_json())
    with pytest.raises(CenetError, match="no localiser"):
        build_run_folder(tmp_path, HubRecord(endpoint="", repository="someone/discs", commit="0" * 40, files={}))


@pytest.mark.parametrize(
    ("name", "content"), [("README.md", None), ("localiser.safetensors", None), ("other.onnx", "model")]
)
def test_a_folder_whose_files_do_not_belong_together_is_not_pushed(hub, folder, classes_run, tmp_path, name, content):
    mixed = shutil.copytree(folder, tmp_path / "mixed")
    if name.startswith("localiser"):
        config = HubConfig.model_validate_json((mixed / "config.json").read_text())
        (mixed / "config.json").write_text(HubConfig(model=config.model, localiser=config.model).model_dump_json())
    elif content:
        export(classes_run, mixed / name)
    else:
        (mixed / name).unlink()
    with pytest.raises(CenetError) as refusal:
        push(mixed, "someone/eyes")
    assert refusal.value.subject == str(mixed / name)
    assert hub.requests == []


def test_a_server_that_fails_is_reported_with_its_status(hub, commit, tmp_path, monkeypatch):
    request = httpx2.Request("GET", "http://127.0.0.1")
    error = HfHubHTTPError("failed", response=httpx2.Response(503, request=request))
    with pytest.raises(CenetError, match="the status 503"), translate_hub_errors("someone/eyes", "main"):
        raise error
