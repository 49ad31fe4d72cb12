"""Cross-validation: no fold knows of what it holds out, nothing is done twice, and the report is that of the folds."""

import json
import shutil
import statistics
from math import isnan, nan

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image
from sklearn.metrics import confusion_matrix, f1_score, roc_auc_score
from tiny_network import TINY
from torch import nn

from cenet import load
from cenet.cli.fold_verbs import CrossValidate
from cenet.cli.parse import parse_options
from cenet.config.presets import load_recipe
from cenet.data.io.read import read_image, read_label, read_region
from cenet.errors import CenetError
from cenet.evaluation.cases import rank_images
from cenet.evaluation.report import EvaluationReport
from cenet.evaluation.scores import fold_score
from cenet.experiments import cross_validation as workflow
from cenet.experiments.cross_validation import cross_validate
from cenet.inference.device import resolve_device
from cenet.inference.run import Run
from cenet.metrics import Counts
from cenet.metrics.binned import average_precision_of, histogram, roc_auc_of
from cenet.metrics.registry import PIXEL_METRICS
from cenet.networks import NETWORKS
from cenet.training import checkpoints
from cenet.training import train as training
from cenet.training.module import SegmentationModule

CPU = resolve_device(device="cpu", precision="32-true", workers=0)
CHANGES = {
    "network": TINY,
    "encoder_weights": "none",
    "crop_px": 32,
    "epochs": 2,
    "steps_per_epoch": 2,
    "validate_tta": False,
}
RECIPE = load_recipe("folder").replace(**CHANGES, batch_size=2, learning_rate=0.01)
FOLDS = range(3)
OUT_OF_FOLD = "evaluation-out-of-fold-region"


@pytest.fixture(scope="module")
def crossed(images, keep):
    """A cross-validation of three folds, and what it returned. Not to be changed."""
    folder = keep("crossed") / "folds-of-eyes"
    return folder, cross_validate(RECIPE, images, output=folder, device=CPU, folds=3)


@pytest.fixture
def copy(crossed, tmp_path):
    return shutil.copytree(crossed[0], tmp_path / "folds-of-eyes")


@pytest.fixture
def calls(monkeypatch):
    """The folds that are trained, gone on with and scored."""
    seen = {"train": [], "resume": [], "evaluate": []}

    def watch(module, verb):
        done = getattr(module, verb)

        def noted(*arguments, **options):
            seen[verb].append((options.get("output") or arguments[0]).name)
            return done(*arguments, **options)

        monkeypatch.setattr(module, verb, noted)

    watch(training, "train")
    watch(training, "resume")
    watch(workflow, "evaluate")
    return seen


def again(output, data, **options):
    return cross_validate(RECIPE, data, output=output, device=CPU, **{"folds": 3, **options})


def json_of(values):
    return [value.model_dump_json() for value in values]


def held_out(folder, fold):
    return [row["name"] for row in json.loads((folder / "folds" / f"{fold}.json").read_text())["test"]]


def what_was_chosen(run):
    facts = Run(run).facts
    return facts.weights_sha256, facts.epoch, facts.operating_points, facts.validation_dice, facts.shares


def files(*folders):
    return {path: path.stat().st_mtime_ns for folder in folders for path in folder.rglob("*")}


# The folds --------------------------------------------------------------------------------------------------


def test_every_image_is_held_out_once_and_its_fold_never_learns_from_it(crossed, images):
    folder, _ = crossed
    names = sorted(path.stem for path in (images / "images").iterdir())
    assert sorted(name for fold in FOLDS for name in held_out(folder, fold)) == names
    for fold in FOLDS:
        parts = Run(folder / f"fold-{fold}").split.parts
        assert list(parts["test"]) == held_out(folder, fold)
        assert sorted(name for part in parts.values() for name in part) == names
        assert {part: len(members) for part, members in parts.items()} == {"train": 3, "validation": 1, "test": 2}


def test_no_image_validates_two_folds(crossed):
    parts = [Run(crossed[0] / f"fold-{fold}").split.parts for fold in FOLDS]
    validated = [name for part in parts for name in part["validation"]]
    assert len(set(validated)) == len(validated) == 3
    for fold in FOLDS:
        assert set(parts[fold]["validation"]) <= set(parts[(fold + 1) % 3]["test"])


