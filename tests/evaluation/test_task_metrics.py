import numpy as np
import pytest

from cenet.config.presets import load_recipe
from cenet.data.labels.detect import IGNORED
from cenet.errors import CenetError
from cenet.evaluation.protocol import ClassView
from cenet.evaluation.task_metrics import (
    EvaluatedImage,
    TaskMetrics,
    compute_task_metrics,
    is_error,
    load,
    save,
    task_metric_names,
    title,
)
from cenet.inference.predictor import Prediction
from cenet.metrics import partition as segments
from cenet.metrics.shape import centre_line_dice
from cenet.metrics.surface_distance import assd, hd95

SHAPE = (24, 30)


def seen_of(truth, mask, *, scores=None, inside=None):
    scores = mask.astype(np.float32) if scores is None else scores
    return ClassView(scores, scores, truth, {"cut": mask}, np.ones(truth.shape, bool) if inside is None else inside)


def scene_of(label, mask, *, names=("disc",), box=None, inside=None, prediction=None, nested=True, **more):
    seen = [
        seen_of(label >= number if nested else label == number, mask >= number, inside=inside)
        for number in range(1, len(names) + 1)
    ]
    maps = np.zeros((len(names), *label.shape), np.float32)
    prediction = prediction or Prediction(maps, (0.5,) * len(names), box=box)
    return EvaluatedImage(names, seen, mask, label, prediction, **more)


def block(rows, columns, value=1):
    mask = np.zeros(SHAPE, np.uint8)
    mask[rows, columns] = value
    return mask


def figures(names, scene):
    (row,) = compute_task_metrics(names, scene, image="a", group="g").rows
    assert (row.pop("image"), row.pop("group")) == ("a", "g")
    return row


# Of masks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "metric"), [("hd95", hd95), ("assd", assd), ("centre_line_dice", centre_line_dice)])
def test_distances_are_those_of_the_masks_where_pixels_count(name, metric):
    label, mask = block(slice(4, 12), slice(5, 20)), block(slice(6, 13), slice(3, 18))
    inside = np.zeros(SHAPE, bool)
    inside[:, :15] = True
    assert figures([name], scene_of(label, mask)) == {name: metric(mask > 0, label > 0)}
    found = figures([name], scene_of(label, mask, inside=inside))
    assert found == {name: metric((mask > 0) & inside, (label > 0) & inside)}


def test_of_several_classes_each_has_its_figure():
    label = block(slice(2, 20), slice(2, 20))
    label[6:10, 6:10] = 2
    found = figures(["hd95"], scene_of(label, label, names=("disc", "cup")))
    assert found == {"hd95 disc": 0, "hd95 cup": 0}


# Of a disc --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "error"), [(8, 0.0), (4, 0.25), (0, 0.5)])
def test_the_cup_to_disc_error_is_the_difference_of_the_heights(height, error):
    label, mask = (block(slice(2, 18), slice(4, 20)) for _ in range(2))
    label[6:14, 8:16] = 2
    mask[6 : 6 + height, 8:16] = 2
    assert figures(["cup_to_disc"], scene_of(label, mask, names=("disc", "cup"))) == {"cup_to_disc_error": error}


def test_a_missed_disc_has_the_whole_ratio_for_an_error():
    label = block(slice(2, 18), slice(4, 20))
    label[6:14, 8:16] = 2
    found = figures(["cup_to_disc"], scene_of(label, np.zeros_like(label), names=("disc", "cup")))
    assert found == {"cup_to_disc_error": 0.5}


@pytest.mark.parametrize(
    ("box", "found"), [((0, 0, 24), 1.0), ((4, 5, 8), 1.0), ((5, 5, 8), 0.0), ((4, 5, 7), 0.0), (None, 0.0)]
)
def test_a_disc_is_found_if_all_of_it_is_in_the_box(box, found):
    label = block(slice(4, 12), slice(5, 13))
    assert figures(["found"], scene_of(label, label, box=box)) == {"found": found}


def test_where_there_is_no_disc_nothing_is_to_be_found():
    label = np.zeros(SHAPE, np.uint8)
    label[0] = IGNORED
    assert np.isnan(figures(["found"], scene_of(label, label))["found"])


# Of cells ---------------------------------------------------------------------------------------------------


def cells(seed=0):
    rng = np.random.default_rng(seed)
    label = np.ones(SHAPE, np.uint8)
    label[1:11, 1:14] = label[1:11, 15:29] = label[12:23, 1:29] = 0
    scores = np.clip(0.8 * label + rng.uniform(0, 0.4, SHAPE), 0, 1).astype(np.float32)
    mask = scores >= 0.5
    seen = seen_of(label == 1, mask, scores=scores)
    return EvaluatedImage(("membrane",), [seen], mask.astype(np.uint8), label, Prediction(scores[None], (0.5,)))


def test_cells_are_what_the_membrane_leaves():
    scene = cells()
    found = figures(["cells"], scene)
    statistics = segments.statistics(~scene.mask.astype(bool), scene.label == 0)
    for name in ("v_rand", "v_info", "v_rand_split", "v_info_merge"):
        assert found[name] == getattr(segments, name)(statistics)
    assert found["pixel_error"] == np.mean(scene.mask != scene.label)


