import numpy as np
import pytest

from cenet.config.presets import load_recipe
from cenet.data.labels.detect import IGNORED
from cenet.evaluation.protocol import ClassView
from cenet.evaluation.task_metrics import (
    EvaluatedImage,
    TaskMetric,
    TaskMetrics,
    compute_task_metrics,
    task_metric_names,
)
from cenet.inference.prediction import Prediction
from cenet.metrics import partition
from cenet.metrics.registry import METRICS
from cenet.metrics.shape import centre_line_dice
from cenet.metrics.surface_distance import assd, hd95

SHAPE = (24, 30)


def view_of(truth, mask, *, scores=None, inside=None, region=None):
    scores = mask.astype(np.float32) if scores is None else scores
    inside = np.ones(truth.shape, bool) if inside is None else inside
    return ClassView(scores, scores, truth, {"threshold": mask}, inside, region)


def image_of(label, mask, *, names=("disc",), box=None, prediction=None, nested=True, inside=None, region=None, **more):
    views = [
        view_of(label >= number if nested else label == number, mask >= number, inside=inside, region=region)
        for number in range(1, len(names) + 1)
    ]
    maps = np.zeros((len(names), *label.shape), np.float32)
    prediction = prediction or Prediction(maps, (0.5,) * len(names), box=box)
    return EvaluatedImage(names, views, mask, label, prediction, **more)


def block(rows, columns, value=1):
    mask = np.zeros(SHAPE, np.uint8)
    mask[rows, columns] = value
    return mask


def compute(names, image):
    """What the task measures in an image, each with its key and, of a part, the part behind it."""
    measured = compute_task_metrics(names, image, group="g")
    assert measured.groups == ("g",)
    assert {metric.key for metric in measured.values} <= set(METRICS)
    return {" ".join(metric).strip(): values.item() for metric, values in measured.values.items()}


# Of masks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "metric"), [("hd95", hd95), ("assd", assd), ("centre_line_dice", centre_line_dice)])
def test_distances_are_those_of_the_masks_where_pixels_count(name, metric):
    label, mask = block(slice(4, 12), slice(5, 20)), block(slice(6, 13), slice(3, 18))
    inside = np.zeros(SHAPE, bool)
    inside[:, :15] = True
    assert compute([name], image_of(label, mask)) == {name: metric(mask > 0, label > 0)}
    values = compute([name], image_of(label, mask, inside=inside, region=inside))
    assert values == {name: metric((mask > 0) & inside, (label > 0) & inside)}


@pytest.mark.parametrize(("name", "metric"), [("hd95", hd95), ("assd", assd)])
@pytest.mark.parametrize("has_region", [False, True])
def test_unlike_that_of_the_region_the_edge_of_unannotated_pixels_is_no_border(name, metric, has_region):
    label, mask = block(slice(4, 20), slice(5, 25)), block(slice(8, 20), slice(5, 25))
    region = np.indices(SHAPE)[1] < 22 if has_region else None
    inside = np.indices(SHAPE)[1] % 4 > 0
    masks = [array > 0 for array in (mask, label)]
    if has_region:
        inside, masks = inside & region, [array & region for array in masks]
    value = compute([name], image_of(label, mask, inside=inside, region=region))[name]
    assert value == metric(*masks, inside=inside)
    assert name == "hd95" or value > metric(*(array & inside for array in masks))


@pytest.mark.parametrize("name", ["hd95", "assd", "centre_line_dice"])
def test_where_no_pixel_counts_nothing_is_measured_of_masks(name):
    label, mask = block(slice(4, 12), slice(5, 20)), block(slice(6, 13), slice(3, 18))
    values = compute([name], image_of(label, mask, inside=np.zeros(SHAPE, bool)))
    assert np.isnan(values[name])


def test_of_several_classes_each_has_its_metric():
    label = block(slice(2, 20), slice(2, 20))
    label[6:10, 6:10] = 2
    values = compute(["hd95"], image_of(label, label, names=("disc", "cup")))
    assert values == {"hd95 disc": 0, "hd95 cup": 0}


# Of a disc --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "error"), [(8, 0.0), (4, 0.25), (0, 0.5)])
def test_the_cup_to_disc_error_is_the_difference_of_the_heights(height, error):
    label, mask = (block(slice(2, 18), slice(4, 20)) for _ in range(2))
    label[6:14, 8:16] = 2
    mask[6 : 6 + height, 8:16] = 2
    assert compute(["cup_to_disc"], image_of(label, mask, names=("disc", "cup"))) == {"cup_to_disc_error": error}


