"""The Python code of the how-tos about parts of one's own runs as it is printed."""

import re
import shutil
from pathlib import Path

import pytest
from tiny_network import TinyCENet

import cenet

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"


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
