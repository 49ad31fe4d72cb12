"""The demo, at a size that takes seconds: every file that it promises is there."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from released import release
from skimage import data
from skimage.filters import threshold_otsu
from sklearn.metrics import f1_score
from tiny_network import TINY

from cenet import load
from cenet.config.presets import load_recipe
from cenet.data.io.read import read_image, read_label
from cenet.errors import CenetError
from cenet.experiments import demo as workflow
from cenet.inference.device import resolve_device
from cenet.models import installed
from cenet.phantoms import write_phantoms

CPU = resolve_device(device="cpu", precision="32-true", workers=0)


TINY_NETWORK = {"network": TINY, "encoder_weights": "none", "validate_tta": False}
SHORT = {"epochs": 1, "steps_per_epoch": 1, "batch_size": 2, "size_px": 64, "crop_px": 32}


@pytest.fixture(scope="module")
def shown(tmp_path_factory, run):
    """The folder of a small demo, in which the trained run is a released model."""
    minutes = []

    def train_shortly(*arguments, **options):
        minutes.append(options.pop("minutes"))
        return training(*arguments, **options)

    def small_set(folder, *, task, count, seed):
        write_phantoms(folder, task=task, count=count, seed=seed, size_px=64)

    def write_small_photograph(path):
        path.parent.mkdir(parents=True)
        Image.fromarray(data.retina()[::28, ::28]).save(path)

    training, folder = workflow.train, tmp_path_factory.mktemp("demo") / "shown"
    models = release(run, tmp_path_factory.mktemp("models")).parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow, "CHANGES", TINY_NETWORK | SHORT)
        patch.setattr(workflow, "RELEASED", "tiny-eyes")
        patch.setattr(installed, "search_folders", lambda: [models])
        patch.setattr(workflow, "train", train_shortly)
        patch.setattr(workflow, "write_phantoms", small_set)
        patch.setattr(workflow, "write_photograph", write_small_photograph)
        workflow.demo(folder, seed=4, device=CPU, images=4)
    assert minutes == [workflow.TRAINING_MINUTES]
    return folder


def test_the_phantoms_are_there_and_those_held_out_are_scored(shown):
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


def test_the_photograph_is_segmented_by_the_released_model_and_by_the_new_run(shown):
    for folder in (shown / "released", shown / "photograph"):
        assert read_image(folder / "retina_overlay.png").shape == (51, 51, 3)
        assert read_label(folder / "retina_mask.png").shape == (51, 51)


def test_the_photograph_is_that_of_scikit_image(tmp_path):
    workflow.write_photograph(tmp_path / "new" / "retina.png")
    assert np.array_equal(read_image(tmp_path / "new" / "retina.png"), data.retina())


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


def test_what_is_printed_leads_through_the_steps_with_their_times_and_on(tmp_path, capsys, monkeypatch):
    for name in ("train", "write_phantoms", "write_photograph", "otsu_dice"):
        monkeypatch.setattr(workflow, name, lambda *_, **__: 0.25)
    report = SimpleNamespace(data=SimpleNamespace(images=[SimpleNamespace(name="one")]))
    monkeypatch.setattr(workflow, "evaluate", lambda *_, **__: report)
    monkeypatch.setattr(workflow, "measure_seconds", lambda *_, **__: (31, 17))
    monkeypatch.setattr(workflow, "list_installed_models", lambda: {"vessels-open": None})
    monkeypatch.setattr(workflow, "write_evaluation_files", lambda *_, **__: None)
    monkeypatch.setattr(workflow, "format_evaluation", lambda _: "| the table |")
    monkeypatch.setattr(workflow, "write_predictions", lambda *_, **__: ["retina.png: the prediction is empty"])
    workflow.demo(tmp_path / "demo", device=CPU)
    printed = capsys.readouterr().out
    steps = [printed.index(f"{step}/5") for step in range(1, 6)]
    assert steps == sorted(steps)
    assert printed.index(str(tmp_path / "demo" / "released" / "retina_overlay.png")) < steps[1]
    assert "about 3.3 minutes on this machine: drawing 31 s, training 150 s, scoring 17 s" in printed
    for words in ("| the table |", "Dice 0.2500", "note: retina.png: the prediction is empty", "cenet predict "):
        assert words in printed
    monkeypatch.setattr(workflow, "list_installed_models", dict)
    workflow.demo(tmp_path / "without", device=CPU)
    assert "note: vessels-open is not in this build" in capsys.readouterr().out


def test_times_are_measured_on_one_phantom_and_grow_with_their_number():
    recipe = load_recipe("phantom-vessels").replace(**TINY_NETWORK | SHORT)
    drawing, scoring = workflow.measure_seconds(recipe, CPU, images=1000)
    assert drawing > 1  # a thousand phantoms
    assert scoring > recipe.test_fraction * drawing


def test_the_demo_trains_the_slim_network():
    recipe = load_recipe("phantom-vessels").replace(**workflow.CHANGES)
    assert (recipe.network, recipe.encoder) == ("cenet-lite", "efficientnet-lite0")


def test_an_output_that_exists_is_left_alone(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(CenetError, match=f"^{tmp_path / 'taken'}: already exists"):
        workflow.demo(tmp_path / "taken", device=CPU)
    assert list((tmp_path / "taken").iterdir()) == []
