"""Every number of a report, recomputed from the predictions with scikit-learn and NumPy."""

import csv
import getpass
import json
import math
import platform
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    confusion_matrix,
    f1_score,
    jaccard_score,
    recall_score,
    roc_auc_score,
)

from cenet import load
from cenet.data.io.read import fingerprint, read_image, read_label, read_region
from cenet.data.labels.encoding import LabelEncoding
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError
from cenet.evaluation.evaluate import evaluate
from cenet.evaluation.tables import format_evaluation
from cenet.inference.device import resolve_device
from cenet.inference.run import Run

CPU = resolve_device(device="cpu", precision="32-true", workers=0)

REFERENCES = {
    "sensitivity": recall_score,
    "specificity": lambda truth, mask: recall_score(~truth, ~mask),
    "accuracy": accuracy_score,
    "dice": f1_score,
    "overlap_error": lambda truth, mask: 1 - jaccard_score(truth, mask),
}


def set_aside(run):
    return Run(run).split.parts["test"]


def names_in(report):
    return [image["name"] for image in report["data"]["images"]]


def pixels(run, data, names, *, region, label_value=1, tta=False):
    """The scores, the truth and the mask of each image's pixels, straight from the files."""
    predictor, num_classes = load(run, tta=tta), Run(run).recipe.num_classes
    white = 255 if num_classes == 1 else label_value
    for name in names:
        prediction = predictor(data / "images" / f"{name}.png")
        label = read_label(data / "masks" / f"{name}.png")
        inside = read_region(data / "regions" / f"{name}.png") if region else np.ones(label.shape, bool)
        scores = prediction.probabilities[label_value if num_classes > 1 else 0][inside]
        yield scores, label[inside] == white, prediction.mask[inside] == label_value


def check_mean(score, values):
    """Compare a mean over images, each of them a group of its own."""
    spread = {"value": np.mean(values), "sd": np.std(values, ddof=1), "low": min(values), "high": max(values)}
    assert score == pytest.approx({**spread, "undefined": 0, "how": f"range of {len(values)} groups"})


