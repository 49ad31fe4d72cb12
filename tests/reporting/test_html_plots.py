import re

import numpy as np
import pytest
from drawn_reports import run_info, write_evaluation

from cenet.reporting.html_plots import draw_class_plots, draw_training_plots


@pytest.mark.parametrize(("folds", "thin"), [(0, 5), (2, 2)])
def test_a_class_has_its_curves_over_those_of_its_images_or_folds(tmp_path, folds, thin):
    evaluation = write_evaluation(tmp_path / "scores", images=5, size_px=64, folds=folds, cases=False)
    (scores,), (counts,), images = evaluation.report.classes, evaluation.counts, evaluation.report.data.images
    plots = draw_class_plots("eyes, vessel", scores, counts, images)
    assert list(plots) == [
        "ROC",
        "Precision and recall",
        "Reliability, all pixels",
        "Reliability within 3 px of edges",
        "Dice of each image",
        "AUC of each image",
    ]
    assert plots["ROC"].count("stroke-opacity: 0.3") == thin
    assert ("fold 1" in plots["Dice of each image"]) == bool(folds)


def test_a_training_is_drawn_from_the_epochs_that_have_values():
    plots = draw_training_plots("eyes", [run_info("one", "..", epochs=4), run_info("two", "..", epochs=4)])
    assert list(plots) == ["Training loss", "Validation Dice"]
    assert all("one" in svg and "two" in svg for svg in plots.values())
    unvalidated = run_info("one", "..", epochs=1)
    assert np.isnan(unvalidated.curve[0].validation_dice)
    assert list(draw_training_plots("eyes", [unvalidated])) == ["Training loss"]


def test_epochs_are_counted_from_one():
    (svg,) = draw_training_plots("eyes", [run_info("one", "..", epochs=1, epoch=0)]).values()
    words = re.findall(r">([^<>]+)</text>", svg)
    assert "1" in words
    assert not {"0", "2"} & {word for word in words if "." not in word}


def test_what_was_not_calibrated_has_one_curve_of_reliability(tmp_path):
    evaluation = write_evaluation(tmp_path / "scores", images=5, size_px=64, cases=False)
    (scores,), (counts,), images = evaluation.report.classes, evaluation.counts, evaluation.report.data.images
    for calibrated in (True, False):
        plots = draw_class_plots("eyes, vessel", scores, counts, images, calibrated=calibrated)
        for edges in ("Reliability, all pixels", "Reliability within 3 px of edges"):
            assert ("before calibration" in plots[edges]) == calibrated


def test_weights_from_elsewhere_have_no_training():
    assert draw_training_plots("eyes", [run_info("imported", "..", epochs=0)]) == {}


def test_runs_of_one_name_have_a_curve_each():
    runs = [run_info("fold-0", "..", fold=fold, epochs=4, seed=seed) for fold, seed in ((0, 1), (1, 2))]
    svg = draw_training_plots("eyes", runs)["Training loss"]
    assert "fold-0, seed 1" in svg
    assert "fold-0, seed 2" in svg
