"""Every number of a report, recomputed from the predictions with scikit-learn and NumPy."""

import getpass
import json
import os
import platform
import shutil
import sys
from collections import Counter
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
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
from cenet.data import loading
from cenet.data.io.read import fingerprint, read_image, read_label, read_region
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError
from cenet.evaluation.cases import load_case
from cenet.evaluation.evaluate import evaluate, ordinal
from cenet.evaluation.report import EvaluationReport
from cenet.inference.device import resolve_device
from cenet.inference.operating_point import OperatingPoint
from cenet.inference.predict import write_predictions
from cenet.inference.predictor import Predictor
from cenet.inference.run import Run
from cenet.metrics import Counts
from cenet.metrics.binned import EDGES

CPU = resolve_device(device="cpu", precision="32-true", workers=0)

REFERENCES = {
    "sensitivity": recall_score,
    "specificity": lambda truth, mask: recall_score(~truth, ~mask),
    "accuracy": accuracy_score,
    "dice": f1_score,
    "iou": jaccard_score,
    "overlap_error": lambda truth, mask: 1 - jaccard_score(truth, mask),
}


def held_out_names(run):
    return Run(run).split.parts["test"]


def names_in(report):
    return [image.name for image in report.data.images]


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
    assert score.value == pytest.approx(np.mean(values))
    assert score.sd == pytest.approx(np.std(values, ddof=1))
    assert (score.low, score.high) == pytest.approx((min(values), max(values)))
    assert (score.undefined, score.method) == (0, f"range of {len(values)} groups")


def check(scored, predicted, threshold, masks):
    """Compare a class's scores at one threshold with scikit-learn's."""
    scores, truths = [one[0] for one in predicted], [one[1] for one in predicted]
    pooled_scores, pooled_truth, pooled_mask = map(np.concatenate, (scores, truths, masks))
    assert scored.pixels == pooled_truth.size
    assert scored.share == pytest.approx(pooled_truth.mean())
    pooled = {key: score.value for key, score in scored.pooled.items()}
    # the pooled metrics are those of bins of probability, in which the pixels are evenly mixed
    binned = np.searchsorted(EDGES[1:-1].astype(np.float32), pooled_scores, side="right")
    mixed = binned + np.random.default_rng(0).random(len(binned))
    assert pooled["auc"] == pytest.approx(roc_auc_score(pooled_truth, binned), abs=1e-4)
    assert pooled["average_precision"] == pytest.approx(average_precision_score(pooled_truth, mixed), abs=0.02)
    assert pooled["brier"] == pytest.approx(brier_score_loss(pooled_truth, pooled_scores), abs=1e-4)
    aucs = [roc_auc_score(truth, score) for truth, score in zip(truths, scores, strict=True)]
    check_mean(scored.per_image["auc"], aucs)
    index = [of.name for of in scored.thresholds].index(threshold)
    tn, fp, fn, tp = confusion_matrix(pooled_truth, pooled_mask).ravel().tolist()
    assert scored.thresholds[index].counts == Counts(tp, fp, fn, tn)
    for name, metric in REFERENCES.items():
        score = scored.thresholds[index].pooled[name]
        assert score.value == pytest.approx(metric(pooled_truth, pooled_mask)), name
        values = [metric(truth, mask) for truth, mask in zip(truths, masks, strict=True)]
        assert (score.low, score.high) == pytest.approx((min(values), max(values))), name
        check_mean(scored.thresholds[index].per_image[name], values)
        assert [image.thresholds[index].scores[name] for image in scored.images] == pytest.approx(values)
    assert [image.auc for image in scored.images] == pytest.approx(aucs)


# The numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["region", "frame"])
def test_every_number_is_that_of_scikit_learn(run, images, protocol, tmp_path):
    report = evaluate(run, device=CPU, protocol=protocol, output=tmp_path / "scores")
    predicted = list(pixels(run, images, held_out_names(run), region=protocol == "region"))
    (of_class,) = report.classes
    assert of_class.name == "foreground"
    assert [threshold.name for threshold in of_class.thresholds] == ["validation threshold", "threshold 0.5"]
    check(of_class, predicted, "validation threshold", [mask for _, _, mask in predicted])
    check(of_class, predicted, "threshold 0.5", [scores >= 0.5 for scores, _, _ in predicted])
    assert report.protocol.name == protocol
    assert report.protocol.views == 1