def test_a_group_is_held_out_as_a_whole(images, monkeypatch, tmp_path):
    monkeypatch.setattr(workflow, "train_or_resume", lambda *_, **__: None)
    monkeypatch.setattr(workflow, "evaluate", lambda *_, **__: None)
    monkeypatch.setattr(workflow, "write_evaluation_files", lambda *_, **__: None)
    pairs = "e(?=ye-[01])|y(?=e-[23])|-(?=[45])"
    assert again(tmp_path / "pairs", images, group_pattern=pairs) == []
    held = {frozenset(held_out(tmp_path / "pairs", fold)) for fold in FOLDS}
    assert held == {frozenset({f"eye-{k}", f"eye-{k + 1}"}) for k in (0, 2, 4)}


def test_folds_start_from_a_run_that_has_seen_none_of_their_images(crossed, draw, images, cenet, tmp_path):
    start = crossed[0] / "fold-0"
    with pytest.raises(CenetError, match=f"is one that {start} was trained on"):
        again(tmp_path / "leaking", images, fold=[1], init_from=start)
    other, folder = draw(tmp_path / "data", seed=9), tmp_path / "folds"
    again(folder, other, fold=[0], init_from=start)
    facts = Run(folder / "fold-0").facts
    assert facts.started_from.startswith("run fold-0, ")
    assert set(facts.seen_in_earlier_training) == Run(start).seen_in_training
    with pytest.raises(CenetError, match="was started with init_from runs/fold-0, not None"):
        again(folder, other)
    namesake = shutil.copytree(crossed[0] / "fold-1", tmp_path / "fold-0")
    with pytest.raises(CenetError, match=r"was started with init_from_sha256 [0-9a-f]{64}, not "):
        again(folder, other, init_from=namesake)
    options = json.loads((folder / "options.json").read_text())
    del options["init_from_sha256"]
    (folder / "options.json").write_text(json.dumps(options))  # as earlier versions wrote it
    assert again(folder, other, fold=[0], init_from=start) == []


def test_other_labels_of_what_a_fold_holds_out_change_its_score_alone(crossed, images, tmp_path):
    fold = 1
    folder, data = tmp_path / "altered", shutil.copytree(images, tmp_path / images.name)
    shutil.copytree(crossed[0] / "folds", folder / "folds")
    for name in ("recipe.json", "options.json"):
        shutil.copy(crossed[0] / name, folder)
    for name in held_out(folder, fold):
        path = data / "masks" / f"{name}.png"
        Image.fromarray(255 - read_label(path)).save(path)
    again(folder, data, fold=[fold])
    run, altered = crossed[0] / f"fold-{fold}", folder / f"fold-{fold}"
    assert what_was_chosen(altered) == what_was_chosen(run)
    shares = [EvaluationReport.load(folder / "evaluation-test-region").classes[0].share for folder in (run, altered)]
    assert shares[1] == pytest.approx(1 - shares[0])


def mean_logit(logits, label, region):
    return logits.mean()


class TwoLayers(nn.Module):
    stride, min_size = 1, 8

    def __init__(self, num_classes, in_channels, normalise):
        super().__init__()
        self.layers = nn.Sequential(normalise, nn.Conv2d(in_channels, num_classes, 3, padding=1))

    def forward(self, image):
        return self.layers(image)


def test_a_network_and_a_loss_of_the_users_own_are_trained_and_scored_in_every_fold(images, tmp_path):
    (report,) = cross_validate(
        RECIPE, images, output=tmp_path / "own", device=CPU, folds=2, network=TwoLayers, loss=mean_logit
    )
    assert {run.network for run in report.runs} == {"TwoLayers"}
    assert {Run(tmp_path / "own" / f"fold-{n}", network=TwoLayers).facts.custom_loss for n in range(2)} == {
        "mean_logit"
    }


def test_a_fold_is_scored_once(crossed):
    assert [Run(crossed[0] / f"fold-{fold}").facts.test_scored for fold in FOLDS] == [1, 1, 1]


# Going on ---------------------------------------------------------------------------------------------------


def test_what_is_done_is_not_done_again(copy, images, crossed, calls):
    runs = [copy / f"fold-{fold}" for fold in FOLDS]
    before = files(copy / "folds", *runs)
    (report,) = again(copy, images)
    assert files(copy / "folds", *runs) == before
    assert calls == {"train": [], "resume": [], "evaluate": []}
    assert json_of(report.classes) == json_of(crossed[1][0].classes)


