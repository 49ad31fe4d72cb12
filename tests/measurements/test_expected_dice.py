"""The expected Dice is the mean Dice over truths drawn from the probabilities."""

import numpy as np
import pytest

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
