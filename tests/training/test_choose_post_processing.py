"""Whether post-processing is chosen where it helps, and only there."""

import numpy as np
import pytest

from cenet.inference.post_processing import NO_POST_PROCESSING
from cenet.metrics.binned import EDGES
from cenet.training import choose_post_processing
from cenet.training.choose_post_processing import PostProcessingChoice, try_candidates


def draw_truth(seed, *, specks):
    """A label of one or several pieces, and probabilities with specks that belong to it or not."""
    rng = np.random.default_rng(seed)
    label = np.zeros((40, 50), np.uint8)
    label[5:25, 5 : 30 + seed % 3] = 1
    rows, columns = np.divmod(rng.choice(np.arange(0, 10 * 50, 3), 40, replace=False), 50)
    marked = np.zeros_like(label)
    marked[rows + 28, columns] = 1
    if specks == "true":
        label |= marked
    return np.where(label | marked, 0.9, 0.1).astype(np.float32)[None], label


def choose(images, threshold=0.5, maps=1):
    choice = PostProcessingChoice(maps)
    for probabilities, label in images:
        choice.add(probabilities, label, np.ones(label.shape, bool))
    return choice.choose([threshold] * maps)


def test_specks_that_are_wrong_are_removed():
    chosen, (pieces, holes) = choose([draw_truth(seed, specks="false") for seed in range(4)])
    assert chosen.min_piece > 0
    assert pieces.kept
    assert pieces.dice_after == pytest.approx(1)
    assert (chosen.max_hole, holes.kept) == (0, False)


def test_specks_that_are_right_stay():
    chosen, trials = choose([draw_truth(seed, specks="true") for seed in range(4)])
    assert chosen == NO_POST_PROCESSING
    assert not any(trial.kept for trial in trials)


def test_what_helps_in_one_image_alone_is_not_kept():
    images = [draw_truth(seed, specks="true") for seed in range(4)] + [draw_truth(9, specks="false")]
    assert choose(images)[0] == NO_POST_PROCESSING


def test_holes_that_are_wrong_are_filled_within_the_region_only():
    images = [draw_truth(seed, specks="true") for seed in range(4)]
    for probabilities, label in images:
        probabilities[0, 8:14, 8:20][label[8:14, 8:20] > 0] = 0.1
    chosen, (_, holes) = choose(images)
    assert chosen.max_hole > 0
    assert holes.dice_after == pytest.approx(1)
    choice = PostProcessingChoice(1)
    for probabilities, label in images:
        region = np.ones(label.shape, bool)
        region[8:14, 8:20] = False
        choice.add(probabilities, label, region)
    assert choice.choose([0.5])[0] == NO_POST_PROCESSING


def test_two_images_are_too_few():
    chosen, trials = choose([draw_truth(seed, specks="false") for seed in range(2)])
    assert chosen == NO_POST_PROCESSING
    assert [trial.dice_before for trial in trials] == [None, None]


def test_masks_are_those_of_the_threshold_to_the_bit():
    rng, threshold = np.random.default_rng(0), float(EDGES[900])
    near = np.float32(threshold) + np.float32([-1e-8, 0, 1e-8])
    probabilities = np.concatenate([rng.random(50).astype(np.float32), near, np.nextafter(near, np.float32(0))])
    choice = PostProcessingChoice(1)
    label = (probabilities >= np.float32(threshold)).astype(np.uint8)[None]
    for _ in range(3):
        choice.add(probabilities[None, None], label, np.ones(label.shape, bool))
    assert choice.choose([threshold])[1][0].dice_before == 1


def test_of_more_images_than_fit_into_memory_the_first_are_tried(monkeypatch):
    monkeypatch.setattr(choose_post_processing, "KEEP_BYTES", 3 * 2 * 40 * 50)
    _, trials = choose([draw_truth(seed, specks="false") for seed in range(5)])
    assert [trial.images for trial in trials] == [3, 3]


def test_a_negligible_gain_is_not_kept():
    assert not try_candidates(np.array([[0.5] * 5, [0.5004] * 5]))[1].kept
    assert try_candidates(np.array([[0.5] * 5, [0.502] * 5]))[1].kept