def stop_before(monkeypatch, where, what, *, call):
    """Let the user press Ctrl-C before this call of a function."""
    calls, original = [], getattr(where, what)

    def count(*arguments, **options):
        calls.append(None)
        if len(calls) == call:
            raise KeyboardInterrupt
        return original(*arguments, **options)

    monkeypatch.setattr(where, what, count)


@pytest.mark.parametrize(
    ("where", "what", "call", "verb"),
    [
        (SegmentationModule, "training_step", 4, "resume"),
        (checkpoints, "save_checkpoint", 1, "train"),
    ],
    ids=["in its second epoch", "before its first checkpoint"],
)
def test_a_fold_that_was_stopped_ends_as_if_it_was_not(
    copy, images, crossed, calls, monkeypatch, where, what, call, verb
):
    run = copy / "fold-1"
    shutil.rmtree(run)
    with monkeypatch.context() as patch:
        stop_before(patch, where, what, call=call)
        with pytest.raises(KeyboardInterrupt):
            again(copy, images)
    calls["train"].clear()
    again(copy, images)
    assert calls == {"train": [], "resume": [], "evaluate": ["fold-1"], verb: ["fold-1"]}
    assert what_was_chosen(run) == what_was_chosen(crossed[0] / "fold-1")


def test_a_fold_whose_description_is_missing_is_refused_and_left(copy, images, calls):
    run = copy / "fold-2"
    (run / "run.json").unlink()
    before = files(run)
    with pytest.raises(CenetError, match=f"^{run}: holds files but no run.json"):
        again(copy, images)
    assert files(run) == before


def test_a_run_of_another_split_is_no_fold(copy, images, calls):
    shutil.rmtree(copy / "fold-1")
    shutil.copytree(copy / "fold-2", copy / "fold-1")
    with pytest.raises(CenetError, match=f"^{copy / 'fold-1'}: was started with another split; choose another"):
        again(copy, images)
    assert calls == {"train": [], "resume": [], "evaluate": []}


def test_folds_that_were_not_all_written_are_written_anew(copy, images, calls):
    written = {path.name: path.read_bytes() for path in (copy / "folds").iterdir()}
    (copy / "folds" / "2.json").unlink()
    again(copy, images)
    assert {path.name: path.read_bytes() for path in (copy / "folds").iterdir()} == written
    assert calls == {"train": [], "resume": [], "evaluate": []}


def test_a_fold_that_was_trained_and_not_scored_is_scored(copy, images, calls):
    (copy / "fold-0" / "evaluation-test-region" / "report.json").unlink()
    again(copy, images)
    assert calls == {"train": [], "resume": [], "evaluate": ["fold-0"]}


def test_some_folds_may_be_done_now_and_the_others_later(copy, images, crossed, calls, capsys):
    for fold in FOLDS:
        shutil.rmtree(copy / f"fold-{fold}")
    (copy / "ensemble.json").unlink()
    assert again(copy, images, fold=[2, 0]) == []
    assert calls["train"] == ["fold-2", "fold-0"]
    assert f"note: fold-1 of {copy} not trained yet; the report follows the last fold\n" in capsys.readouterr().err
    assert not (copy / "ensemble.json").exists()
    (report,) = again(copy, images, fold=[1])
    assert calls["train"] == ["fold-2", "fold-0", "fold-1"]
    assert json_of(report.classes) == json_of(crossed[1][0].classes)


def test_another_protocol_scores_the_same_networks(copy, images, calls):
    (report,) = again(copy, images, protocol="frame", tta=True)
    assert (calls["train"], calls["evaluate"]) == ([], ["fold-0", "fold-1", "fold-2"])
    assert report.classes[0].pixels == 6 * 48 * 64
    assert report.folder == copy / "evaluation-out-of-fold-frame-tta"
    assert report.commands[0].endswith("--folds 3 --protocol frame --tta")


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"epochs": 3}, {}, "was started with epochs 2, not 3; choose another --output, or the same values"),
        ({"seed": 1}, {}, "was started with seed 0, not 1"),
        (
            {},
            {"group_pattern": "^eye"},
            "was started with group_pattern None, not ^eye; choose another --output, or the same",
        ),
        ({}, {"ignore_value": 255}, "was started with ignore_value None, not 255"),
        ({}, {"folds": 2}, "was started with folds 3, not 2; choose another --output, or the same values"),
        ({}, {"fold": [3]}, "--fold 3: there is no such fold; number them from 0 to 2"),
        ({}, {"fold": [0, -1]}, "--fold -1: there is no such fold"),
    ],
    ids=str,
)
def test_a_cross_validation_of_something_else_is_refused(crossed, images, changes, options, words):
    before = files(crossed[0])
    with pytest.raises(CenetError) as error:
        cross_validate(RECIPE.replace(**changes), images, output=crossed[0], device=CPU, **{"folds": 3, **options})
    assert words in str(error.value)
    assert files(crossed[0]) == before


