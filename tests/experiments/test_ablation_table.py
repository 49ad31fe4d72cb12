"""The table of an ablation, of made-up folds: scores against their means by hand, tests only where all folds are."""

import math

import numpy as np
import pytest
from drawn_reports import COST, ENVIRONMENT, PROTOCOL, count_image, draw_probabilities, run_info
from pydantic import ValidationError

from cenet.data.io.outputs import OutputFolder
from cenet.evaluation.build_report import build_fold_report, build_report
from cenet.evaluation.compare import compare_evaluations
from cenet.evaluation.comparison_report import AblationReport
from cenet.evaluation.counts import PixelCounts
from cenet.evaluation.report import DatasetInfo, EvaluationReport, ImageInfo
from cenet.evaluation.report_files import load_evaluation, save_evaluation
from cenet.evaluation.significance import difference_of_means
from cenet.experiments.ablation_table import compare_variants

FOLDS = 3
REFERENCES = {"whole": "whole", "weak": "whole", "weaker": "whole", "other": "weak"}
SKILLS = {"whole": 1.5, "weak": 0.8, "weaker": 0.5, "other": 0.4}


def evaluation_of(place, fold):
    return place / f"fold-{fold}" / "evaluation-test-region"


def write_fold(place, fold, *, skill, seed, task="folder", classes=("vessel",), images=2, steps=25):
    """The report of a fold of a variant, and nothing else of its run; the images are the same for every variant."""
    names = [f"eye-{fold}-{number}" for number in range(images)]
    counts = []
    for number, name in enumerate(names):
        label = (np.random.default_rng([fold, number]).random((24, 24)) < 0.3).astype(np.uint8)
        scores = draw_probabilities(label, seed=[seed, fold, number], skill=skill)
        inside = np.ones(label.shape, bool)
        counts.append([count_image(name, f"patient {name}", label, inside, scores) for _ in classes])
    evaluation = build_report(
        commands=(),
        protocol=PROTOCOL,
        data=DatasetInfo(
            name="eyes",
            task=task,
            part="test",
            groups=images,
            images=tuple(
                ImageInfo(
                    name=name,
                    group=f"patient {name}",
                    part="test",
                    fingerprint=name,
                    label_fingerprint=name,
                    size_px=(24, 24),
                    seconds=0.5,
                )
                for name in names
            ),
        ),
        runs=[run_info(f"fold-{fold}", "..", fold=fold, epochs=steps // 25)],
        cost=COST.model_copy(update={"parameters": 1000 + seed, "training_seconds": 60.0 * (fold + 1)}),
        class_names=classes,
        counts=[PixelCounts.concatenate(of_class) for of_class in zip(*counts, strict=True)],
        task_metrics=None,
        environment=ENVIRONMENT,
    )
    save_evaluation(OutputFolder(evaluation_of(place, fold), verb="evaluate"), evaluation)


def write_variants(folder, folds, **options):
    """Variants of ever less skill, each with the folds that it has."""
    for seed, (title, numbers) in enumerate(folds.items()):
        for fold in numbers:
            write_fold(folder / title, fold, skill=SKILLS[title], seed=seed, **options)
    return {title: (folder / title, False) for title in REFERENCES}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """All variants with all folds, but for one, which has two."""
    numbers = range(FOLDS)
    folds = {"whole": numbers, "weak": numbers, "weaker": numbers, "other": (1, 2)}
    return write_variants(tmp_path_factory.mktemp("variants"), folds, task="drive")


@pytest.fixture(scope="module")
def report(places):
    return compare_variants(places, REFERENCES, folds=FOLDS)


def scores_of(report):
    """The scores of each variant, by the key of the metric."""
    return {row.variant: {score.metric.key: score for score in row.scores} for row in report.rows}


def dice_of(place, folds):
    reports = [EvaluationReport.load(evaluation_of(place, fold)) for fold in folds]
    return [image.thresholds[0].scores["dice"] for report in reports for image in report.classes[0].images]


def test_the_primary_metric_stands_first_with_dice_after_it(report):
    for row in report.rows:
        assert [(score.metric.key, score.metric.average) for score in row.scores] == [
            ("auc", "per_image"),
            ("dice", "per_image"),
        ]
        assert row.scores[0].metric == row.primary


def test_variants_with_all_folds_are_compared_as_cenet_compare_does(places, report):
    titles = ("whole", "weak", "weaker")
    folds = {
        title: [load_evaluation(evaluation_of(places[title][0], fold)) for fold in range(FOLDS)] for title in titles
    }
    methods = [[build_fold_report(folds[title], numbers=range(FOLDS))] for title in titles]
    scores = scores_of(report)
    compared = 0
    for row in compare_evaluations(methods, titles).rows:
        score = scores[row.run].get(row.metric.key)
        if score is None or score.metric != row.metric:
            continue
        compared += 1
        assert score.score.value == row.value
        assert score.difference == row.difference
        assert score.p == pytest.approx(row.adjusted_p if row.metric.key == "auc" else row.p, nan_ok=True)
    assert compared == 6
    assert scores["weaker"]["auc"].p > 2 / 2**6  # adjusted for two comparisons
    assert [row.reference for row in report.rows] == [None, "whole", "whole", "weak"]


def test_a_variant_with_some_folds_is_compared_on_those_without_a_test(places, report):
    dice, row = scores_of(report)["other"]["dice"], report.rows[-1]
    ours, theirs = (np.mean(dice_of(places[title][0], (1, 2))) for title in ("other", "weak"))
    assert (row.folds, row.data.images, row.data.groups) == ((1, 2), 4, 4)
    assert dice.score.value == pytest.approx(ours)
    assert dice.reference_value == pytest.approx(theirs)
    assert dice.difference.value == pytest.approx(ours - theirs)
    assert all(math.isnan(score.p) for score in row.scores)


def test_a_value_has_the_interval_of_its_report(report):
    scores, fewer = scores_of(report)["weak"], scores_of(report)["other"]
    assert scores["auc"].score.method == scores["dice"].score.method == "range of 6 groups"
    assert fewer["auc"].score.method == "range of 4 groups"


def test_costs_are_those_of_one_model(report):
    row = report.rows[1]
    assert (row.cost.parameters, row.steps, row.cost.views, row.cost.devices) == (1001, 25, (1,), ("cpu",))
    assert row.cost.training_seconds == pytest.approx(60 * (1 + 2 + 3) / 3)
    assert row.settings["name"] == "drive"


def test_a_variant_whose_reference_is_missing_has_its_own_scores(tmp_path):
    places = write_variants(tmp_path, {"weak": (0, 1), "other": (1,)}, task="folder")
    report = compare_variants(places, REFERENCES, folds=2)
    assert [(row.variant, row.reference, row.folds) for row in report.rows] == [
        ("weak", None, (0, 1)),  # of all its folds, not only of those that are compared with it
        ("other", "weak", (1,)),
    ]
    assert report.missing == ("whole", "weaker")
    (score,) = report.rows[0].scores
    assert score.score.value == pytest.approx(np.mean(dice_of(tmp_path / "weak", (0, 1))))
    assert score.difference is None


def test_a_variant_of_other_folds_than_its_reference_stands_alone(tmp_path):
    places = write_variants(tmp_path, {"whole": (0,), "weak": (1,)}, task="folder")
    report = compare_variants(places, REFERENCES, folds=2)
    assert [(row.variant, row.reference, row.folds) for row in report.rows] == [
        ("whole", None, (0,)),
        ("weak", None, (1,)),
    ]
    assert report.missing == ("weaker", "other")


def test_every_class_has_its_scores(tmp_path):
    variants = write_variants(tmp_path, {"whole": (0, 1), "weak": (0, 1)}, classes=("disc", "cup"))
    report = compare_variants(variants, REFERENCES, folds=2)
    assert [[score.class_name for score in row.scores] for row in report.rows] == [["disc", "cup"]] * 2


@pytest.mark.parametrize(("images", "tested"), [(2, False), (3, True)])
def test_there_is_a_test_from_six_groups_on(tmp_path, images, tested):
    variants = write_variants(tmp_path, {"whole": (0, 1), "weak": (0, 1)}, images=images)
    (score,) = compare_variants(variants, REFERENCES, folds=2).rows[1].scores
    assert math.isnan(score.p) != tested


def test_the_values_of_single_images_are_kept_for_later_tests(places, report):
    for row in report.rows:
        folds = (1, 2) if row.variant == "other" else range(FOLDS)
        assert row.images == tuple(f"eye-{fold}-{number}" for fold in folds for number in range(2))
        assert row.groups == tuple(f"patient {name}" for name in row.images)
        dice = row.scores[1]
        assert dice.values == tuple(dice_of(places[row.variant][0], folds))
        assert dice.reference_values == tuple(dice_of(places[row.reference or row.variant][0], folds))
    weak = report.rows[1].scores[0]
    tested = difference_of_means(np.array(weak.values), np.array(weak.reference_values), report.rows[1].groups)
    assert (tested.value, tested.interval.low) == pytest.approx((weak.difference.value, weak.difference.low))
    assert tested.p <= weak.p  # which is adjusted


def test_values_that_do_not_fit_the_images_are_refused(report):
    content = report.model_dump(mode="json")
    content["rows"][1]["images"] = ["eye"]
    with pytest.raises(ValidationError, match="not every image"):
        AblationReport.model_validate(content)
    for row in content["rows"]:  # a report whose values were not kept
        row.update(images=[], groups=[])
        for score in row["scores"]:
            score.update(values=[], reference_values=[])
    assert AblationReport.model_validate(content).rows[1].scores[0].values == ()
