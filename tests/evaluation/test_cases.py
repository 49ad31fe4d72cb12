"""Images that an evaluation keeps: which ones, and that they come back as they were."""

from dataclasses import replace
from math import nan

import numpy as np
import pytest
from drawn_reports import write_evaluation

from cenet.data.io.outputs import OutputFolder
from cenet.errors import CenetError
from cenet.evaluation.cases import Case, collect_cases, load_case, nearest_kept, rank_images, save_case, spread_evenly


def draw_case(seed=0, channels=3, dtype=np.uint8):
    rng = np.random.default_rng(seed)
    return Case(
        image=rng.integers(0, 255, (7, 9, channels)).astype(dtype),
        label=rng.integers(0, 2, (7, 9)).astype(np.uint8),
        inside=rng.random((7, 9)) < 0.5,
        mask=rng.integers(0, 2, (7, 9)).astype(np.uint8),
        probabilities=rng.integers(0, 255, (2, 7, 9)).astype(np.uint8),
    )


@pytest.mark.parametrize(("channels", "dtype"), [(3, np.uint8), (1, np.uint16), (2, np.float32)])
def test_a_case_comes_back_as_it_was_saved(tmp_path, channels, dtype):
    case = draw_case(channels=channels, dtype=dtype)
    save_case(tmp_path / "cases" / "eye.npz", case)
    again = load_case(tmp_path, "eye")
    np.testing.assert_equal(vars(again), vars(case))
    assert again.image.dtype == dtype


def test_an_image_that_was_not_kept_has_no_case(tmp_path):
    assert load_case(tmp_path, "eye") is None


def test_a_corrupted_case_is_refused(tmp_path):
    path = tmp_path / "cases" / "eye.npz"
    save_case(path, draw_case())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CenetError) as refusal:
        load_case(tmp_path, "eye")
    assert refusal.value.subject == str(path)


@pytest.mark.parametrize(
    ("total", "count", "chosen"),
    [(5, 0, []), (5, -1, []), (0, 3, []), (5, 1, [0]), (5, 2, [0, 4]), (5, 3, [0, 2, 4]), (5, 9, [0, 1, 2, 3, 4])],
)
def test_a_spread_goes_evenly_from_the_first_to_the_last(total, count, chosen):
    assert spread_evenly(range(total), count) == chosen


@pytest.mark.parametrize(("kept", "chosen"), [([], []), ([3], [3]), ([0, 4, 9], [0, 4, 9]), ([0, 1], [0, 1])])
def test_of_those_that_were_kept_the_nearest_stand_for_an_even_spread(kept, chosen):
    assert nearest_kept(kept, 10, 3) == chosen


def test_the_worst_and_an_even_spread_are_kept_and_older_ones_go(tmp_path):
    folder = tmp_path / "scores"
    with OutputFolder(folder, verb="evaluate").open("cases/older.npz") as file:
        file.write(b"an earlier case")
    report = write_evaluation(folder, images=12, size_px=64).report
    ranked = [report.data.images[index].name for index in rank_images(report)]
    kept = {path.stem for path in (folder / "cases").iterdir()}
    assert kept == {*ranked[:3], *spread_evenly(ranked, 6)}


def test_an_image_in_which_no_pixel_counts_is_neither_the_worst_nor_the_best(tmp_path):
    report = write_evaluation(tmp_path / "scores", images=4, size_px=64).report
    (of_class,) = report.classes
    images = list(of_class.images)
    scores = images[2].thresholds
    empty = tuple(of_mask.model_copy(update={"scores": dict.fromkeys(of_mask.scores, nan)}) for of_mask in scores)
    images[2] = images[2].model_copy(update={"thresholds": empty})
    changed = report.model_copy(update={"classes": (of_class.model_copy(update={"images": tuple(images)}),)})
    assert rank_images(changed) == [index for index in rank_images(report) if index != 2]


def test_cases_of_several_evaluations_are_gathered_by_their_rank_among_all(tmp_path):
    report = write_evaluation(tmp_path / "scores", images=9, size_px=64).report
    ranked = [report.data.images[index].name for index in rank_images(report)]
    folders = [tmp_path / "a", tmp_path / "b"]
    for number, name in enumerate(ranked[:8]):  # the best was not kept
        save_case(folders[number % 2] / "cases" / f"{name}.npz", draw_case(number))
    collect_cases(report, folders, OutputFolder(tmp_path / "all", verb="evaluate"))
    kept = [rank for rank, name in enumerate(ranked) if load_case(tmp_path / "all", name)]
    assert kept[0] == 0
    assert kept[-1] == 7
    assert len(kept) == 6


EMPTY = np.zeros((0, 9), np.uint8)


@pytest.mark.parametrize(
    "changes",
    [
        {"mask": np.full((7, 9), 3, np.uint8)},
        {"label": np.full((7, 9), 3, np.uint8)},
        {"mask": np.zeros((6, 9), np.uint8)},
        {"image": np.zeros((7, 9, 3))},
        {"image": EMPTY[..., None], "label": EMPTY, "inside": EMPTY > 0, "mask": EMPTY, "probabilities": EMPTY[None]},
    ],
    ids=["class 3 of 2", "label 3 of 2", "another size", "doubles", "no pixels"],
)
def test_a_case_that_no_evaluation_writes_is_refused(tmp_path, changes):
    save_case(tmp_path / "cases" / "eye.npz", replace(draw_case(), **changes))
    with pytest.raises(CenetError) as refusal:
        load_case(tmp_path, "eye")
    assert refusal.value.subject == str(tmp_path / "cases" / "eye.npz")
