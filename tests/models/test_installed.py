"""What a name stands for: an installed model, a folder, or a sentence that helps."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cenet.errors import CenetError
from cenet.models import installed
from cenet.models.installed import find_model, list_installed_models, resolve_run, search_folders


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """Two models, in an empty current folder; the package of models is not installed."""
    for name in ("tiny-eyes", "tiny-lungs"):
        (tmp_path / "models" / name).mkdir(parents=True)
        (tmp_path / "models" / name / "model.json").write_text("{}")
    (tmp_path / "models" / "no-model").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(installed, "search_folders", lambda: [tmp_path / "missing", tmp_path / "models"])
    monkeypatch.setattr(installed, "find_spec", lambda _: None)
    return tmp_path / "models"


def test_installed_models_are_the_folders_with_a_model_file(models):
    assert list_installed_models() == {name: models / name for name in ("tiny-eyes", "tiny-lungs")}


def test_a_bare_name_is_a_model_and_a_path_is_a_folder(models):
    assert resolve_run("tiny-eyes") == find_model("tiny-eyes") == models / "tiny-eyes"
    for path in ("./tiny-eyes", "runs/tiny-eyes", ".", Path("tiny-eyes")):
        assert resolve_run(path) == Path(path)


def test_a_bare_name_is_a_folder_where_no_model_has_it():
    Path("mine").mkdir()
    assert resolve_run("mine") == Path("mine")


def test_a_name_of_both_is_refused_with_the_way_to_say_which():
    Path("tiny-eyes").mkdir()
    with pytest.raises(CenetError) as refusal:
        resolve_run("tiny-eyes")
    assert "./tiny-eyes" in refusal.value.remedy
    assert resolve_run("./tiny-eyes") == Path("tiny-eyes")


@pytest.mark.parametrize("ask", [resolve_run, find_model])
@pytest.mark.parametrize(
    ("name", "words"), [("tiny-eye", "did you mean tiny-eyes?"), ("nothing-like-it", "a model of `cenet models`")]
)
def test_an_unknown_name_is_answered_with_the_nearest_or_with_where_to_look(ask, name, words):
    with pytest.raises(CenetError) as refusal:
        ask(name)
    assert refusal.value.subject == name
    assert words in refusal.value.remedy


def test_models_lie_in_this_package_and_in_cenet_models(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(installed, "find_spec", lambda name: SimpleNamespace(submodule_search_locations=[f"at/{name}"]))
    folders = search_folders()
    assert folders[0] == Path(installed.__file__).parent / "bundled"
    assert folders[1:] == [Path("at/cenet_models")]


def test_an_unknown_name_is_refused_before_torch_is_imported(tmp_path):
    code = (
        "import sys; from cenet.cli.main import main; status = main(sys.argv[1:]); "
        "print(status, {'torch', 'monai'} & set(sys.modules))"
    )
    for words in (["predict", "vesels", "."], ["evaluate", "vesels"]):
        output = [*words, "--output", str(tmp_path / "out")]
        done = subprocess.run([sys.executable, "-c", code, *output], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "1 set()"
        assert done.stderr.startswith("cenet: vesels: ")
