"""The expected Dice is the mean Dice over truths drawn from the probabilities."""

import json
from types import SimpleNamespace

import expected_dice
import numpy as np
import pytest

from cenet.evaluation.protocol import ClassView
from cenet.evaluation.report_files import load_evaluation
from cenet.measurements.expected_dice import estimate_dice
from cenet.metrics import count, dice


def test_it_is_the_mean_over_drawn_truths():
    rng = np.random.default_rng(0)
    probabilities = rng.beta(0.3, 0.6, (40, 40))
    mask = probabilities >= 0.4
    scores = [float(dice(count(mask, rng.random((40, 40)) < probabilities))) for _ in range(200)]
    assert estimate_dice(probabilities, mask) == pytest.approx(np.mean(scores), abs=0.003)


def test_an_empty_mask_is_trusted_as_far_as_nothing_is_probable():
    nothing = np.zeros((4, 4), bool)
    assert estimate_dice(np.zeros((4, 4)), nothing) == 1
    assert estimate_dice(np.full((4, 4), 0.3), nothing) < 0.2


# --- the evidence ------------------------------------------------------------------------------------------


def test_counted_probabilities_give_what_those_of_every_pixel_give():
    rng = np.random.default_rng(3)
    scores = rng.beta(0.3, 0.6, (60, 60)).astype(np.float32)
    truth, mask = rng.random(scores.shape) < scores, scores >= 0.4
    view = ClassView(scores, scores, truth, {"threshold": mask}, np.ones(scores.shape, bool))
    evaluation = SimpleNamespace(counts=[view.count_pixels("eye", "eye")])
    (expected,), (true,) = expected_dice.expect_dice_from_counts(evaluation)
    assert expected == pytest.approx(estimate_dice(scores, mask), abs=1e-3)
    assert true == pytest.approx(float(dice(count(mask, truth))))


def test_the_table_is_of_the_committed_reports():
    content = json.loads(expected_dice.RESULT.read_text())["out_of_fold"]
    assert [row["report"] for row in content.values()] == list(expected_dice.REPORTS.values())
    for row in content.values():
        expected, true = expected_dice.expect_dice_from_counts(load_evaluation(expected_dice.RESULTS / row["report"]))
        remedy = "run: python benchmarks/expected_dice.py --reports && python benchmarks/tables.py"
        assert (round(expected.mean(), 4), round(true.mean(), 4)) == (row["expected"], row["true"]), remedy