def test_the_command_says_which_label_value_does_not_count(run, images, tmp_path):
    for value in (0, 128):
        report = evaluate(run, data=images, ignore_value=value, device=CPU, output=tmp_path / f"{value}", overlays=0)
        assert report.commands[-1].endswith(f" --ignore-value {value}")


@pytest.mark.parametrize(("threshold", "names"), [(0.5, []), (0.4, ["validation threshold"])])
def test_a_half_that_no_validation_image_chose_is_no_validation_threshold(run_copy, threshold, names):
    points = (OperatingPoint(thresholds=(threshold,)),)  # 0.4: as a released model has it of the folds
    Run(run_copy).update(validation_dice=None, operating_points=points)
    report = evaluate(run_copy, device=CPU)
    assert [of.name for of in report.classes[0].thresholds] == [*names, "threshold 0.5"]
    assert report.runs[0].thresholds == (threshold,)


def test_the_region_changes_what_counts(run, tmp_path):
    sizes = {
        protocol: evaluate(run, device=CPU, protocol=protocol, output=tmp_path / protocol).classes[0].pixels
        for protocol in ("region", "frame")
    }
    assert sizes["region"] == 2 * (48 - 8) * (64 - 12)
    assert sizes["frame"] == 2 * 48 * 64


def test_every_class_is_scored_against_all_the_rest(classes_run, tmp_path):
    report = evaluate(classes_run, device=CPU, output=tmp_path / "scores")
    assert [of_class.name for of_class in report.classes] == ["class 1", "class 2"]
    for value in (1, 2):
        predicted = list(
            pixels(
                classes_run, classes_run.parent / "data", held_out_names(classes_run), region=True, label_value=value
            )
        )
        check(report.classes[value - 1], predicted, "largest probability", [mask for _, _, mask in predicted])


def test_images_without_regions_count_whole(grey16_run, tmp_path):
    report = evaluate(grey16_run, device=CPU, output=tmp_path / "scores")
    assert report.protocol.name == "region"
    predicted = list(pixels(grey16_run, grey16_run.parent / "data", held_out_names(grey16_run), region=False))
    check(report.classes[0], predicted, "validation threshold", [mask for _, _, mask in predicted])


def test_test_time_augmentation_scores_the_mean_of_eight_views(run, images, tmp_path):
    report = evaluate(run, device=CPU, tta=True, output=tmp_path / "scores")
    predicted = list(pixels(run, images, held_out_names(run), region=True, tta=True))
    check(report.classes[0], predicted, "threshold 0.5", [scores >= 0.5 for scores, _, _ in predicted])
    assert report.protocol.views == 8
    assert "--tta" in report.commands[1]


def test_what_is_undefined_is_left_out_counted_and_null(run, images, tmp_path):
    data = shutil.copytree(images, tmp_path / "data")
    name = held_out_names(run)[0]
    Image.new("L", (64, 48)).save(data / "masks" / f"{name}.png")
    report = evaluate(run, data=data, device=CPU, output=tmp_path / "scores")
    for content in (report, EvaluationReport.load(tmp_path / "scores")):
        (scores,) = content.classes
        means = scores.thresholds[1].per_image
        assert scores.per_image["auc"].undefined == means["sensitivity"].undefined == 1
        assert means["specificity"].undefined == 0
        assert scores.per_image["auc"].value == pytest.approx(scores.images[1].auc)
        assert np.isnan(scores.images[0].auc)
        assert np.isnan(scores.per_image["auc"].sd)


# What is scored ---------------------------------------------------------------------------------------------


def test_the_test_part_is_scored_by_default(run, tmp_path):
    report = evaluate(run, device=CPU, output=tmp_path / "scores")
    data = report.data
    assert (data.name, data.task, data.part, data.groups) == ("images-of-eyes", "folder", "test", 2)
    assert data.grouping == TASKS["folder"].grouping
    assert names_in(report) == list(held_out_names(run))


def test_the_pattern_that_finds_the_groups_is_reported(run, images, tmp_path):
    report = evaluate(run, data=images, part="all", group_pattern="[0-9]", device=CPU, output=tmp_path / "scores")
    assert "[0-9]" in report.data.grouping