def test_a_missed_disc_has_the_whole_ratio_for_an_error():
    label = block(slice(2, 18), slice(4, 20))
    label[6:14, 8:16] = 2
    values = compute(["cup_to_disc"], image_of(label, np.zeros_like(label), names=("disc", "cup")))
    assert values == {"cup_to_disc_error": 0.5}


@pytest.mark.parametrize("rows", [slice(0, 1), slice(10, 12)])
def test_pixels_that_do_not_count_change_no_cup_to_disc_error(rows):
    label = block(slice(2, 18), slice(4, 20))
    label[6:14, 8:16] = 2
    mask = label.copy()
    label[rows] = IGNORED
    mask[rows] = 1
    assert compute(["cup_to_disc"], image_of(label, mask, names=("disc", "cup"))) == {"cup_to_disc_error": 0}


@pytest.mark.parametrize(
    ("box", "expected"), [((0, 0, 24), 1.0), ((4, 5, 8), 1.0), ((5, 5, 8), 0.0), ((4, 5, 7), 0.0), (None, 0.0)]
)
def test_a_disc_is_found_if_all_of_it_is_in_the_box(box, expected):
    label = block(slice(4, 12), slice(5, 13))
    assert compute(["found"], image_of(label, label, box=box)) == {"found": expected}


def test_where_there_is_no_disc_nothing_is_to_be_found():
    label = np.zeros(SHAPE, np.uint8)
    label[0] = IGNORED
    assert np.isnan(compute(["found"], image_of(label, label))["found"])


# Of cells ---------------------------------------------------------------------------------------------------


def cells(seed=0):
    rng = np.random.default_rng(seed)
    label = np.ones(SHAPE, np.uint8)
    label[1:11, 1:14] = label[1:11, 15:29] = label[12:23, 1:29] = 0
    scores = np.clip(0.8 * label + rng.uniform(0, 0.4, SHAPE), 0, 1).astype(np.float32)
    mask = scores >= 0.5
    view = view_of(label == 1, mask, scores=scores)
    return EvaluatedImage(("membrane",), [view], mask.astype(np.uint8), label, Prediction(scores[None], (0.5,)))


def test_cells_are_what_the_membrane_leaves():
    scene = cells()
    values = compute(["cells"], scene)
    statistics = partition.statistics(~scene.mask.astype(bool), scene.label == 0)
    for name in ("v_rand", "v_info", "v_rand_split", "v_info_merge"):
        assert values[name] == getattr(partition, name)(statistics)
    assert values["pixel_error"] == np.mean(scene.mask != scene.label)


def test_over_slices_parts_are_averaged_before_they_are_divided():
    slices = [compute_task_metrics(["cells"], cells(seed), group=f"g{seed}") for seed in range(3)]
    scores = {scores.metric: scores.pooled for scores in TaskMetrics.concatenate(slices).compute_scores()}
    statistics = np.mean([metrics.cells[0, 0] for metrics in slices], axis=0)
    assert scores["v_rand"].value == pytest.approx(partition.v_rand(statistics))
    swept = np.mean([metrics.cells[0, 1:] for metrics in slices], axis=0)
    tenths = [partition.GRID.tolist().index(number / 10) for number in range(1, 10)]
    best = scores["v_rand_challenge"]
    assert best.value == pytest.approx(partition.v_rand(swept[tenths]).max())
    assert best.value >= scores["v_rand"].value - 1e-9
    at = partition.GRID.tolist().index(best.threshold)
    assert partition.v_rand(swept)[at] == pytest.approx(best.value)
    of_groups = [float(partition.v_rand(metrics.cells[0, 1 + at])) for metrics in slices]  # all at the one threshold
    assert (best.low, best.high, best.interval_kind) == (min(of_groups), max(of_groups), "range")


def test_cells_are_swept_by_the_networks_own_probabilities():
    plain, view = cells(), cells().views[0]
    calibrated = ClassView(view.scores**4, view.raw, view.truth, view.masks, view.inside)
    image = EvaluatedImage(plain.names, [calibrated], plain.mask, plain.label, plain.prediction)
    ours, theirs = (compute_task_metrics(["cells"], evaluated, group="g").cells for evaluated in (image, plain))
    np.testing.assert_array_equal(ours, theirs)
    by_calibrated = partition.sweep(calibrated.scores, plain.label == 0, partition.GRID)
    assert (by_calibrated != ours[0, 1:]).any()


