"""The Python code of the how-tos and of the notebook runs as it is printed."""

import json
import re
import shutil
from pathlib import Path

import pytest
from tiny_network import TinyCENet

import cenet

DOCS = Path(__file__).parents[1] / "docs"
HOW_TO = DOCS / "how-to"
NOTEBOOK = DOCS / "notebooks" / "from-data-to-report.ipynb"


def run_code_of(page):
    scope = {}
    for block in re.findall(r"^```python\n(.*?)^```", (HOW_TO / page).read_text(encoding="utf-8"), re.M | re.S):
        exec(compile(block, page, "exec"), scope)  # noqa: S102  # the documentation's own code
    return scope


@pytest.fixture
def data(images, tmp_path, monkeypatch):
    """The drawn images as DATA in the current folder; a CE-Net is a network of a few numbers."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(cenet.NETWORKS, "cenet", TinyCENet)
    return Path(shutil.copytree(images, tmp_path / "DATA"))


def test_a_network_of_ones_own(data, monkeypatch):
    monkeypatch.setattr(cenet, "NETWORKS", dict(cenet.NETWORKS))  # the page registers its own
    scope = run_code_of("own-network.md")
    image = next((data / "images").iterdir())
    assert scope["predict"](image).mask.shape == (48, 64)


def test_a_loss_and_an_augmentation_of_ones_own(data):
    scope = run_code_of("own-loss.md")
    assert scope["run"].facts.finished


def test_a_data_set_of_ones_own(data, monkeypatch):
    monkeypatch.setitem(cenet.TASKS, "slides", None)  # taken away again after the test
    for image in sorted((data / "images").iterdir()):
        case = data / image.stem
        case.mkdir()
        image.rename(case / "slide.png")
        (data / "masks" / image.name).rename(case / "nuclei.png")
    assert run_code_of("own-dataset.md")["run"].recipe.task == "slides"


def test_the_whole_way_from_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scope = run_code_of("python.md")
    assert [item.mask.shape for item in scope["predictions"]] == [(64, 64)] * 3
    for prediction in (scope["same"], scope["also"]):
        assert (prediction.mask == scope["prediction"].mask).all()
    assert scope["comparison"].rows
    assert len(list((tmp_path / "masks").glob("*_mask.png"))) == 8
    assert "Dice" in capsys.readouterr().out


def test_the_notebook_from_data_to_report(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("cenet", "cenet-lite"):
        monkeypatch.setitem(cenet.NETWORKS, name, TinyCENet)
    scope = {}
    for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), cell["id"], "exec"), scope)  # noqa: S102  # the notebook's own code
        if "parameters" in cell["metadata"].get("tags", ()):
            scope.update(COUNT=6, SIZE_PX=64, MINUTES=0.02)
    assert scope["run"].facts.finished
    assert scope["diagnosis"].errors == 0
    assert scope["prediction"].mask.shape == (64, 64)
    assert scope["page"].stat().st_size > 10_000
    assert len((tmp_path / "masks" / "measurements.csv").read_text(encoding="utf-8").splitlines()) == 4
    assert "Dice" in capsys.readouterr().out


def test_corrections_make_a_model_better_on_images_that_were_not_corrected(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dice = run_code_of("corrections.md")["dice"]
    assert dice["second"] > dice["first"]