def test_a_fold_that_another_process_does_is_left_alone(copy, images, calls):
    shutil.rmtree(copy / "fold-1")
    (copy / "fold-1").mkdir()  # begun, and without a checkpoint yet
    with FileLock(copy / ".fold-1.lock"):
        words = f"^{copy / 'fold-1'}: another process trains fold 1; wait for its end, or choose others with --fold$"
        with pytest.raises(CenetError, match=words):
            again(copy, images)
        assert (copy / "fold-1").exists()
        assert again(copy, images, fold=[0, 2]) == []
    assert calls == {"train": [], "resume": [], "evaluate": []}
    assert len(again(copy, images)) == 1
    assert calls["train"] == ["fold-1"]


@pytest.mark.parametrize(
    ("folds", "group", "words"),
    [
        (7, None, "6 groups cannot make 7 folds; choose --folds from 2 to 6, or add images"),
        (1, None, "6 groups cannot make 1 folds; choose --folds from 2 to 6, or add images"),
        (2, "y(?=e-[0-4])|e-5", "2 groups in 2 folds leave too few to train and validate on; add images"),
    ],
)
def test_too_few_groups_are_refused_and_leave_nothing(images, folds, group, words, tmp_path):
    with pytest.raises(CenetError, match=words):
        again(tmp_path / "new", images, folds=folds, group_pattern=group)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_recipe_leaves_nothing_and_may_be_corrected(images, monkeypatch, tmp_path):
    monkeypatch.setattr(NETWORKS[TINY], "min_size", 64)
    with pytest.raises(CenetError, match="crop_px 32 is too small; use 64 or more"):
        cross_validate(RECIPE, images, output=tmp_path / "new", device=CPU, folds=3)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    again(tmp_path / "new", images, fold=[0])
    assert Run(tmp_path / "new" / "fold-0").recipe == RECIPE


def test_an_image_without_a_label_is_refused(images, tmp_path):
    data = shutil.copytree(images, tmp_path / "data")
    (data / "masks" / "eye-4.png").unlink()
    with pytest.raises(CenetError, match=r"eye-4\.png: has no label, and in a cross-validation every image is scored"):
        again(tmp_path / "new", data)
    assert not (tmp_path / "new").exists()


