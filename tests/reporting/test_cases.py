import numpy as np
import pytest
from drawn_reports import write_evaluation

from cenet.data.io.read import read_image
from cenet.reporting.cases import draw_layer, load_cases, write_overlays


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_evaluation(tmp_path_factory.mktemp("cases") / "scores", images=5, size_px=64).report


@pytest.mark.parametrize(
    ("count", "titles"),
    [(0, []), (1, ["Worst"]), (2, ["Worst", "Best"]), (3, ["Worst", "Median", "Best"])],
)
def test_cases_go_evenly_from_the_worst_to_the_best(report, count, titles):
    cases = load_cases(report, count=count)
    assert [case.title for case in cases] == titles
    dice = [case.dice["vessel"] for case in cases]
    assert dice == sorted(dice)


def test_overlays_are_drawn_of_the_worst_and_older_ones_go(report):
    (report.folder / "stale_overlay.png").touch()
    write_overlays(report, count=2)
    overlays = sorted(report.folder.glob("*_overlay.png"))
    assert len(overlays) == 2
    assert read_image(overlays[0]).shape == (64, 64, 3)


def test_a_layer_is_transparent_where_nothing_is_drawn():
    layer = draw_layer(np.eye(2, dtype=np.uint8))
    assert (layer[..., 3] > 0).tolist() == [[True, False], [False, True]]
