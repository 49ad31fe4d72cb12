"""The demo, at a size that takes seconds: every file that it promises is there."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage.filters import threshold_otsu
from sklearn.metrics import f1_score
from tiny_network import TINY

from cenet import load
from cenet.config.presets import load_recipe
from cenet.data.io.read import read_image, read_label
from cenet.errors import CenetError
from cenet.experiments import demo as workflow
from cenet.inference.device import resolve_device
from cenet.phantoms import write_phantoms

CPU = resolve_device(device="cpu", precision="32-true", workers=0)


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A small demo: its folder, and the recipe's name that it asked for."""
    asked = []

    def small_recipe(name):
        asked.append(name)
        short = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 2}
        return load_recipe(name).replace(network=TINY, encoder_weights="none", size_px=64, crop_px=32, **short)

    def small_set(folder, *, task, count, seed):
        write_phantoms(folder, task=task, count=count, seed=seed, size_px=64)

    folder = tmp_path_factory.mktemp("demo") / "shown"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow, "load_recipe", small_recipe)
        patch.setattr(workflow, "write_phantoms", small_set)
        workflow.demo(folder, seed=4, device=CPU, images=4)
    assert asked == ["phantom-vessels"]
    return folder


def test_the_phantoms_are_there_and_those_that_were_set_aside_are_scored(shown):
    assert len(list((shown / "phantoms" / "images").iterdir())) == 4
    report = json.loads((shown / "scores" / "report.json").read_text())
    split = json.loads((shown / "vessels" / "splits.json").read_text())
    names = [image["name"] for image in report["data"]["images"]]
    assert names == [row["name"] for row in split["test"]]
    assert report["data"]["part"] == "test"
    assert report["runs"][0]["seed"] == 4
    assert (shown / "scores" / "report.md").is_file()
    assert {path.name for path in (shown / "scores").glob("*.png")} == {f"{name}_overlay.png" for name in names}


def test_the_run_predicts(shown):
    assert load(shown / "vessels")(np.zeros((30, 40, 3), np.uint8)).mask.shape == (30, 40)


def test_the_photograph_is_that_of_scikit_image_segmented_at_its_own_size(shown):
    data = pytest.importorskip("skimage.data")
    photograph = read_image(shown / "photograph" / "retina.png")
    assert np.array_equal(photograph, data.retina())
    assert read_image(shown / "photograph" / "retina_overlay.png").shape == photograph.shape
    assert read_label(shown / "photograph" / "retina_mask.png").shape == photograph.shape[:2]


def test_otsus_threshold_is_scored_for_comparison(shown):
    names = [path.stem for path in sorted((shown / "phantoms" / "images").iterdir())]
    truths, masks = [], []
    for name in names:
        image, mask, region = (
            np.array(Image.open(shown / "phantoms" / part / f"{name}.png")) for part in ("images", "masks", "regions")
        )
        inside = region > 0
        green = image[..., 1].astype(np.float32)
        truths.append(mask[inside] > 0)
        masks.append(green[inside] < threshold_otsu(green[inside]))
    expected = f1_score(np.concatenate(truths), np.concatenate(masks))
    assert workflow.otsu_dice(shown / "phantoms", names) == pytest.approx(expected)


def test_what_is_printed_leads_through_the_four_steps_and_on(shown, tmp_path, capsys, monkeypatch):
    for name in ("train", "write_phantoms", "otsu_dice"):
        monkeypatch.setattr(workflow, name, lambda *_, **__: 0.25)
    report = SimpleNamespace(data=SimpleNamespace(images=[SimpleNamespace(name="one")]))
    monkeypatch.setattr(workflow, "evaluate", lambda *_, **__: report)
    monkeypatch.setattr(workflow, "write_evaluation_files", lambda *_, **__: None)
    monkeypatch.setattr(workflow, "format_evaluation", lambda _: "| the table |")
    monkeypatch.setattr(workflow, "write_predictions", lambda *_, **__: ["retina.png: the prediction is empty"])
    workflow.demo(tmp_path / "demo", device=CPU)
    printed = capsys.readouterr().out
    steps = [printed.index(f"{step}/4") for step in range(1, 5)]
    assert steps == sorted(steps)
    for words in ("| the table |", "Dice 0.2500", "note: retina.png: the prediction is empty", "cenet predict "):
        assert words in printed
    assert str(tmp_path / "demo" / "photograph" / "retina_overlay.png") in printed


def test_a_place_that_is_taken_is_left_alone(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(CenetError, match=f"^{tmp_path / 'taken'}: already exists"):
        workflow.demo(tmp_path / "taken", device=CPU)
    assert list((tmp_path / "taken").iterdir()) == []
