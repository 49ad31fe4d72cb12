import base64
import io
import shutil

import numpy as np
import pytest
from drawn_reports import Clairvoyant, run_entry, write_evaluation, write_run
from PIL import Image

from cenet.data.io.write import overlay
from cenet.inference.run import Run
from cenet.phantoms import write_phantoms
from cenet.reporting.cases import COMPARED, layer, select_examples


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases") / "eyes"
    write_phantoms(folder, task="vessels", count=5, seed=3, size_px=64)
    return folder


@pytest.fixture
def scored(data, tmp_path, monkeypatch):
    """A run's evaluation folder, its report, and the predictor that stands in."""
    known = Clairvoyant(data)
    monkeypatch.setattr(Run, "predictor", lambda self, **options: known)
    run = write_run(tmp_path / "run", data)
    folder = run.path / "evaluation-test-region"
    return folder, write_evaluation(folder, data=data), known


def picture(address):
    kind, _, content = address.partition(";base64,")
    return kind, Image.open(io.BytesIO(base64.b64decode(content)))


@pytest.mark.parametrize(
    ("count", "titles"),
    [
        (0, []),
        (-1, []),
        (1, ["Worst"]),
        (2, ["Worst", "Best"]),
        (3, ["Worst", "Median", "Best"]),
        (4, ["Worst", "4 of 5", "Median", "Best"]),
        (99, ["Worst", "4 of 5", "Median", "2 of 5", "Best"]),
    ],
)
def test_cases_go_evenly_from_the_worst_to_the_best(scored, count, titles):
    folder, content, _ = scored
    cases = select_examples(folder, content, count=count, device="cpu")
    assert [case["title"] for case in cases] == titles
    dice = [case["dice"]["vessel"] for case in cases]
    assert dice == sorted(dice)
    if count > 1:
        every = [row["dice @ validation threshold 0.4"] for row in content["classes"]["vessel"]["images"]]
        assert [dice[0], dice[-1]] == [min(every), max(every)]


def test_the_layers_are_the_image_the_truth_the_prediction_and_both_compared(scored):
    folder, content, known = scored
    (case,) = select_examples(folder, content, count=1, device="cpu")
    layers = {name: picture(address) for name, address in case["layers"].items()}
    assert list(layers) == ["image", "truth", "prediction", "comparison"]
    assert [kind for kind, _ in layers.values()] == ["data:image/jpeg", *["data:image/png"] * 3]
    assert {image.size for _, image in layers.values()} == {(64, 64)} == {case["size_px"]}
    assert case["colours"] == {"vessel": "#00eeff"}
    opaque = {name: np.asarray(image)[..., 3] > 0 for name, (_, image) in layers.items() if name != "image"}
    counts = next(row for row in content["data"]["images"] if row["name"] == case["name"])
    truth = next(known.known[key] for key in known.known if key == counts["fingerprint"])
    assert (opaque["truth"] == (truth > 0)).all()
    assert (opaque["comparison"] <= (opaque["truth"] | opaque["prediction"])).all()
    assert known.seen[case["name"]] == 1


def test_outside_the_region_nothing_is_compared_unless_the_protocol_counts_it(scored):
    folder, content, _ = scored
    for image in content["data"]["images"]:
        del image["label_fingerprint"]  # as in an older report
    frame = {**content, "protocol": {**content["protocol"], "name": "frame"}}
    shown = []
    for each in (content, frame):
        (case,) = select_examples(folder, each, count=1, device="cpu")
        shown.append(np.asarray(picture(case["layers"]["comparison"])[1])[..., 3] > 0)
    assert (shown[0] <= shown[1]).all()
    assert shown[0].sum() < shown[1].sum()


def test_a_picture_that_is_gone_is_noted_and_the_others_stay(scored, data, tmp_path, capsys):
    folder, content, _ = scored
    content["data"]["images"][2]["name"] = "gone"
    content["data"]["images"][3]["fingerprint"] = "another"
    cases = {case["name"]: case["layers"] for case in select_examples(folder, content, count=5, device="cpu")}
    assert {name for name, layers in cases.items() if layers is None} == {"gone", "fundus-003"}
    notes = capsys.readouterr().err
    assert "note: no picture of gone: " in notes
    assert "note: no picture of fundus-003: fundus-003: the image that was scored is not where" in notes