def check(found, each, cut, masks):
    """Compare a class's scores at one cut with scikit-learn's."""
    scores, truths = [one[0] for one in each], [one[1] for one in each]
    pooled_scores, pooled_truth, pooled_mask = map(np.concatenate, (scores, truths, masks))
    assert found["pixels"] == pooled_truth.size
    assert found["share"] == pytest.approx(pooled_truth.mean())
    pooled = {name: score["value"] for name, score in found["pooled"].items()}
    logits = np.log(pooled_scores / (1 - pooled_scores.astype(float)))
    binned = np.floor((logits + 16) / 32 * 2048)  # the pooled figures are those of bins of probability
    assert pooled["auc"] == pytest.approx(roc_auc_score(pooled_truth, binned), abs=1e-4)
    assert pooled["average_precision"] == pytest.approx(average_precision_score(pooled_truth, pooled_scores), abs=0.01)
    assert pooled["brier"] == pytest.approx(brier_score_loss(pooled_truth, pooled_scores), abs=1e-4)
    aucs = [roc_auc_score(truth, score) for truth, score in zip(truths, scores, strict=True)]
    check_mean(found["per_image"]["auc"], aucs)
    tn, fp, fn, tp = confusion_matrix(pooled_truth, pooled_mask).ravel().tolist()
    assert found["cuts"][cut]["counts"] == {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
    for name, metric in REFERENCES.items():
        score = found["cuts"][cut]["pooled"][name]
        assert score["value"] == pytest.approx(metric(pooled_truth, pooled_mask)), name
        values = [metric(truth, mask) for truth, mask in zip(truths, masks, strict=True)]
        assert (score["low"], score["high"]) == pytest.approx((min(values), max(values))), name
        check_mean(found["cuts"][cut]["per_image"][name], values)
        assert [row[f"{name} @ {cut}"] for row in found["images"]] == pytest.approx(values)
    assert [row["auc"] for row in found["images"]] == pytest.approx(aucs)


# The numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["region", "frame"])
def test_every_number_is_that_of_scikit_learn(run, images, protocol, tmp_path):
    report = evaluate(run, machine=CPU, protocol=protocol, output=tmp_path / "scores")
    each = list(pixels(run, images, set_aside(run), region=protocol == "region"))
    found = report["classes"]["foreground"]
    assert list(report["classes"]) == ["foreground"]
    assert list(found["cuts"]) == ["validation threshold", "threshold 0.5"]
    check(found, each, "validation threshold", [mask for _, _, mask in each])
    check(found, each, "threshold 0.5", [scores >= 0.5 for scores, _, _ in each])
    assert report["protocol"]["name"] == protocol
    assert report["protocol"]["views"] == 1


def test_the_region_changes_what_counts(run, tmp_path):
    sizes = {
        protocol: evaluate(run, machine=CPU, protocol=protocol, output=tmp_path / protocol)["classes"]["foreground"]
        for protocol in ("region", "frame")
    }
    assert sizes["region"]["pixels"] == 2 * (48 - 8) * (64 - 12)
    assert sizes["frame"]["pixels"] == 2 * 48 * 64


def test_every_class_is_scored_against_all_the_rest(classes_run, tmp_path):
    report = evaluate(classes_run, machine=CPU, output=tmp_path / "scores")
    assert list(report["classes"]) == ["class 1", "class 2"]
    for value in (1, 2):
        each = list(
            pixels(classes_run, classes_run.parent / "data", set_aside(classes_run), region=True, label_value=value)
        )
        check(report["classes"][f"class {value}"], each, "largest probability", [mask for _, _, mask in each])
    rows = list(csv.DictReader((tmp_path / "scores" / "images.csv").read_text().splitlines()))
    assert [row["class"] for row in rows] == ["class 1", "class 1", "class 2", "class 2"]
    assert {path.name for path in (tmp_path / "scores").glob("*_overlay.png")} == {
        f"{name}_overlay.png" for name in set_aside(classes_run)
    }


def test_images_without_regions_count_whole(grey16_run, tmp_path):
    report = evaluate(grey16_run, machine=CPU, output=tmp_path / "scores")
    assert report["protocol"]["name"] == "region"
    each = list(pixels(grey16_run, grey16_run.parent / "data", set_aside(grey16_run), region=False))
    check(report["classes"]["foreground"], each, "validation threshold", [mask for _, _, mask in each])


def test_test_time_augmentation_scores_the_mean_of_eight_views(run, images, tmp_path):
    report = evaluate(run, machine=CPU, tta=True, output=tmp_path / "scores")
    each = list(pixels(run, images, set_aside(run), region=True, tta=True))
    check(report["classes"]["foreground"], each, "threshold 0.5", [scores >= 0.5 for scores, _, _ in each])
    assert report["protocol"]["views"] == 8
    assert "--tta" in report["commands"][1]


def test_what_is_undefined_is_left_out_counted_and_null(run, images, tmp_path):
    data = shutil.copytree(images, tmp_path / "data")
    name = set_aside(run)[0]
    Image.new("L", (64, 48)).save(data / "masks" / f"{name}.png")
    report = evaluate(run, data=data, machine=CPU, output=tmp_path / "scores")
    written = json.loads((tmp_path / "scores" / "report.json").read_text())
    for content in (report, written):
        scores = content["classes"]["foreground"]
        cut = scores["cuts"]["threshold 0.5"]
        assert scores["per_image"]["auc"]["undefined"] == cut["per_image"]["sensitivity"]["undefined"] == 1
        assert cut["per_image"]["specificity"]["undefined"] == 0
        assert scores["per_image"]["auc"]["value"] == pytest.approx(scores["images"][1]["auc"])
    assert math.isnan(report["classes"]["foreground"]["images"][0]["auc"])
    assert written["classes"]["foreground"]["images"][0]["auc"] is None
    assert written["classes"]["foreground"]["per_image"]["auc"]["sd"] is None
    read = (tmp_path / "scores" / "report.md").read_text()
    assert f"| auc, mean of images | {report['classes']['foreground']['images'][1]['auc']:.4f} | " in read
    assert "nan" not in read


# What is scored ---------------------------------------------------------------------------------------------


def test_what_was_set_aside_is_scored_by_default(run, tmp_path):
    report = evaluate(run, machine=CPU, output=tmp_path / "scores")
    about = {key: value for key, value in report["data"].items() if key not in ("images", "labels")}
    grouping = about.pop("grouping")
    assert about == {"name": "images-of-eyes", "task": "folder", "part": "test", "groups": 2}
    assert grouping == TASKS["folder"].grouping
    assert names_in(report) == list(set_aside(run))


def test_every_scored_image_is_described(run, images, tmp_path):
    report = evaluate(run, machine=CPU, output=tmp_path / "scores")
    for image in report["data"]["images"]:
        pixels = read_image(images / "images" / f"{image['name']}.png")
        assert (image["group"], image["fingerprint"]) == (image["name"], fingerprint(pixels))
        assert image["part"] == "test"
        label = read_label(images / "masks" / f"{image['name']}.png") > 0
        inside = read_region(images / "regions" / f"{image['name']}.png")
        assert image["label_fingerprint"] == fingerprint(np.where(inside, label, 255).astype(np.uint8))
        assert image["size_px"] == [64, 48]
        assert image["seconds"] > 0


@pytest.mark.parametrize("part", ["train", "validation", "test", "all"])
def test_a_part_may_be_named(run, part, tmp_path, capsys):
    report = evaluate(run, part=part, machine=CPU, output=tmp_path / "scores")
    parts = Run(run).split.parts
    names = sorted(name for each in parts.values() for name in each) if part == "all" else list(parts[part])
    assert names_in(report) == names
    assert report["data"]["part"] == part
    assert [image["part"] for image in report["data"]["images"]] == [
        next(each for each in parts if name in parts[each]) for name in names
    ]
    assert ("no test of anything" in format_evaluation(report)) == (part != "test")
    warned = "was trained on 4 of these images" in capsys.readouterr().err
    assert warned == (part == "all")


def test_other_images_are_all_scored(run, draw, tmp_path):
    draw(tmp_path / "other", count=2, seed=9, regions=False)
    report = evaluate(run, data=tmp_path / "other", machine=CPU, output=tmp_path / "scores", group_pattern="[0-9]")
    assert (report["data"]["part"], names_in(report)) == ("all", ["eye-0", "eye-1"])
    assert report["data"]["name"] == "other"
    assert {image["part"] for image in report["data"]["images"]} == {None}
    assert LabelEncoding.model_validate(report["data"]["labels"]) == Run(run).facts.labels
    assert {row["group"] for row in report["classes"]["foreground"]["images"]} == {"0", "1"}


def test_a_trained_image_is_known_under_another_name_and_in_another_place(run, images, tmp_path):
    for part in ("images", "masks"):
        (tmp_path / "other" / part).mkdir(parents=True)
        for path in (images / part).iterdir():
            shutil.copy(path, tmp_path / "other" / part / path.name.replace("eye", "patient"))
    report = evaluate(run, data=tmp_path / "other", machine=CPU, output=tmp_path / "scores")
    assert report["data"]["part"] == "test"
    assert names_in(report) == [name.replace("eye", "patient") for name in set_aside(run)]
    for name in set_aside(run):
        for part in ("images", "masks"):
            (tmp_path / "other" / part / f"{name.replace('eye', 'patient')}.png").unlink()
    with pytest.raises(CenetError, match="other: holds 0 of the 2 images in the test part"):
        evaluate(run, data=tmp_path / "other", machine=CPU, output=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_part_that_is_not_whole_is_refused(run, images, tmp_path):
    """Otherwise a figure would be told of images that were chosen by what was at hand."""
    data = shutil.copytree(images, tmp_path / "data")
    for part in ("images", "masks", "regions"):
        (data / part / f"{set_aside(run)[0]}.png").unlink()
    with pytest.raises(CenetError, match="data: holds 1 of the 2 images in the test part"):
        evaluate(run, data=data, machine=CPU, output=tmp_path / "scores")
    assert not (tmp_path / "scores").exists()


def test_other_images_may_be_laid_out_as_another_task_is(run, tmp_path):
    with pytest.raises(CenetError, match="there is no folder training in it"):
        evaluate(run, data=tmp_path, task="drive", machine=CPU)


def test_an_unfinished_run_is_scored_with_a_note(run_copy, tmp_path, capsys):
    Run(run_copy).update(finished=False)
    evaluate(run_copy, machine=CPU, output=tmp_path / "scores")
    assert f"note: the training of {run_copy} has not come to its end\n" in capsys.readouterr().err


def test_an_image_of_another_kind_is_named(run, draw, tmp_path):
    draw(tmp_path / "grey", count=2, channels=1, dtype=np.uint16)
    with pytest.raises(CenetError) as error:
        evaluate(run, data=tmp_path / "grey", machine=CPU, output=tmp_path / "scores")
    assert "has 1 channels of uint16 where the network was trained on images (H, W, 3) of uint8" in str(error.value)
    assert "eye-0.png" in str(error.value)
    assert not (tmp_path / "scores").exists()


# What is written --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored") / "scores"
    return folder, evaluate(run, machine=CPU, output=folder)


def test_the_files_say_what_the_report_says(scored):
    folder, report = scored
    assert report["folder"] == folder
    written = json.loads((folder / "report.json").read_text())
    said = json.dumps({key: value for key, value in report.items() if key != "folder"})
    assert written == json.loads(said.replace("NaN", "null"))
    assert (folder / "report.md").read_text() == format_evaluation(report) + "\n"
    rows = list(csv.DictReader((folder / "images.csv").read_text().splitlines()))
    expected = [{"class": "foreground", **row} for row in report["classes"]["foreground"]["images"]]
    assert rows == [{key: str(value) for key, value in row.items()} for row in expected]
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def shown(score):
    spread = f" ± {score['sd']:.4f}" if "sd" in score else ""
    interval = "" if math.isnan(score["low"]) else f"{score['low']:.4f} to {score['high']:.4f}"
    return [f"{score['value']:.4f}{spread}", interval, score["how"]]


def test_the_table_prints_the_protocol_and_the_numbers(scored):
    _, report = scored
    text, scores = format_evaluation(report), report["classes"]["foreground"]
    assert "protocol region: original resolution" in text
    assert "part test (2 images, 2 groups), started from random weights" in text
    lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines())
    rows = {cells[0]: cells[1:] for cells in lines}
    for name, score in scores["pooled"].items():
        assert rows[name.replace("_", " ")] == shown(score)
    assert rows["auc, mean of images"] == shown(scores["per_image"]["auc"])
    for name in REFERENCES:
        expected = []
        for each in scores["cuts"].values():
            expected += [shown(each[how][name]) for how in ("pooled", "per_image")]
        assert rows[name.replace("_", " ")] == [f"{value} ({interval})" for value, interval, _ in expected]
    assert "warning: 2 groups are too few for an interval; the range of the groups is shown" in text
    assert "does not confirm" not in text
    unsure = format_evaluation({**report, "runs": [{**report["runs"][0], "unverified": ["epochs", "zoom"]}]})
    assert "recipe values that the paper's record does not confirm: epochs, zoom\n" in unsure


def test_the_report_says_what_it_scored(scored, run):
    _, report = scored
    facts, recipe = Run(run).facts, Run(run).recipe
    (found,) = report["runs"]
    assert found["parameters"] == sum(parameter.numel() for parameter in Run(run).network().parameters())
    assert (found["name"], found["recipe"], found["network"]) == ("trained", "folder", "unet")
    assert (found["steps"], found["epoch"], found["thresholds"]) == (4, facts.epoch, list(facts.thresholds))
    assert found["calibration"] == [list(pair) for pair in facts.calibration]
    assert found["labels"] == facts.labels.describe()
    assert found["split"] == {"train": 3, "validation": 1, "test": 2}
    assert found["class_share"] == {"foreground": facts.shares[0]}
    assert found["settings"] == recipe.model_dump(mode="json")
    assert [float(row["loss"]) > 0 for row in found["curve"]] == [True, True]
    assert found["environment"] == json.loads((run / "environment.json").read_text())
    assert report["environment"]["torch"] == torch.__version__
    assert report["commands"] == [facts.command, "cenet evaluate runs/trained --split test --protocol region"]


def test_no_place_and_no_name_of_a_person_is_in_a_report(scored, run):
    folder, _ = scored
    for text in ((folder / name).read_text() for name in ("report.json", "report.md", "images.csv")):
        for secret in (str(run.parent), str(folder.parent), str(Path.home()), platform.node()):
            assert secret not in text
        assert getpass.getuser() not in text.replace('"', " ").split()


def test_the_place_of_encoder_weights_is_not_in_a_report(cenet_run, tmp_path):
    copy = shutil.copytree(cenet_run, tmp_path / "run", ignore=shutil.ignore_patterns("checkpoints", ".lock"))
    recipe = json.loads((copy / "recipe.json").read_text())
    (copy / "recipe.json").write_text(json.dumps({**recipe, "encoder_weights": "/somebody/private/weights.pth"}))
    assert Run(copy).recipe.encoder_weights == "/somebody/private/weights.pth"
    evaluate(copy, data=cenet_run.parent / "data", machine=CPU, output=tmp_path / "scores")
    assert "private" not in (tmp_path / "scores" / "report.json").read_text()


@pytest.mark.parametrize("worst", [0, 1, 3])
def test_overlays_show_the_worst_images(scored, run, images, worst, tmp_path):
    _, report = scored
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "stale_overlay.png").touch()
    evaluate(run, machine=CPU, output=tmp_path / "scores", worst=worst)
    rows = sorted(report["classes"]["foreground"]["images"], key=lambda row: row["dice @ validation threshold"])
    found = {path.name for path in (tmp_path / "scores").glob("*.png")}
    assert found == {f"{row['image']}_overlay.png" for row in rows[:worst]}
    for name in found:
        overlay = read_image(tmp_path / "scores" / name)
        image = read_image(images / "images" / name.replace("_overlay", ""))
        assert overlay.shape == image.shape
        assert (overlay != image).any()


def test_a_report_goes_into_the_run_where_nothing_else_is_said(run_copy, capsys):
    evaluate(run_copy, machine=CPU)
    evaluate(run_copy, machine=CPU, part="validation", protocol="frame", tta=True)
    made = {path.name for path in run_copy.iterdir() if path.is_dir()}
    assert made == {"evaluation-test-region", "evaluation-validation-frame-tta"}


def test_the_command_prints_the_table_and_the_place(cenet, run, scored, tmp_path, capsys):
    assert cenet("evaluate", run, "--device", "cpu", "--output", tmp_path / "scores") == 0
    printed = capsys.readouterr().out
    assert format_evaluation(scored[1]) in printed
    assert printed.rstrip().endswith(f"report: {tmp_path / 'scores'}")