# Of layers --------------------------------------------------------------------------------------------------


def layered(*rows):
    label = np.zeros(SHAPE, np.uint8)
    for row in rows:
        label[row:] += 1
    return label


def layered_image(label, predicted, **more):
    maps = np.stack([predicted == number for number in range(3)]).astype(np.float32)
    return image_of(label, predicted, names=("upper", "below"), prediction=Prediction(maps, ordered=True), **more)


def test_boundaries_and_thickness_are_reported_in_pixels_and_micrometres():
    values = compute(["layers"], layered_image(layered(6, 14), layered(8, 15), pixel_um=(3.0, 10.0)))
    assert values["boundary_error"] == pytest.approx(1.5)
    assert (values["boundary_error 1"], values["boundary_error 2"]) == pytest.approx((2, 1))
    assert values["thickness_error"] == pytest.approx(1)
    assert values["boundary_error_um"] == pytest.approx(4.5)
    assert values["columns_left_out"] == 0


def test_rows_that_were_drawn_between_pixels_are_the_truth_as_they_are():
    width = SHAPE[1]
    rows = np.stack([np.full(width, 6.25), np.full(width, 14.5)])
    rows[0, 0] = np.nan
    label = np.where(np.isnan(rows).any(axis=0), 255, layered(6, 14)).astype(np.uint8)
    label[:, 1] = 255  # outside the region
    values = compute(["layers"], layered_image(label, layered(6, 14), rows=rows))
    assert (values["boundary_error 1"], values["boundary_error 2"]) == pytest.approx((0.25, 0.5))
    assert values["boundary_error"] == pytest.approx((0.25 * (width - 2) + 0.5 * (width - 1)) / (2 * width - 3))
    assert values["thickness_error"] == pytest.approx(0.25)
    assert values["columns_left_out"] == 1


def test_without_a_pixel_size_there_are_no_micrometres():
    values = compute(["layers"], layered_image(layered(6, 14), layered(6, 14)))
    assert values["boundary_error"] == 0
    assert not any(name.endswith("_um") for name in values)


def test_unannotated_columns_are_left_out_and_counted():
    label = layered(6, 14)
    label[:, :4] = IGNORED
    values = compute(["layers"], layered_image(label, layered(6, 14)))
    assert (values["boundary_error"], values["columns_left_out"]) == (0, 4)


# Together ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "changes", "names"),
    [
        ("folder", {}, ()),
        ("drive", {}, ("centre_line_dice",)),
        ("lung", {}, ("hd95", "assd")),
        ("cells", {}, ("cells",)),
        ("oct", {}, ("layers",)),
        ("disc", {}, ("hd95", "cup_to_disc", "found")),
        ("disc", {"num_classes": 1, "nested": False}, ("hd95", "found")),
        ("disc", {"num_classes": 2, "nested": False, "roi_fraction": None}, ("hd95",)),
    ],
)
def test_each_task_has_its_measures(task, changes, names):
    recipe = load_recipe(task).replace(**changes)
    assert set(task_metric_names(task, recipe)) == set(names)


def test_an_undefined_value_is_left_out_of_the_mean_and_counted():
    values = {TaskMetric("found"): np.array([1, np.nan, 0])}
    (scores,) = TaskMetrics(("a", "b", "c"), values, np.zeros((3, 0, 6))).compute_scores()
    assert (scores.metric, scores.part, scores.pooled) == ("found", "", None)
    assert (scores.per_image.value, scores.per_image.undefined) == (0.5, 1)


def test_a_metric_that_some_images_lack_is_undefined_for_them():
    metric = TaskMetric("boundary_error_um")
    with_size = TaskMetrics(("a",), {metric: np.array([2.0])}, np.zeros((1, 0, 6)))
    without = TaskMetrics(("b",), {}, np.zeros((1, 0, 6)))
    for parts, expected in (((with_size, without), [2, np.nan]), ((without, with_size), [np.nan, 2])):
        np.testing.assert_array_equal(TaskMetrics.concatenate(parts).values[metric], expected)


@pytest.mark.parametrize(("key", "highest"), [("hd95", np.inf), ("found", 1.0)])
def test_an_interval_ends_where_values_end(key, highest):
    values = np.array([0.0, *[1.0] * 7])
    (scores,) = TaskMetrics(tuple("abcdefgh"), {TaskMetric(key): values}, np.zeros((8, 0, 6))).compute_scores()
    assert (scores.per_image.high == 1) == (highest == 1)