def test_an_output_that_exists_is_left_alone(images, tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(CenetError, match=f"^{tmp_path}: already exists"):
        again(tmp_path, images)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


# The report -------------------------------------------------------------------------------------------------


def predicted(folder, data):
    """For each fold the scores, truths and masks of the images that it held out, straight from the files."""
    for fold in FOLDS:
        predictor, seen = load(folder / f"fold-{fold}"), []
        for name in held_out(folder, fold):
            prediction = predictor(data / "images" / f"{name}.png")
            inside = read_region(data / "regions" / f"{name}.png")
            truth = read_label(data / "masks" / f"{name}.png")[inside] > 0
            seen.append((prediction.probabilities[0][inside].astype(float), truth, prediction.mask[inside] > 0))
        yield tuple(np.concatenate(arrays) for arrays in zip(*seen, strict=True))


def binned(scores):
    return np.floor((np.log(scores / (1 - scores)) + 16) / 32 * 2048)


def test_every_image_is_in_the_report_once_with_the_fold_that_held_it_out(crossed, images):
    folder, (report,) = crossed
    pairs = [(image.name, image.fold) for image in report.data.images]
    assert pairs == [(name, fold) for fold in FOLDS for name in held_out(folder, fold)]
    assert [image.image for image in report.classes[0].images] == [name for name, _ in pairs]
    assert (report.data.part, report.data.groups) == ("out-of-fold", 6)


def test_the_scores_of_all_images_are_those_of_scikit_learn(crossed, images):
    folder, (report,) = crossed
    (scored,) = report.classes
    scores, truth, masks = (np.concatenate(arrays) for arrays in zip(*predicted(folder, images), strict=True))
    assert scored.pooled["auc"].value == pytest.approx(roc_auc_score(truth, binned(scores)), abs=1e-4)
    tn, fp, fn, tp = confusion_matrix(truth, masks).ravel().tolist()
    assert scored.thresholds[0].counts == Counts(tp, fp, fn, tn)
    assert scored.thresholds[0].pooled["dice"].value == pytest.approx(f1_score(truth, masks))
    assert scored.share == pytest.approx(truth.mean())


def test_the_means_of_folds_are_those_of_scikit_learn(crossed, images):
    folder, (report,) = crossed
    folds = list(predicted(folder, images))
    expected = {
        "auc": [roc_auc_score(truth, binned(scores)) for scores, truth, _ in folds],
        "dice": [f1_score(truth, mask) for _, truth, mask in folds],
    }
    for name, values in expected.items():
        score = report.classes[0].folds[name]
        assert score.values == pytest.approx(values, abs=1e-4)
        assert score.value == pytest.approx(np.mean(values), abs=1e-4)
        assert score.sd == pytest.approx(np.std(values, ddof=1), abs=1e-4)
        assert score.method.endswith(" of 6 groups")  # a range, where it holds the mean of the folds


def draw_folds(groups, *, lacking=(), pixels=60):
    """Histograms, counts, groups and folds of images; those of a group are alike, and some groups lack foreground."""
    histograms, confusions, folds = [], [], []
    for fold, members in enumerate(groups):
        for number, group in enumerate(members):
            rng = np.random.default_rng([fold, number])
            truth = (rng.random(pixels) < 0.4) & (group not in lacking)
            scores = np.clip(0.3 * truth + rng.random(pixels) * 0.7 + 0.1 * (fold - 1), 0, 0.999)
            tn, fp, fn, tp = confusion_matrix(truth, scores >= 0.5, labels=[False, True]).ravel().tolist()
            histograms.append(histogram(scores, truth))
            confusions.append([tp, fp, fn, tn])
            folds.append(fold)
    return np.array(histograms), np.array(confusions), [group for members in groups for group in members], folds


GROUPS = [list("aabcd"), list("efgh"), list("ijkk")]


def test_the_interval_of_a_mean_of_folds_is_that_of_groups_drawn_anew():
    histograms, confusions, groups, folds = draw_folds(GROUPS)
    metrics = {
        "auc": (roc_auc_of, histograms),
        "average_precision": (average_precision_of, histograms),
        "dice": (PIXEL_METRICS["dice"].compute, confusions),
    }
    names, rng, draws = sorted(set(groups)), np.random.default_rng(3), {name: [] for name in metrics}
    for _ in range(1500):
        drawn = rng.choice(names, len(names)).tolist()
        weights = np.array([drawn.count(group) for group in groups])
        for name, (compute, sums) in metrics.items():
            weighted = sums * weights.reshape(-1, *[1] * (sums.ndim - 1))
            values = [weighted[np.equal(folds, fold)].sum(axis=0) for fold in range(3)]
            draws[name].append(np.nanmean([compute(value) for value in values if value.any()]))
    for name, (compute, sums) in metrics.items():
        low, high = np.quantile(draws[name], [0.025, 0.975])
        score = fold_score(sums, groups, folds, compute)
        assert score.method == "bootstrap over 11 groups"
        assert low - 0.03 < score.low < low + 0.01  # it is widened for few groups
        assert high - 0.01 < score.high < high + 0.03
        assert score.low < score.value < score.high


@pytest.mark.parametrize("lacking", ["efgh", "abcdijk", "abcdefghijk"])
def test_a_fold_without_a_value_is_left_out_of_the_mean_and_counted(lacking):
    histograms, _, groups, folds = draw_folds(GROUPS, lacking=lacking)
    score = fold_score(histograms, groups, folds, roc_auc_of)
    values = [float(roc_auc_of(histograms[np.equal(folds, fold)].sum(axis=0))) for fold in range(3)]
    defined = [value for value in values if not isnan(value)]
    assert score.values == pytest.approx(values, nan_ok=True)
    assert score.value == pytest.approx(statistics.mean(defined) if defined else nan, nan_ok=True)
    assert score.sd == pytest.approx(statistics.stdev(defined) if len(defined) > 1 else nan, nan_ok=True)
    assert score.undefined == len(values) - len(defined)


def test_few_groups_have_their_range_and_none_is_of_a_fold_without_them():
    _, confusions, groups, folds = draw_folds([["a"], ["b", "c"]])
    score = fold_score(confusions, groups, folds, PIXEL_METRICS["dice"].compute)
    values = [2 * tp / (2 * tp + fp + fn) for tp, fp, fn, _ in confusions]
    assert (score.low, score.high) == pytest.approx((min(values), max(values)))
    assert score.method == "range of 3 groups"


def test_the_report_is_made_of_the_reports_of_the_folds(crossed):
    folder, (report,) = crossed
    folds = [EvaluationReport.load(folder / f"fold-{fold}" / "evaluation-test-region") for fold in FOLDS]
    (scored,), of_folds = report.classes, [fold.classes[0] for fold in folds]
    for name in ("auc", "average_precision"):
        assert scored.folds[name].values == pytest.approx([fold.pooled[name].value for fold in of_folds])
    for name in ("dice", "iou", "sensitivity", "specificity", "accuracy", "overlap_error"):
        values = [fold.thresholds[0].pooled[name].value for fold in of_folds]
        assert scored.folds[name].values == pytest.approx(values)
    assert json_of(scored.images) == json_of(image for fold in of_folds for image in fold.images)
    assert scored.pixels == sum(fold.pixels for fold in of_folds)
    assert [run.name for run in report.runs] == ["fold-0", "fold-1", "fold-2"]
    for fold, run in zip(folds, report.runs, strict=True):
        assert (folder / OUT_OF_FOLD / run.folder).resolve() == (folder / run.name).resolve()
        assert run.thresholds == fold.runs[0].thresholds


def test_the_files_say_what_was_returned(crossed, images):
    folder, (report,) = crossed
    assert report.folder == folder / OUT_OF_FOLD
    assert EvaluationReport.load(folder / OUT_OF_FOLD).model_dump_json() == report.model_dump_json()
    written = (folder / OUT_OF_FOLD / "report.json").read_text()
    assert str(folder.parent) not in written
    assert str(images.parent) not in written


def test_the_images_that_the_folds_kept_are_kept_with_the_report(crossed):
    folder, (report,) = crossed
    ranked = [report.data.images[index].name for index in rank_images(report)]
    kept = {path.stem for path in (folder / OUT_OF_FOLD / "cases").glob("*.npz")}
    assert {ranked[0], ranked[-1]} <= kept <= set(ranked)


def test_the_command_in_the_report_does_the_same(crossed):
    (command,) = crossed[1][0].commands
    verb, *words = command.split()[1:]
    options = parse_options(CrossValidate, verb, words)
    assert (verb, options.folds, options.scoring.protocol) == ("cross-validate", 3, "region")
    assert load_recipe(options.recipe).replace(**options.changes) == RECIPE


def test_the_command_line_prints_the_table(cenet, copy, images, capsys, crossed):
    words = crossed[1][0].commands[0].split()[2:]
    words[words.index("--data") + 1], words[words.index("--output") + 1] = images, copy
    assert cenet("cross-validate", *words, "--device", "cpu") == 0
    assert capsys.readouterr().out.rstrip().endswith(f"report: {copy / OUT_OF_FOLD}")


# The ensemble -----------------------------------------------------------------------------------------------


def test_the_folds_predict_together(cenet, crossed, images, tmp_path):
    folder, image = crossed[0], images / "images" / "eye-1.png"
    assert cenet("predict", folder, image, "--output", tmp_path, "--device", "cpu") == 0
    members = [load(folder / f"fold-{fold}") for fold in FOLDS]
    mean = np.mean([member(image).probabilities for member in members], axis=0)
    threshold = np.mean([member.thresholds for member in members])
    prediction = load(folder)(image)
    np.testing.assert_allclose(prediction.probabilities, mean, rtol=1e-6)
    mask = read_label(tmp_path / "eye-1_mask.png")
    assert np.array_equal(mask > 0, prediction.probabilities[0] >= np.float32(threshold))
    assert 0 < (mask > 0).mean() < 1


def test_the_ensemble_is_not_scored_on_an_image_that_a_member_learnt_from(
    crossed, images, draw, cenet, tmp_path, capsys
):
    data = draw(tmp_path / "other", count=2, seed=9)
    for part in ("images", "masks", "regions"):
        shutil.copy(images / part / "eye-3.png", data / part / "known.png")
    options = ("--data", data, "--device", "cpu", "--output", tmp_path / "scores")
    assert cenet("evaluate", crossed[0], *options) == 1
    answer = f"cenet: {data}: known is an image that a member of {crossed[0]} was trained on; score the ensemble on"
    assert capsys.readouterr().err.splitlines()[-1].startswith(answer)
    assert cenet("evaluate", crossed[0], "--device", "cpu", "--output", tmp_path / "scores") == 1
    assert "is an image that a member of" in capsys.readouterr().err
    assert not (tmp_path / "scores").exists()


def test_the_ensemble_is_scored_on_other_images(crossed, draw, cenet, tmp_path):
    data, folder = draw(tmp_path / "other", count=2, seed=9), tmp_path / "scores"
    assert cenet("evaluate", crossed[0], "--data", data, "--device", "cpu", "--output", folder) == 0
    report = EvaluationReport.load(folder)
    assert [run.name for run in report.runs] == ["fold-0", "fold-1", "fold-2"]
    assert report.cost.parameters == 3 * report.runs[0].parameters
    predictor, counts = load(crossed[0]), np.zeros(4, int)
    for path in sorted((data / "images").iterdir()):
        inside, truth = read_region(data / "regions" / path.name), read_label(data / "masks" / path.name) > 0
        mask = predictor(read_image(path)).mask
        counts += confusion_matrix(truth[inside], mask[inside] > 0).ravel()
    of_threshold = report.classes[0].thresholds[0].counts
    assert [of_threshold.tn, of_threshold.fp, of_threshold.fn, of_threshold.tp] == counts.tolist()


# Seeds ------------------------------------------------------------------------------------------------------


def test_several_seeds_share_the_folds_and_predict_together(images, tmp_path, capsys):
    reports = again(tmp_path, images, folds=2, seeds=2)
    runs = {(seed, fold): Run(tmp_path / f"seed-{seed}" / f"fold-{fold}") for seed in (0, 1) for fold in (0, 1)}
    assert len({run.facts.weights_sha256 for run in runs.values()}) == 4
    for (seed, fold), run in runs.items():
        assert run.recipe.seed == seed
        assert run.split == runs[0, fold].split
    assert [report.folder for report in reports] == [tmp_path / f"seed-{seed}" / OUT_OF_FOLD for seed in (0, 1)]
    assert all(report.commands[0].endswith("--folds 2 --seeds 2") for report in reports)
    image = read_image(images / "images" / "eye-0.png")
    mean = np.mean([run.predictor()(image).probabilities for run in runs.values()], axis=0)
    np.testing.assert_allclose(load(tmp_path)(image).probabilities, mean, rtol=1e-6)
    np.testing.assert_allclose(
        load(tmp_path / "seed-1")(image).probabilities,
        np.mean([runs[1, fold].predictor()(image).probabilities for fold in (0, 1)], axis=0),
        rtol=1e-6,
    )
    assert len(again(tmp_path, images, folds=2, fold=[0], seeds=3)) == 2  # a third seed may follow
    assert Run(tmp_path / "seed-2" / "fold-0").recipe.seed == 2


def test_one_seed_and_several_are_not_mixed_in_a_folder(copy, images, calls, tmp_path):
    before = files(copy)
    with pytest.raises(
        CenetError, match=f"^{copy}: holds folds of one seed, not of --seeds 2; choose another --output$"
    ):
        again(copy, images, seeds=2)
    assert files(copy) == before
    (tmp_path / "several" / "seed-0").mkdir(parents=True)
    for name in ("recipe.json", "options.json"):
        shutil.copy(copy / name, tmp_path / "several")
    with pytest.raises(CenetError, match=r"holds folds of several seeds, not of --seeds 1; choose another --output$"):
        again(tmp_path / "several", images)
    assert calls == {"train": [], "resume": [], "evaluate": []}