def test_every_scored_image_is_described(run, images, tmp_path):
    report = evaluate(run, device=CPU, output=tmp_path / "scores")
    for image in report.data.images:
        pixels = read_image(images / "images" / f"{image.name}.png")
        assert (image.group, image.fingerprint) == (image.name, fingerprint(pixels))
        assert image.part == "test"
        label = read_label(images / "masks" / f"{image.name}.png") > 0
        inside = read_region(images / "regions" / f"{image.name}.png")
        assert image.label_fingerprint == fingerprint(np.where(inside, label, 255).astype(np.uint8))
        assert image.size_px == (64, 48)
        assert image.seconds > 0


@pytest.mark.parametrize("part", ["train", "validation", "test", "all"])
def test_a_part_may_be_named(run, part, tmp_path, capsys):
    report = evaluate(run, part=part, device=CPU, output=tmp_path / "scores")
    parts = Run(run).split.parts
    names = sorted(name for members in parts.values() for name in members) if part == "all" else list(parts[part])
    assert names_in(report) == names
    assert report.data.part == part
    assert [image.part for image in report.data.images] == [
        next(part for part in parts if name in parts[part]) for name in names
    ]
    assert (report.data.count_training_images() == 0) == (part == "test")
    warned = "was trained on 4 of these images" in capsys.readouterr().err
    assert warned == (part == "all")


