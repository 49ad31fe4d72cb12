import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy import ndimage

from cenet.data.labels.colours import encode_colours
from cenet.data.labels.inspect import (
    EDGE_PX,
    MAX_COLOURS,
    format_values,
    inspect_label_file,
    is_antialiased,
    snap_to_levels,
    white_value,
)
from cenet.data.labels.schema import int_to_colour
from cenet.errors import CenetError


def save(path, array):
    Image.fromarray(np.array(array, np.uint8)).save(path)
    return path


def test_a_file_is_described_by_its_distinct_values(tmp_path):
    inspected = inspect_label_file(save(tmp_path / "a.png", [[7, 0, 7, 255]]))
    assert (inspected.values, inspected.coloured, inspected.smoothed) == ((0, 7, 255), False, True)


def test_a_coloured_file_is_described_by_its_colours(tmp_path):
    inspected = inspect_label_file(save(tmp_path / "a.png", [[[255, 0, 0], [0, 0, 1], [255, 0, 0]]]))
    assert (inspected.values, inspected.coloured, inspected.smoothed) == ((1, 0xFF0000), True, False)


@pytest.mark.parametrize("count", [MAX_COLOURS, MAX_COLOURS + 1])
def test_a_label_has_not_more_colours_than_the_limit(tmp_path, count):
    path = save(tmp_path / "a.png", [[[number, 0, 9] for number in range(count)]])
    if count > MAX_COLOURS:
        with pytest.raises(CenetError, match=rf"a\.png: the label has {count} colours, .*; save it as PNG"):
            inspect_label_file(path)
    else:
        assert len(inspect_label_file(path).values) == count


@given(hnp.arrays(np.uint8, (2, 3, 3)))
def test_the_number_of_a_colour_is_its_hexadecimal_name(colours):
    names = [[int_to_colour(code) for code in row] for row in encode_colours(colours)]
    assert names == [["#" + bytes(colour).hex() for colour in row] for row in colours.tolist()]


@given(hnp.arrays(np.uint8, (2, 3)))
def test_a_grey_is_the_colour_of_three_equal_channels(greys):
    np.testing.assert_array_equal(encode_colours(greys), encode_colours(np.repeat(greys[..., None], 3, axis=2)))


@pytest.mark.parametrize(
    ("values", "full"), [([0, 1], 1), ([0.5], 1), ([0, 2], 255), ([255], 255), ([256], 65535), ([70000], 70000)]
)
def test_white_is_the_least_usual_maximum_that_none_exceeds(values, full):
    assert white_value(values) == full


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 14), st.integers(1, 14)), elements=st.sampled_from([0, 90, 160, 255]))
)
def test_pixels_near_an_edge_are_those_with_black_and_white_around_them(raw):
    raw[0, 0] = 255
    mask, near = raw > 127, np.zeros(raw.shape, bool)
    for y, x in np.ndindex(raw.shape):
        around = mask[max(y - EDGE_PX, 0) : y + EDGE_PX + 1, max(x - EDGE_PX, 0) : x + EDGE_PX + 1]
        near[y, x] = around.any() and not around.all()
    between = (raw >= 25.5) & (raw <= 229.5)
    stray = (between & ~near).sum()
    thin = between.sum() <= raw.size / 2
    assert is_antialiased(raw) == (
        not between.any() or (thin and stray <= between.sum() / 5 and stray <= raw.size / 500)
    )


@pytest.mark.parametrize(("blur_px", "smooth"), [(0.5, True), (1, True), (6, False)])
def test_a_wide_blur_is_no_edge(blur_px, smooth):
    mask = np.zeros((60, 60))
    mask[20:40, 20:40] = 255
    assert is_antialiased(ndimage.gaussian_filter(mask, blur_px)) == smooth


def test_long_lists_are_cut_after_eight():
    assert format_values(range(8)) == "0, 1, 2, 3, 4, 5, 6, 7"
    assert format_values(range(9)) == "0, 1, 2, 3, 4, 5, 6, 7, ..."
    assert format_values([0.5, 1e6], word=" or ") == "0.5 or 1e+06"


@given(
    steps=st.lists(st.tuples(st.sampled_from([0, 78, 255]), st.integers(1, 9)), min_size=1, max_size=6),
    strays=st.dictionaries(st.integers(0, 20), st.integers(0, 255), max_size=3),
)
def test_a_value_between_levels_is_explained_by_another_level_close_by(steps, strays):
    row = [level for level, count in steps for _ in range(count)]
    row += [row[-1]] * 40
    for place, value in strays.items():
        row[place] = value
    levels = [min((0, 78, 255), key=lambda level: abs(level - value)) for value in row]  # 39 is a 0
    off = [abs(value - level) > 2 for value, level in zip(row, levels, strict=True)]
    close = [set(levels[max(x - EDGE_PX, 0) : x + EDGE_PX + 1]) != {levels[x]} for x in range(len(row))]
    few = sum(off) <= len(row) / 10
    expected = [odd and not (few and near) for odd, near in zip(off, close, strict=True)]
    nearest, unexplained = snap_to_levels(np.array([row]), (255, 0, 78), near=2)
    assert (nearest.tolist(), unexplained.tolist()) == ([levels], [expected])
