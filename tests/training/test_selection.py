"""What the validation part decides, against plain loops over its pixels."""

import json
import shutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.special import expit, logit
from torch import nn

from cenet.config.presets import load_recipe
from cenet.data.labels.detect import LabelEncoding
from cenet.data.sample import Sample
from cenet.datasets.registry import TASKS
from cenet.inference.post_processing import PostProcessing
from cenet.inference.prediction import Prediction
from cenet.inference.run import Run
from cenet.inference.run_metadata import RunMetadata
from cenet.metrics import partition
from cenet.metrics.binned import EDGES, best_threshold_of, histogram
from cenet.metrics.calibration import apply, fit_scale_and_bias, fit_temperature, temperature_losses
from cenet.networks.normalise import Normalise
from cenet.training.choose_post_processing import PostProcessingChoice
from cenet.training.loaders import ImageDataset
from cenet.training.selection import ValidationScores, calibrate_and_set_thresholds


def recipe(**changes):
    return load_recipe("folder").replace(**changes)


def dice(mask, truth):
    """Of the two arrays; two empty ones agree."""
    both = np.count_nonzero(mask) + np.count_nonzero(truth)
    return 2 * np.count_nonzero(mask & truth) / both if both else 1.0


def drawn(seed, maps, classes, shape=(9, 7)):
    """Probabilities that know something of their label, and a region."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, classes, shape).astype(np.uint8)
    logits = rng.normal(0, 1.5, (maps, *shape)) + 1.5 * (label >= np.arange(1, maps + 1)[:, None, None]) - 1
    return expit(logits).astype(np.float32), label, rng.random(shape) < 0.7


# --- scores ------------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(st.integers(0, 2**32), st.sampled_from([1, 3]), st.integers(1, 3))
def test_thresholds_are_the_best_of_all_for_the_pixels_of_all_images(seed, maps, images):
    nested = {"nested": True, "num_classes": maps + 1} if maps > 1 else {}
    scores, seen = ValidationScores(recipe(**nested)), [drawn((seed, n), maps, maps + 1) for n in range(images)]
    for probabilities, label, region in seen:
        scores.add(Prediction(probabilities, (0.5,) * maps), label, region)
    thresholds, score = scores.best()
    best = []
    for index, threshold in enumerate(thresholds):
        values = np.concatenate([probabilities[index][region] for probabilities, _, region in seen])
        truth = np.concatenate([label[region] > index for _, label, region in seen])
        best.append(dice(values >= threshold, truth))
        assert best[-1] >= max(dice(values >= cut, truth) for cut in EDGES[1:-1:8]) - 1e-12
    assert score == pytest.approx(np.mean(best))


@given(st.integers(0, 2**32), st.integers(1, 3))
def test_exclusive_classes_have_no_threshold_but_the_mean_dice_of_all_pixels(seed, images):
    scores, masks, truths = ValidationScores(recipe(num_classes=3)), [], []
    for number in range(images):
        probabilities, label, region = drawn((seed, number), 3, 3)
        scores.add(Prediction(probabilities), label, region)
        masks.append(probabilities.argmax(axis=0)[region])
        truths.append(label[region])
    mask, truth = np.concatenate(masks), np.concatenate(truths)
    thresholds, score = scores.best()
    assert thresholds == ()
    assert score == pytest.approx(np.mean([dice(mask == k, truth == k) for k in (1, 2)]))


@pytest.mark.parametrize("changes", [{}, {"num_classes": 3}, {"num_classes": 3, "nested": True}], ids=str)
def test_pixels_outside_the_region_count_for_nothing(changes):
    rule = recipe(**changes)
    probabilities, label, region = drawn(0, rule.maps, max(rule.num_classes, 2))
    cuts, choices = (0.5,) * rule.maps if rule.sigmoid else (), []
    for elsewhere, ignored in ((probabilities, label), (1 - probabilities, np.uint8(255))):
        scores = ValidationScores(rule)
        changed = np.where(region, probabilities, elsewhere)
        scores.add(Prediction(changed, cuts), np.where(region, label, ignored), region)
        choices.append(scores.best())
    assert choices[0] == choices[1]


# --- choosing ----------------------------------------------------------------------------------------------


def test_choosing_writes_what_it_fits_of_a_binary_run(run_copy, images):
    run = Run(run_copy)
    samples = [sample for sample in TASKS["folder"].read(images) if sample.name in run.split.parts["validation"]]
    run.update(operating_points=(), validation_dice=None, finished=False)
    raw = run.predictor()
    pixels = [(raw(image).probabilities[0], label, region) for image, label, region in ImageDataset(samples, BINARY)]
    values = np.concatenate([p[region] for p, _, region in pixels])
    truth = np.concatenate([label[region] > 0 for _, label, region in pixels])
    assert samples
    assert 0 < truth.mean() < 1

    calibrate_and_set_thresholds(run, samples, device="cpu")
    facts = Run(run_copy).facts
    assert facts == run.facts
    assert facts.finished
    (point,) = facts.operating_points
    (trial,) = point.trials
    assert (point.views, point.calibration, trial.images, trial.kept) == (1, (), 1, False)  # one image says too little
    assert (trial.scale, trial.bias) == pytest.approx(fit_scale_and_bias(histogram(values, truth)[None]))
    cuts = EDGES[1:-1]
    dices = np.array([dice(values >= cut, truth) for cut in cuts])
    assert facts.validation_dice == pytest.approx(dices.max())
    (threshold,) = facts.thresholds
    assert 0 < threshold < 1
    card = (run_copy / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"threshold {threshold:.3g}, not calibrated: too few images (1)" in card
    predict = run.predictor()
    mask = np.concatenate([predict(image).mask[region] for image, _, region in ImageDataset(samples, BINARY)])
    assert dice(mask.astype(bool), truth) == pytest.approx(facts.validation_dice)


def test_choosing_again_changes_nothing(run_copy, images):
    run = Run(run_copy)
    samples = [sample for sample in TASKS["folder"].read(images) if sample.name in run.split.parts["validation"]]
    calibrate_and_set_thresholds(run, samples, device="cpu")
    once = run.facts
    calibrate_and_set_thresholds(run, samples, device="cpu")
    assert run.facts == once


def test_choosing_fits_one_temperature_to_exclusive_classes(classes_run, tmp_path):
    shutil.copytree(classes_run, tmp_path / "run", ignore=shutil.ignore_patterns("*.ckpt"))
    run, data = Run(tmp_path / "run"), TASKS["folder"].read(classes_run.parent / "data")
    samples = [sample for sample in data if sample.name in run.split.parts["validation"]]
    run.update(operating_points=(), finished=False)
    raw = run.predictor()
    images = [(raw(image).probabilities, *rest) for image, *rest in ImageDataset(samples, run.facts.labels)]
    probabilities = np.concatenate([maps[:, region] for maps, _, region in images], axis=1)
    truth = np.concatenate([label[region] for _, label, region in images])
    calibrate_and_set_thresholds(run, samples, device="cpu")
    facts = Run(tmp_path / "run").facts
    assert facts.thresholds == ()
    (point,) = facts.operating_points
    losses = [temperature_losses(maps[:, region], label[region]) for maps, label, region in images]
    assert point.trials[0].scale == pytest.approx(fit_temperature(np.stack(losses)))
    assert point.calibration == ()
    mask = probabilities.argmax(axis=0)
    assert facts.validation_dice == pytest.approx(np.mean([dice(mask == k, truth == k) for k in (1, 2)]))
    assert facts.finished


BINARY = LabelEncoding(kind="values", names=("foreground",), values=((0,), (255,)))
DISCS = LabelEncoding(kind="values", names=("disc", "cup"), values=((0,), (1,), (2,)), nested=True)


class Brightness(nn.Module):
    """A network that looks at how bright a pixel and its right neighbour are: two maps, badly calibrated."""

    stride, min_size = 1, 1

    def __init__(self):
        super().__init__()
        self.normalise = Normalise(1, mean=128.0, std=60.0)

    def forward(self, image):
        bright = self.normalise(image)
        bright = 0.7 * bright + 0.3 * bright.roll(-1, dims=3)
        return torch.cat([3 * bright + 2, 0.5 * bright - 1], dim=1)


@pytest.fixture
def nested_run(tmp_path, monkeypatch):
    """A run of disc and cup, and its validation images: bright where the label is high, with unannotated pixels."""
    samples = []
    labels = DISCS.model_copy(update={"ignore": (9,)})
    for number in range(4):
        rng = np.random.default_rng(number)
        rows, columns = np.indices((30, 40))
        radius = np.hypot(rows - 15, columns - 18)
        label = (radius < 12).astype(np.uint8) + (radius < 6)
        image = np.clip(rng.normal(60 + 50 * label.astype(float), 30), 0, 255).astype(np.uint8)
        label[:, 35:], image[:, 35:] = 9, 255
        paths = [tmp_path / f"{kind}{number}.png" for kind in ("image", "label")]
        for path, array in zip(paths, (image, label), strict=True):
            Image.fromarray(array).save(path)
        samples.append(Sample(str(number), paths[0], (paths[1],)))
    monkeypatch.setattr(Run, "network", lambda self: Brightness())
    facts = RunMetadata(
        command="cenet train", started_from="", in_channels=1, dtype="uint8", value_range=(0.0, 255.0),
        classes=labels.names, labels=labels, epoch=0,
    )  # fmt: skip
    return Run.create(tmp_path / "run", recipe(num_classes=3, nested=True), facts), samples


@pytest.mark.parametrize("tta", [False, True])
def test_each_nested_region_has_a_calibration_and_a_threshold_as_it_will_be_predicted(nested_run, tta):
    run, samples = nested_run
    plain = run.predictor(tta=tta)
    images = [(plain(image).probabilities, *rest) for image, *rest in ImageDataset(samples, run.facts.labels)]
    calibrate_and_set_thresholds(run, samples, device="cpu")
    assert [point.views for point in run.facts.operating_points] == [1, 8]
    point, predict, dices = run.facts.operating_points[tta], run.predictor(tta=tta), []
    assert (predict.thresholds, predict.calibration) == (point.thresholds, point.calibration)
    for index, (scale, bias) in enumerate(point.calibration):
        values = [maps[index][region] for maps, _, region in images]
        truths = [label[region] > index for _, label, region in images]
        fitted = fit_scale_and_bias(np.stack([histogram(*pair) for pair in zip(values, truths, strict=True)]))
        assert point.trials[index].kept
        assert (scale, bias) == pytest.approx(fitted)
        values, truth = np.concatenate(values), np.concatenate(truths)
        dices.append(max(dice(values >= cut, truth) for cut in EDGES[1:-1]))
        calibrated = expit(scale * logit(values.astype(float)) + bias)
        assert abs(calibrated.mean() - truth.mean()) < abs(values.mean() - truth.mean())  # closer to what it says
        mask = np.concatenate(
            [
                predict(image).probabilities[index][region] >= predict.thresholds[index]
                for image, _, region in ImageDataset(samples, run.facts.labels)
            ]
        )
        assert dice(mask, truth) == pytest.approx(dices[-1])
    assert len(point.calibration) == len(point.thresholds) == 2
    if not tta:
        assert run.facts.validation_dice == pytest.approx(np.mean(dices))


def test_a_run_for_one_view_says_so_when_it_is_to_predict_from_eight(run, capsys):
    Run(run).predictor()
    assert capsys.readouterr().err == ""
    predictor = Run(run).predictor(tta=True)
    assert predictor.thresholds == Run(run).facts.thresholds
    assert "chosen for one view of an image, not for the mean of 8" in capsys.readouterr().err


def test_a_run_for_eight_views_says_nothing(nested_run, capsys):
    run, samples = nested_run
    calibrate_and_set_thresholds(run, samples, device="cpu")
    capsys.readouterr()
    for tta in (False, True):
        run.predictor(tta=tta)
    assert capsys.readouterr().err == ""


@given(st.integers(0, 2**32))
def test_calibrated_probabilities_at_the_calibrated_threshold_give_the_mask_of_before(seed):
    probabilities, label, _ = drawn(seed, 1, 2, (40, 40))
    h = histogram(probabilities[0], label > 0)
    threshold, _ = best_threshold_of(h)
    calibration = [fit_scale_and_bias(h[None])]
    cut = float(apply(np.float32([[threshold]]), calibration, softmax=False)[0, 0])
    before = Prediction(probabilities, (threshold,)).mask
    assert np.array_equal(Prediction(apply(probabilities, calibration, softmax=False), (cut,)).mask, before)


@pytest.mark.parametrize("options", [{"num_classes": 3}, {"num_classes": 3, "nested": True}], ids=str)
def test_a_class_that_validation_lacks_does_not_count(options):
    scores = ValidationScores(load_recipe("folder").replace(**options))
    label = np.array([[0, 1, 1, 0]], np.uint8)
    maps = scores.recipe.maps
    probabilities = np.full((maps, 1, 4), 0.1, np.float32)
    probabilities[-2 if options.get("nested") else 0, 0, :] = 0.9  # softmax: all background; nested: all foreground
    scores.add(Prediction(probabilities, () if maps == 3 else (0.5, 0.5)), label, np.ones((1, 4), bool))
    expected = 2 * 2 / (2 + 4) if options.get("nested") else 0.0
    assert scores.best()[1] == pytest.approx(
        expected
    )  # not averaged with the 1 of a class that neither label nor mask has


def test_the_threshold_of_membranes_is_the_best_by_v_rand(run_copy, images):
    settings_of = json.loads((run_copy / "recipe.json").read_text(encoding="utf-8"))
    (run_copy / "recipe.json").write_text(json.dumps(settings_of | {"threshold_metric": "v_rand"}), encoding="utf-8")
    run = Run(run_copy)
    samples = [sample for sample in TASKS["folder"].read(images) if sample.name in run.split.parts["validation"]]
    calibrate_and_set_thresholds(run, samples, device="cpu")
    predictor, images = run.predictor(), list(ImageDataset(samples, BINARY))
    raw = [predictor.predict_raw(image)[0] for image, _, _ in images]

    def score(masks):
        pairs = zip(masks, images, strict=True)
        slices = [partition.statistics(mask == 0, (label == 0) & region) for mask, (_, label, region) in pairs]
        return float(partition.v_rand(np.mean(slices, axis=0)))

    scores = [score([values >= np.float32(threshold) for values in raw]) for threshold in partition.GRID]
    assert score([predictor(image).mask for image, _, _ in images]) == pytest.approx(np.nanmax(scores), abs=0.02)
    assert len(set(scores)) > 1
    masks = [predictor(image).mask for image, _, _ in images]
    true = [np.where(region, label, 0) for _, label, region in images]
    shown = [np.where(region, mask, 0) for mask, (_, _, region) in zip(masks, images, strict=True)]
    overlap = 2 * np.sum(np.logical_and(true, shown)) / (np.sum(true) + np.sum(shown))
    assert run.facts.validation_dice == pytest.approx(overlap, abs=0.005)


@pytest.mark.parametrize(("maps", "classes"), [(1, 2), (3, 3)])
def test_processes_decide_together_what_one_decides_of_all_images(maps, classes):
    options = {} if classes == 2 else {"num_classes": 3}
    alone, one, other = (ValidationScores(recipe(**options)) for _ in range(3))
    for seed in range(4):
        probabilities, label, region = drawn(seed, maps, classes)
        prediction = Prediction(probabilities, (0.5,) if classes == 2 else ())
        for scores in (alone, one if seed % 2 else other):
            scores.add(prediction, label, region)
    theirs = [other.histograms, np.array([np.asarray(counts) for counts in other.counts], np.int64)]
    one.merge(lambda own: own + theirs.pop(0))
    assert one.best() == alone.best()


def test_the_chosen_post_processing_is_kept_and_was_chosen_before_calibration(nested_run, monkeypatch):
    (run, samples), asked, chosen = nested_run, [], PostProcessing(min_piece=0.1)
    monkeypatch.setattr(PostProcessingChoice, "choose", lambda self, cuts: asked.append(cuts) or (chosen, ()))
    calibrate_and_set_thresholds(run, samples, device="cpu")
    points = Run(run.path).facts.operating_points
    assert [point.post_processing for point in points] == [chosen] * 2
    for raw, point in zip(asked, points, strict=True):
        assert point.calibration
        after = apply(np.float32(raw)[:, None], point.calibration, softmax=False)[:, 0]
        assert point.thresholds == pytest.approx(after)