def test_other_images_are_all_scored(run, draw, tmp_path):
    draw(tmp_path / "other", count=2, seed=9, regions=False)
    report = evaluate(run, data=tmp_path / "other", device=CPU, output=tmp_path / "scores", group_pattern="[0-9]")
    assert (report.data.part, names_in(report)) == ("all", ["eye-0", "eye-1"])
    assert report.data.name == "other"
    assert {image.part for image in report.data.images} == {None}
    assert report.data.labels == Run(run).facts.labels
    assert {image.group for image in report.classes[0].images} == {"0", "1"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are not UTF-8")
def test_names_that_are_not_utf_8_are_reported(run, draw, tmp_path):
    folder = draw(tmp_path / os.fsdecode(b"other\xff"), count=2, seed=9, regions=False)
    for part in ("images", "masks"):
        (folder / part / "eye-1.png").rename(folder / part / os.fsdecode(b"eye\xff.png"))
    evaluate(run, data=folder, device=CPU, output=tmp_path / "scores")
    report = EvaluationReport.load(tmp_path / "scores")
    assert (report.data.name, names_in(report)) == ("other\\udcff", ["eye-0", "eye\\udcff"])
    assert load_case(tmp_path / "scores", "eye\\udcff") is not None


def test_a_trained_image_is_known_under_another_name_and_in_another_place(run, images, tmp_path):
    for part in ("images", "masks"):
        (tmp_path / "other" / part).mkdir(parents=True)
        for path in (images / part).iterdir():
            shutil.copy(path, tmp_path / "other" / part / path.name.replace("eye", "patient"))
    report = evaluate(run, data=tmp_path / "other", device=CPU, output=tmp_path / "scores")
    assert report.data.part == "test"
    assert names_in(report) == [name.replace("eye", "patient") for name in held_out_names(run)]
    for name in held_out_names(run):
        for part in ("images", "masks"):
            (tmp_path / "other" / part / f"{name.replace('eye', 'patient')}.png").unlink()
    with pytest.raises(CenetError, match="does not hold the 2 images in the test part"):
        evaluate(run, data=tmp_path / "other", device=CPU, output=tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_a_part_that_is_not_whole_is_refused(run, images, tmp_path):
    """Otherwise the score would be of images that were chosen by what is there."""
    data = shutil.copytree(images, tmp_path / "data")
    for part in ("images", "masks", "regions"):
        (data / part / f"{held_out_names(run)[0]}.png").unlink()
    with pytest.raises(CenetError, match="does not hold the 2 images in the test part"):
        evaluate(run, data=data, device=CPU, output=tmp_path / "scores")
    assert not (tmp_path / "scores").exists()


def test_other_images_may_be_laid_out_as_another_task_is(run, tmp_path):
    with pytest.raises(CenetError, match="it has no folder training"):
        evaluate(run, data=tmp_path, task="drive", device=CPU)


def test_an_unfinished_run_is_scored_and_predicts_with_a_note(run_copy, tmp_path, capsys, images):
    Run(run_copy).update(finished=False)
    note = f"note: the training of {run_copy} is not finished\n"
    evaluate(run_copy, device=CPU, output=tmp_path / "scores")
    assert capsys.readouterr().err.count(note) == 1
    write_predictions(run_copy, images / "images" / "eye-0.png", output=tmp_path / "masks", device="cpu")
    assert capsys.readouterr().err.count(note) == 1


def copy_as(source, folder, convert):
    """A data set whose images are converted by Pillow."""
    shutil.copytree(source, folder)
    for path in (folder / "images").iterdir():
        with Image.open(path) as image:
            convert(image).save(path)
    return folder


def test_grey_images_are_given_to_an_rgb_run_as_in_a_prediction(run, images, tmp_path, cenet, capsys):
    grey = copy_as(images, tmp_path / "grey", lambda image: image.convert("L"))
    equal = copy_as(grey, tmp_path / "equal", lambda image: image.convert("RGB"))
    reports = [
        evaluate(run, data=data, device=CPU, output=tmp_path / f"of-{data.name}", group_pattern="[0-9]")
        for data in (grey, equal)
    ]
    assert reports[0].classes[0].thresholds == reports[1].classes[0].thresholds
    assert [len(report.notes) for report in reports] == [1, 0]  # once, of six images
    assert "3 more" in reports[0].notes[0]
    fingerprints = [image.fingerprint for image in reports[0].data.images]
    assert fingerprints == [fingerprint(read_image(grey / "images" / f"{name}.png")) for name in names_in(reports[0])]
    assert cenet("evaluate", run, "--data", grey, "--output", tmp_path / "again", "--device", "cpu") == 0
    assert capsys.readouterr().out.count("three equal channels") == 1


def test_three_equal_channels_are_given_to_a_grey_run_as_one_and_colours_are_refused(cenet, small, draw, tmp_path):
    grey = draw(tmp_path / "grey", channels=1, regions=False)
    options = ("--output", tmp_path / "run", *small, "--epochs", 1)
    assert cenet("train", "folder", "--data", grey, *options) == 0
    equal = copy_as(grey, tmp_path / "equal", lambda image: image.convert("RGB"))
    report = evaluate(tmp_path / "run", data=equal, device=CPU, output=tmp_path / "scores")
    assert len(report.notes) == 1
    (tmp_path / "colours").mkdir()
    coloured = draw(tmp_path / "colours" / "data", regions=False)
    with pytest.raises(CenetError) as error:
        evaluate(tmp_path / "run", data=coloured, device=CPU, output=tmp_path / "none")
    assert error.value.subject.endswith("eye-0.png")


def test_an_image_of_another_kind_is_named(run, draw, tmp_path):
    draw(tmp_path / "grey", count=2, channels=1, dtype=np.uint16)
    with pytest.raises(CenetError) as error:
        evaluate(run, data=tmp_path / "grey", device=CPU, output=tmp_path / "scores")
    assert "has 1 channel of uint16 where the network was trained on images (H, W, 3) of uint8" in str(error.value)
    assert "eye-0.png" in str(error.value)
    assert not (tmp_path / "scores").exists()


# What is written --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("scored") / "scores"
    return folder, evaluate(run, device=CPU, output=folder)


def test_the_file_says_what_was_returned(scored):
    folder, report = scored
    assert report.folder == folder
    assert EvaluationReport.load(folder).model_dump_json() == report.model_dump_json()
    assert {path.name for path in folder.glob("[!.]*")} == {"cases", "histograms.npz", "report.json"}


def test_the_report_says_what_it_scored(scored, run):
    _, report = scored
    facts, recipe = Run(run).facts, Run(run).recipe
    (info,) = report.runs
    assert info.parameters == sum(parameter.numel() for parameter in Run(run).network().parameters())
    assert (info.name, info.recipe, info.network) == ("trained", "folder", "tiny")
    assert (info.steps, info.epoch, info.thresholds) == (4, facts.epoch, facts.thresholds)
    assert info.calibration == facts.operating_points[0].calibration
    assert info.labels == facts.labels.describe()
    assert info.split == {"train": 3, "validation": 1, "test": 2}
    assert info.class_share == {"foreground": facts.shares[0]}
    assert info.settings == recipe.model_dump(mode="json")
    assert [(row.epoch, row.step, row.loss > 0) for row in info.curve] == [(0, 2, True), (1, 4, True)]
    assert info.environment == json.loads((run / "environment.json").read_text())
    assert report.environment["torch"] == metadata.version("torch")
    assert report.commands == (facts.command, "cenet evaluate runs/trained --split test --protocol region")


def test_no_place_and_no_name_of_a_person_is_in_a_report(scored, run):
    folder, _ = scored
    text = (folder / "report.json").read_text()
    for secret in (str(run.parent), str(folder.parent), str(Path.home()), platform.node()):
        assert secret not in text
    assert getpass.getuser() not in text.replace('"', " ").split()


def test_the_place_of_encoder_weights_is_not_in_a_report(cenet_run, tmp_path):
    copy = shutil.copytree(cenet_run, tmp_path / "run")
    recipe = json.loads((copy / "recipe.json").read_text())
    (copy / "recipe.json").write_text(json.dumps({**recipe, "encoder_weights": "/somebody/private/weights.pth"}))
    assert Run(copy).recipe.encoder_weights == "/somebody/private/weights.pth"
    evaluate(copy, device=CPU, output=tmp_path / "scores")
    assert "private" not in (tmp_path / "scores" / "report.json").read_text()


def test_images_are_kept_as_they_were_scored_so_that_nothing_is_read_or_predicted_again(scored, run, images):
    folder, report = scored
    predictor = load(run)
    for image in report.data.images:
        case = load_case(folder, image.name)
        assert np.array_equal(case.image, read_image(images / "images" / f"{image.name}.png"))
        assert np.array_equal(case.label, read_label(images / "masks" / f"{image.name}.png") > 0)
        assert np.array_equal(case.inside, read_region(images / "regions" / f"{image.name}.png"))
        prediction = predictor(case.image)
        assert np.array_equal(case.mask, prediction.mask)
        assert np.abs(case.probabilities / 255 - prediction.probabilities).max() <= 0.5 / 255 + 1e-6


def test_every_image_is_decoded_and_predicted_once(run_copy, images, tmp_path, monkeypatch):
    decoded, predicted = Counter(), Counter()
    decode, predict = loading.read_image, Predictor.predict_raw_and_calibrated

    def count_decoded(path, **options):
        decoded[path.stem] += 1
        return decode(path, **options)

    def count_predicted(predictor, image, *, name):
        predicted[Path(name).stem] += 1
        return predict(predictor, image, name=name)

    monkeypatch.setattr(loading, "read_image", count_decoded)
    monkeypatch.setattr(Predictor, "predict_raw_and_calibrated", count_predicted)
    evaluate(run_copy, device=CPU, output=tmp_path / "own")
    assert decoded == {path.stem: 1 for path in (images / "images").iterdir()}
    assert predicted == dict.fromkeys(held_out_names(run_copy), 1)
    decoded.clear()
    evaluate(run_copy, data=images, part="all", device=CPU, output=tmp_path / "all")
    assert set(decoded.values()) == {1}


def test_a_report_goes_into_the_run_where_nothing_else_is_said(run_copy, capsys):
    evaluate(run_copy, device=CPU)
    evaluate(run_copy, device=CPU, part="validation", protocol="frame", tta=True)
    made = {path.name for path in run_copy.iterdir() if path.is_dir()}
    assert made == {"evaluation-test-region", "evaluation-validation-frame-tta"}


def test_the_command_prints_the_result_and_the_place(cenet, run, tmp_path, capsys):
    assert cenet("evaluate", run, "--device", "cpu", "--output", tmp_path / "scores") == 0
    folder = tmp_path / "scores"
    last = f"report: {folder}\nnext: cenet report {folder} --output trained.html\n"
    assert capsys.readouterr().out.endswith(last)
    assert cenet("report", folder, "--output", tmp_path / "page.html", "--cases", 0) == 0
    assert EvaluationReport.load(tmp_path / "scores").data.part == "test"


def test_ordinals_end_as_they_are_spoken():
    endings = {number: ordinal(number).removeprefix(str(number)) for number in range(1, 200)}
    assert [number for number in range(1, 100) if endings[number] == "st"] == [1, 21, 31, 41, 51, 61, 71, 81, 91]
    assert [number for number in range(1, 100) if endings[number] == "nd"] == [2, 22, 32, 42, 52, 62, 72, 82, 92]
    assert [number for number in range(1, 100) if endings[number] == "rd"] == [3, 23, 33, 43, 53, 63, 73, 83, 93]
    assert {endings[number] for number in (11, 12, 13, 111, 112, 113, 104)} == {"th"}
    assert all(endings[number + 100] == endings[number] for number in range(1, 100))