def test_other_images_than_the_runs_own_are_found_where_they_are_said_to_be(
    scored, data, tmp_path, monkeypatch, capsys
):
    folder, _, _ = scored
    other = tmp_path / "other"
    write_phantoms(other, task="vessels", count=5, seed=9, size_px=64)
    content = write_evaluation(folder, data=other, part=None)
    monkeypatch.setattr(Run, "predictor", lambda self, **options: Clairvoyant(other))
    cases = select_examples(folder, content, count=2, device="cpu")
    assert [(case["layers"], case["foreign"]) for case in cases] == [(None, True)] * 2
    assert "was scored on other images than the run's own; no pictures" in capsys.readouterr().err
    cases = select_examples(folder, content, count=2, device="cpu", data=other)
    assert all(case["layers"] and not case["foreign"] for case in cases)


def test_a_label_that_was_redrawn_is_not_shown(scored, data, tmp_path, capsys):
    folder, content, _ = scored
    content["data"]["images"][0]["label_fingerprint"] = "another"
    cases = {case["name"]: case["layers"] for case in select_examples(folder, content, count=5, device="cpu")}
    assert [name for name, layers in cases.items() if layers is None] == ["fundus-000"]
    assert "fundus-000.png: is not the label that was scored" in capsys.readouterr().err


def test_an_ensemble_answers_with_all_its_members(data, tmp_path, monkeypatch):
    asked = []
    known = Clairvoyant(data)
    monkeypatch.setattr(Run, "predictor", lambda run, **options: asked.append(run.path.name) or known)
    monkeypatch.setattr("cenet.reporting.cases.EnsemblePredictor", lambda engines: engines[len(asked) - 1])
    folder = tmp_path / "all" / "evaluation-all-region"
    entries = [run_entry(f"fold-{fold}", f"../fold-{fold}", fold=fold) for fold in range(3)]
    for fold in range(3):
        write_run(tmp_path / "all" / f"fold-{fold}", data)
    content = write_evaluation(folder, data=data, runs=entries)
    assert all(case["layers"] for case in select_examples(folder, content, count=2, device="cpu"))
    assert asked == ["fold-0", "fold-1", "fold-2"]


@pytest.mark.parametrize("missing", ["run", "images", "folder of the images"])
def test_without_run_or_images_there_are_names_and_scores(scored, tmp_path, missing):
    folder, content, _ = scored
    run = Run(folder.parent)
    if missing == "run":
        shutil.move(folder, tmp_path / "alone")
        folder = tmp_path / "alone"
    else:
        run.update(data=None if missing == "folder of the images" else str(tmp_path / "nowhere"))
    cases = select_examples(folder, content, count=3, device="cpu")
    assert [case["layers"] for case in cases] == [None] * 3
    assert all(case["name"] and case["dice"]["vessel"] > 0 for case in cases)


def test_in_a_cross_validation_each_fold_predicts_its_own(data, tmp_path, monkeypatch):
    asked = []
    known = Clairvoyant(data)
    monkeypatch.setattr(Run, "predictor", lambda run, **options: asked.append(run.path.name) or known)
    for fold in range(2):
        write_run(tmp_path / "all" / f"fold-{fold}", data)
    folder = tmp_path / "all" / "evaluation-out-of-fold-region"
    content = write_evaluation(folder, data=data, folds=2)
    cases = select_examples(folder, content, count=5, device="cpu")
    assert all(case["layers"] for case in cases)
    assert sorted(asked) == ["fold-0", "fold-1"]  # each is opened once


def test_a_layer_over_an_image_is_its_overlay():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)
    mask = np.zeros((20, 30), np.uint8)
    mask[4:15, 5:20] = 1
    mask[8:12, 8:15] = 2
    for options in ({}, {"label": np.roll(mask, 3)}, {"colours": ("#ff0000", "#0000ff")}):
        drawn = layer(mask, **options).astype(float)
        opacity = drawn[..., 3:] / 255
        blended = image * (1 - opacity) + drawn[..., :3] * opacity
        assert np.abs(blended - overlay(image, mask, **options)).max() <= 2


def test_a_large_picture_is_made_smaller(data, tmp_path, monkeypatch):
    monkeypatch.setattr("cenet.reporting.cases.LARGEST_PX", 32)
    known = Clairvoyant(data)
    monkeypatch.setattr(Run, "predictor", lambda self, **options: known)
    folder = write_run(tmp_path / "run", data).path / "evaluation-test-region"
    (case,) = select_examples(folder, write_evaluation(folder, data=data), count=1, device="cpu")
    assert {picture(address)[1].size for address in case["layers"].values()} == {(32, 32)}
    assert case["size_px"] == (64, 64)


def test_the_three_colours_of_a_comparison_differ():
    assert len(set(COMPARED.values())) == 3
