"""What does not fit into the memory is refused before it is computed, with a window that fits."""

import re

import numpy as np
import pytest
from PIL import Image
from tiny_network import TINY
from torch import nn

from cenet.config.presets import load_recipe
from cenet.errors import CenetError
from cenet.inference import memory
from cenet.inference.input_options import InputOptions
from cenet.inference.predict import write_predictions
from cenet.inference.predictor import Predictor
from cenet.networks import build_network

MIB = 2**20


@pytest.fixture
def leave_free(monkeypatch):
    return lambda size: monkeypatch.setattr(memory, "free_memory", lambda: size)


@pytest.fixture
def predictor():
    recipe = load_recipe("folder").replace(network=TINY, encoder_weights="none")
    return Predictor(build_network(recipe), recipe)


def test_the_tensors_that_exist_at_one_time_are_added_up():
    layers = [nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 1, 1)]
    # Two maps of four channels at a time; the image comes from outside.
    assert memory.estimate_network_memory(nn.Sequential(*layers), (1, 10, 10)) == 2 * 4 * 10 * 10 * 4


def test_a_window_that_does_not_fit_is_refused_with_one_that_does(predictor, leave_free):
    image = np.random.default_rng(0).integers(0, 255, (640, 640, 3), np.uint8)
    needed = memory.estimate_network_memory(predictor.network, (3, 640, 640))
    leave_free(needed // 2)
    with pytest.raises(CenetError, match="640 x 640") as refused:
        predictor(image)
    side = int(re.search(r"--tile-px (\d+)", refused.value.remedy)[1])
    assert 192 <= side < 640 / 2**0.5
    predictor = predictor.with_windows(side)
    assert predictor(image).windows > 1


def test_where_no_window_fits_none_is_offered(predictor, leave_free):
    leave_free(1000)
    with pytest.raises(CenetError) as refused:
        memory.check_window(predictor.network, (3, 256, 256))
    assert "--tile-px" not in refused.value.remedy


def test_probabilities_that_do_not_fit_are_refused(leave_free):
    leave_free(100 * MIB)
    memory.check_arrays("small.tif", (1000, 1000), (500, 500), maps=1)
    with pytest.raises(CenetError, match=r"^large.tif: .*--max-pixels"):
        memory.check_arrays("large.tif", (9000, 9000), (500, 500), maps=1)


@pytest.mark.parametrize(
    ("limit", "free_mib"), [("max", 500), (str(300 * MIB), 140), (str(9000 * MIB), 500)], ids=["none", "less", "more"]
)
def test_a_container_may_have_less_than_its_machine(monkeypatch, tmp_path, limit, free_mib):
    (tmp_path / "meminfo").write_text("MemTotal: 900000 kB\nMemAvailable: 409600 kB\nSwapFree: 102400 kB\n")
    (tmp_path / "memory.max").write_text(f"{limit}\n")
    (tmp_path / "memory.current").write_text(f"{200 * MIB}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {40 * MIB}\n")
    monkeypatch.setattr(memory, "MACHINE", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    assert memory.free_memory() == free_mib * MIB


def test_elsewhere_nothing_is_known_of_the_memory(monkeypatch, tmp_path, predictor):
    monkeypatch.setattr(memory, "MACHINE", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    assert memory.free_memory() is None
    memory.check_window(predictor.network, (3, 10**6, 10**6))


def test_predictions_in_other_windows_do_not_share_a_folder(run, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (300, 420, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    options = {"output": tmp_path / "out", "device": "cpu"}
    remarks = write_predictions(run, tmp_path / "a.png", **options, reading=InputOptions(tile_px=256))
    assert any("windows" in remark and "256 px" in remark for remark in remarks)
    with pytest.raises(CenetError, match="--tile-px"):
        write_predictions(run, tmp_path / "a.png", **options)


def test_a_window_that_no_recipe_may_have_is_refused_before_any_work(run, images, tmp_path):
    with pytest.raises(CenetError, match="tile_px"):
        write_predictions(run, images / "images", output=tmp_path / "out", reading=InputOptions(tile_px=10))
    assert not (tmp_path / "out").exists()
