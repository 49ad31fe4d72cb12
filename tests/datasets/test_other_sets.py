from pathlib import Path

import pytest

from cenet.datasets.other_sets import OTHER_SETS, UNTRIED
from cenet.datasets.registry import TASKS


@pytest.mark.parametrize("name", OTHER_SETS)
def test_every_layout_is_one_that_its_task_reads(name, tmp_path):
    other = OTHER_SETS[name]
    for line in other.layout.splitlines():
        path = tmp_path / Path(line).relative_to("DATA")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"height_um": 3.5, "width_um": 11.0}' if path.suffix == ".json" else "")
    (sample,) = TASKS[other.task].read(tmp_path)
    assert f"DATA/images/{sample.image.name}" in other.layout
    drawn = [line for line in other.layout.splitlines() if line.split("/")[1] in ("masks", "boundaries", "experts")]
    assert [f"DATA/{path.relative_to(tmp_path).as_posix()}" for path in sample.label] == drawn
    assert (sample.region is not None) == ("DATA/regions" in other.layout)
    assert (sample.pixel_um is not None) == ("pixels.json" in other.layout)


@pytest.mark.parametrize("other", OTHER_SETS.values(), ids=OTHER_SETS)
def test_every_set_is_shown_with_all_that_is_known_and_that_it_was_not_tried(other):
    shown = str(other)
    assert all(word and word in shown for word in (other.title, other.source, other.task, other.how, UNTRIED))
    assert shown.count("\n    DATA/") == len(other.layout.splitlines())
    assert max(map(len, shown.splitlines())) <= 240
