"""What is done to a mask after the threshold, against plain loops over its pieces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from skimage.measure import label as label_pieces
from tiny_network import TINY

from cenet.config.presets import load_recipe
from cenet.evaluation.report import EvaluationReport
from cenet.inference.ensemble import EnsemblePredictor
from cenet.inference.operating_point import OperatingPoint
from cenet.inference.pipeline import Pipeline
from cenet.inference.post_processing import NO_POST_PROCESSING, PostProcessing
from cenet.inference.prediction import Prediction
from cenet.inference.run import Run
from cenet.inference.trust import estimate_prediction_dice

a_mask = arrays(np.uint8, (9, 11), elements=st.integers(0, 1))
a_nested_mask = arrays(np.uint8, (9, 11), elements=st.integers(0, 2))
a_share = st.sampled_from([0.0, 0.1, 0.3, 1.0])
BOTH = PostProcessing(min_piece=0.5, max_hole=0.5)


def process_by_loops(mask, processing):
    """With scikit-image, piece by piece."""
    pieces = label_pieces(mask, connectivity=2)
    sizes = {number: np.count_nonzero(pieces == number) for number in range(1, pieces.max() + 1)}
    largest, kept = max(sizes.values(), default=0), np.zeros_like(mask)
    for number, size in sizes.items():
        if size >= processing.min_piece * largest:
            kept[pieces == number] = 1
    holes = label_pieces(1 - kept, connectivity=1)
    for number in range(1, holes.max() + 1):
        hole = holes == number
        reaches_border = hole[[0, -1]].any() or hole[:, [0, -1]].any()
        if processing.max_hole and hole.sum() <= processing.max_hole * largest and not reaches_border:
            kept[hole] = 1
    return kept


@given(a_mask, a_share, a_share)
def test_pieces_and_holes_are_those_of_a_loop(mask, min_piece, max_hole):
    processing = PostProcessing(min_piece=min_piece, max_hole=max_hole)
    assert np.array_equal(processing.apply(mask), process_by_loops(mask, processing))


@given(a_nested_mask, a_share, a_share)
def test_the_outermost_region_is_processed_as_if_alone_and_the_inner_one_stays_inside(mask, min_piece, max_hole):
    processing = PostProcessing(min_piece=min_piece, max_hole=max_hole)
    processed = processing.apply(mask)
    assert np.array_equal(processed > 0, process_by_loops((mask > 0).astype(np.uint8), processing) > 0)
    assert processed.max(initial=0) <= mask.max(initial=0)


@given(a_nested_mask)
def test_by_default_a_mask_is_what_it_was(mask):
    assert NO_POST_PROCESSING.apply(mask) is mask


@pytest.mark.parametrize("value", [0, 1])
def test_a_mask_of_one_value_stays(value):
    mask = np.full((5, 6), value, np.uint8)
    assert np.array_equal(BOTH.apply(mask), mask)


class Echo(Pipeline):
    """Says that the red channel is the probability."""

    def __init__(self, **options):
        recipe = load_recipe("folder").replace(network=TINY, encoder_weights="none", tile_px=192)
        super().__init__(recipe, stride=1, min_size=1, **options)

    def forward(self, image):
        return image[:1] / np.float32(255)


def draw_image():
    image = np.zeros((24, 30, 3), np.uint8)
    image[4:16, 4:16] = 255
    image[9, 9] = image[20, 20] = 0
    image[20:22, 20:22] = 255
    return image


def test_a_pipeline_processes_its_masks_and_leaves_probabilities():
    plain, processed = Echo()(draw_image()), Echo(post_processing=BOTH)(draw_image())
    assert np.array_equal(plain.probabilities, processed.probabilities)
    assert np.array_equal(processed.mask, BOTH.apply(plain.mask))
    assert (plain.mask != processed.mask).sum() == 5
    assert estimate_prediction_dice(processed) < estimate_prediction_dice(plain)  # of other pixels


def test_an_ensemble_does_what_all_members_do():
    members = [Echo(post_processing=BOTH), Echo(post_processing=PostProcessing(min_piece=0.5))]
    mask = EnsemblePredictor(members)(draw_image()).mask
    assert (mask[9, 9], mask[20, 20]) == (0, 0)
    assert mask.sum() == 143


def test_softmax_maps_are_not_processed():
    maps = np.zeros((2, 4, 4), np.float32)
    maps[0], maps[1, 1, 1] = 0.5, 1
    assert Prediction(maps, post_processing=PostProcessing(max_hole=1)).mask.sum() == 1
    recipe = load_recipe("folder").replace(num_classes=3)
    with pytest.raises(ValueError, match="softmax"):
        OperatingPoint(post_processing=BOTH).check_fits(recipe)


def test_what_a_run_holds_is_applied_and_reported(run_copy, images, cenet):
    run = Run(run_copy)
    photo = images / "images" / "eye-0.png"
    before = run.predictor()(photo).mask
    points = [point.model_copy(update={"post_processing": BOTH}) for point in run.facts.operating_points]
    run.update(operating_points=tuple(points))
    after = Run(run_copy).predictor()(photo).mask
    assert np.array_equal(after, BOTH.apply(before))
    assert (after != before).any()
    assert cenet("evaluate", run_copy) == 0
    report = EvaluationReport.load(run_copy / "evaluation-test-region")
    assert report.runs[0].post_processing == BOTH.describe()
    assert BOTH.describe() in (run_copy / "evaluation-test-region" / "report.md").read_text()


def test_what_a_graph_leaves_to_its_caller_is_listed():
    from cenet.exporting.graph import list_outside_steps

    recipe = load_recipe("folder")
    plain, processed = (list_outside_steps(recipe, post_processing=chosen) for chosen in (NO_POST_PROCESSING, BOTH))
    assert [step for step in processed if step not in plain] == [f"of the mask {BOTH.describe()}"]
