"""Sets of phantoms on disk: their tasks read them, and find the exact truth."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from cenet.data.labels.inspect import IGNORED
from cenet.data.loading import load_sample
from cenet.datasets.registry import TASKS
from cenet.datasets.resolve import resolve_label_encoding
from cenet.doctor.examine import examine
from cenet.errors import CenetError
from cenet.phantoms import (
    PHANTOMS,
    Phantom,
    draw_fundus,
    draw_nuclei,
    draw_oct,
    draw_patient,
    draw_stack,
    write_phantoms,
)
from cenet.phantoms.nuclei import STAINS

SHAPES = {"disc": (3, True), "oct": (12, False)}  # number of classes, nested
LAYOUTS = {"nuclei": "folder"}  # of the phantoms that are no task of their own
SIZE_PX = 64


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def own_seed(seed: int, index: int) -> int:
    return int(np.random.SeedSequence([seed, index]).generate_state(1, np.uint64)[0])


def of_rows(rows):
    """Class of each pixel by a plain loop: how many boundaries lie above its middle."""
    label = np.full((SIZE_PX, rows.shape[1]), IGNORED, np.uint8)
    for x in np.flatnonzero(~np.isnan(rows).any(0)):
        for y in range(SIZE_PX):
            label[y, x] = sum(y + 0.5 > row for row in rows[:, x])
    return label


def truth(task, seed, count):
    """Images and labels (and regions) of a set, drawn one by one."""
    seeds = [own_seed(seed, index) for index in range(count)]
    if task == "lung":
        return [drawn for own in seeds for drawn in draw_patient(own, slices=3, size_px=SIZE_PX)]
    if task == "cells":
        stacks = [draw_stack(own, slices=5, size_px=SIZE_PX) for own in seeds]
        pairs = [(image, label == 0) for volume, labels in stacks for image, label in zip(volume, labels, strict=True)]
        return [pair for page, pair in enumerate(pairs[:count]) if page % 5 != 4]  # the reader drops the fifth
    if task == "oct":
        scans = [draw_oct(own, height_px=SIZE_PX, width_px=SIZE_PX) for own in seeds]
        return [(image, of_rows(rows)) for image, rows in scans]
    if task == "nuclei":
        stains = [list(STAINS)[index % len(STAINS)] for index in range(count)]
        drawn = [draw_nuclei(own, stain=stain, size_px=SIZE_PX) for own, stain in zip(seeds, stains, strict=True)]
        return [(image, label > 0) for image, label in drawn]
    eyes = [draw_fundus(own, size_px=SIZE_PX) for own in seeds]
    if task == "disc":
        return [(eye.image, eye.disc) for eye in eyes]
    return [(eye.image, eye.label, eye.region) for eye in eyes]


@pytest.mark.parametrize("task", PHANTOMS)
def test_the_task_reads_the_exact_truth(tmp_path, task):
    count = 7 if task == "cells" else 4  # more than one stack, and every stain of the nuclei
    write_phantoms(tmp_path / "set", task=task, count=count, seed=5, size_px=SIZE_PX)
    samples = TASKS[LAYOUTS.get(task, task)].read(tmp_path / "set")
    num_classes, nested = SHAPES.get(task, (1, False))
    labels = resolve_label_encoding(
        LAYOUTS.get(task, task), samples, num_classes=num_classes, nested=nested, folder=tmp_path / "set"
    )
    expected = truth(task, 5, count)
    assert len(samples) == len(expected)
    for sample, (image, label, *region) in zip(samples, expected, strict=True):
        shown, mask, counts = load_sample(sample, labels)
        np.testing.assert_array_equal(shown, image.reshape(shown.shape))
        np.testing.assert_array_equal(mask, label)
        assert (sample.region is not None) == bool(region)
        if region:
            np.testing.assert_array_equal(counts, region[0])


def test_patients_are_groups_and_so_are_slices_that_show_the_same_cells(tmp_path):
    groups = {}
    for task in ("lung", "cells"):
        write_phantoms(tmp_path / task, task=task, count=7, seed=0, size_px=SIZE_PX)
        groups[task] = [sample.group for sample in TASKS[LAYOUTS.get(task, task)].read(tmp_path / task)]
    assert groups["lung"] == [f"patient-{k:03d}" for k in range(7) for _ in range(3)]
    assert groups["cells"] == ["block-0"] * 4 + ["block-1"] * 2


def test_a_set_of_vessels_is_a_plain_folder(tmp_path):
    write_phantoms(tmp_path / "new" / "set", task="vessels", count=2, seed=5, size_px=SIZE_PX)
    names = [f"{part}/fundus-00{k}.png" for part in ("images", "masks", "regions") for k in (0, 1)]
    assert list(files(tmp_path / "new" / "set")) == names
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["set"]  # nothing temporary is left
    for part, mode in (("images", "RGB"), ("masks", "L"), ("regions", "L")):
        with Image.open(tmp_path / "new" / "set" / part / "fundus-001.png") as picture:
            assert (picture.size, picture.mode) == ((SIZE_PX, SIZE_PX), mode)
            if mode == "L":
                assert set(np.unique(np.asarray(picture))) == {0, 255}


@pytest.mark.parametrize("task", PHANTOMS)
def test_where_no_count_is_given_there_is_enough_to_train_on(tmp_path, task):
    write_phantoms(tmp_path / "set", task=task, seed=0, size_px=SIZE_PX)
    samples = TASKS[LAYOUTS.get(task, task)].read(tmp_path / "set")
    assert len({sample.group for sample in samples}) == (5 if task == "cells" else 8)
    diagnosis = examine(tmp_path / "set", task=LAYOUTS.get(task, task))
    assert not [finding for finding in diagnosis.findings if "group" in finding.cause]


@pytest.mark.parametrize("task", [task for task in PHANTOMS if task != "cells"])
def test_a_longer_set_begins_with_the_shorter_one(tmp_path, task):
    write_phantoms(tmp_path / "short", task=task, count=2, seed=5, size_px=SIZE_PX)
    write_phantoms(tmp_path / "long", task=task, count=4, seed=5, size_px=SIZE_PX)
    short, long = files(tmp_path / "short"), files(tmp_path / "long")
    assert len(long) == 2 * len(short)
    assert len(set(long.values())) == len(long)
    assert short.items() <= long.items()


@pytest.mark.parametrize("count", [1, 4, 5, 6])
def test_a_longer_stack_begins_with_the_shorter_one(tmp_path, count):
    for name, slices in (("short", count), ("long", 11)):
        write_phantoms(tmp_path / name, task="cells", count=slices, seed=5, size_px=SIZE_PX)
    for name in ("train-volume.tif", "train-labels.tif"):
        short, long = (tifffile.imread(tmp_path / length / name) for length in ("short", "long"))
        assert len(long) == 11
        np.testing.assert_array_equal(long[:count], short.reshape(-1, SIZE_PX, SIZE_PX))


@pytest.mark.parametrize("task", PHANTOMS)
def test_another_seed_gives_another_set(tmp_path, task):
    for seed in (0, 1):
        write_phantoms(tmp_path / str(seed), task=task, count=2, seed=seed, size_px=SIZE_PX)
    assert not set(files(tmp_path / "0").values()) & set(files(tmp_path / "1").values())


def test_an_empty_folder_is_accepted(tmp_path):
    write_phantoms(tmp_path, task="vessels", count=1, seed=0, size_px=SIZE_PX)
    assert len(files(tmp_path)) == 3


@pytest.mark.parametrize("task", PHANTOMS)
def test_a_folder_in_use_is_refused_and_left_alone(tmp_path, task):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(CenetError, match=r"the folder is not empty; name a new folder$"):
        write_phantoms(tmp_path, task=task, count=1, seed=0, size_px=SIZE_PX)
    assert files(tmp_path) == {"mine.txt": b"keep"}


@pytest.mark.parametrize("below", ["", "deeper", "deeper/still"])
def test_a_file_in_the_way_is_refused(tmp_path, below):
    (tmp_path / "taken").write_text("keep")
    with pytest.raises(CenetError, match=r"taken: it is a file; name a new folder$"):
        write_phantoms(tmp_path / "taken" / below, task="vessels", count=1, seed=0, size_px=SIZE_PX)
    assert files(tmp_path) == {"taken": b"keep"}


@pytest.mark.parametrize("task", PHANTOMS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, "0 phantoms asked for; give a count of at least 1"),
        ({"count": -3}, "-3 phantoms asked for"),
        ({"seed": -1}, "seed -1 is negative"),
        ({"size_px": 63}, "a size of 63 px is too small"),
    ],
)
def test_a_set_with_bad_numbers_leaves_nothing(tmp_path, task, wrong, message):
    with pytest.raises(CenetError, match=f"^{tmp_path / 'new' / 'set'}: {message}"):
        write_phantoms(tmp_path / "new" / "set", **({"task": task, "count": 1, "seed": 0, "size_px": 64} | wrong))
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_task_is_refused(tmp_path):
    with pytest.raises(CenetError, match=r"^phantoms brain: there is no such task; choose from vessels, disc,"):
        write_phantoms(tmp_path / "set", task="brain", count=1, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_a_set_that_fails_half_way_leaves_nothing(tmp_path, monkeypatch):
    def broken(seed: int, *, size_px: int) -> Phantom:
        if list(tmp_path.rglob("*.png")):
            raise OSError("disk full")
        return draw_fundus(seed, size_px=size_px)

    monkeypatch.setattr("cenet.phantoms.sets.draw_fundus", broken)
    with pytest.raises(OSError, match="disk full"):
        write_phantoms(tmp_path / "set", task="disc", count=3, seed=0, size_px=SIZE_PX)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["current", "link", "private"])
def test_an_empty_folder_is_filled_and_stays_what_it_was(tmp_path, monkeypatch, kind):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty").chmod(0o2750)
    mode = (tmp_path / "empty").stat().st_mode
    (tmp_path / "link").symlink_to("empty")
    monkeypatch.chdir(tmp_path / "empty")
    folder = {"current": ".", "link": tmp_path / "link", "private": tmp_path / "empty"}[kind]
    write_phantoms(folder, task="nuclei", count=1, seed=0, size_px=SIZE_PX)
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == ["images", "masks"]
    assert (tmp_path / "empty").stat().st_mode == mode