def test_over_slices_parts_are_averaged_before_they_are_divided():
    slices = [compute_task_metrics(["cells"], cells(seed), image=f"s{seed}", group=f"g{seed}") for seed in range(3)]
    scores = TaskMetrics.of(slices).scores()
    statistics = np.mean([each.cells[0, 0] for each in slices], axis=0)
    assert scores["pooled"]["v_rand"]["value"] == pytest.approx(segments.v_rand(statistics))
    swept = np.mean([each.cells[0, 1:] for each in slices], axis=0)
    best = scores["pooled"]["v_rand_maximum"]
    assert best["value"] == pytest.approx(segments.v_rand(swept).max())
    assert best["value"] >= scores["pooled"]["v_rand"]["value"] - 1e-9
    at = segments.GRID.tolist().index(best["threshold"])
    assert segments.v_rand(swept)[at] == pytest.approx(best["value"])


# Of layers --------------------------------------------------------------------------------------------------


def layered(*rows):
    label = np.zeros(SHAPE, np.uint8)
    for row in rows:
        label[row:] += 1
    return label


def layers_scene(label, found, **more):
    maps = np.stack([found == number for number in range(3)]).astype(np.float32)
    return scene_of(label, found, names=("upper", "below"), prediction=Prediction(maps, ordered=True), **more)


def test_boundaries_and_thickness_are_told_in_pixels_and_micrometres():
    found = figures(["layers"], layers_scene(layered(6, 14), layered(8, 15), pixel_um=(3.0, 10.0)))
    assert found["boundary_error"] == pytest.approx(1.5)
    assert (found["boundary_error 1"], found["boundary_error 2"]) == pytest.approx((2, 1))
    assert found["thickness_error"] == pytest.approx(1)
    assert found["boundary_error_um"] == pytest.approx(4.5)
    assert found["columns_left_out"] == 0


def test_rows_that_were_drawn_between_pixels_are_the_truth_as_they_are():
    width = SHAPE[1]
    rows = np.stack([np.full(width, 6.25), np.full(width, 14.5)])
    rows[0, 0] = np.nan
    label = np.where(np.isnan(rows).any(axis=0), 255, layered(6, 14)).astype(np.uint8)
    label[:, 1] = 255  # outside the region
    found = figures(["layers"], layers_scene(label, layered(6, 14), rows=rows))
    assert (found["boundary_error 1"], found["boundary_error 2"]) == pytest.approx((0.25, 0.5))
    assert found["boundary_error"] == pytest.approx((0.25 * (width - 2) + 0.5 * (width - 1)) / (2 * width - 3))
    assert found["thickness_error"] == pytest.approx(0.25)
    assert found["columns_left_out"] == 1


def test_without_a_pixel_size_there_are_no_micrometres():
    found = figures(["layers"], layers_scene(layered(6, 14), layered(6, 14)))
    assert found["boundary_error"] == 0
    assert not any(name.endswith("_um") for name in found)


def test_columns_that_nobody_drew_are_left_out_and_counted():
    label = layered(6, 14)
    label[:, :4] = IGNORED
    found = figures(["layers"], layers_scene(label, layered(6, 14)))
    assert (found["boundary_error"], found["columns_left_out"]) == (0, 4)


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
    ],
)
def test_each_task_has_its_measures(task, changes, names):
    recipe = load_recipe(task).replace(**changes)
    assert set(task_metric_names(task, recipe)) == set(names)


def test_a_figure_that_some_images_lack_is_the_mean_of_the_others():
    rows = [{"image": name, "group": name, "found": value} for name, value in zip("abc", [1, np.nan, 0], strict=True)]
    means = TaskMetrics(rows, np.zeros((3, 0, 6))).scores()
    assert means["per_image"]["found"]["value"] == 0.5
    assert means["pooled"] == {}


def test_what_was_measured_is_read_back(tmp_path):
    measured = TaskMetrics.of(
        [compute_task_metrics(["cells"], cells(seed), image=f"s{seed}", group="g") for seed in range(2)]
    )
    save(tmp_path, measured)
    again = load(tmp_path, {"measures": {"images": measured.rows}})
    assert again.rows == measured.rows
    assert (again.cells == measured.cells).all()


def test_without_cells_no_file_is_written(tmp_path):
    scene = scene_of(block(slice(4, 12), slice(5, 13)), block(slice(4, 12), slice(5, 13)))
    measured = compute_task_metrics(["hd95"], scene, image="a", group="a")
    save(tmp_path, measured)
    assert list(tmp_path.iterdir()) == []
    assert load(tmp_path, {"measures": {"images": [{"image": "a", "group": "a", "hd95": None}]}}).cells.shape == (
        1,
        0,
        6,
    )
    assert load(tmp_path, {}).rows == []


def test_a_torn_file_of_cells_is_told(tmp_path):
    (tmp_path / "cells.npz").write_bytes(b"PK torn")
    with pytest.raises(CenetError, match=r"cells\.npz: is torn; run the evaluation again"):
        load(tmp_path, {})


@pytest.mark.parametrize(
    ("key", "shown", "lower"),
    [
        ("v_rand_maximum", "V_Rand at the best of all thresholds", False),
        ("boundary_error 3", "boundary error 3 [px]", True),
        ("thickness_error_um", "thickness error [µm]", True),
        ("found", "localiser's hit rate", False),
        ("pixel_error", "pixel error", True),
    ],
)
def test_a_measure_is_told_with_its_unit_and_direction(key, shown, lower):
    assert (title(key), is_error(key)) == (shown, lower)
