"""Run lengths are those of pycocotools and of Label Studio, and what does not fill its mask is refused."""

import numpy as np
import pytest
from brush_strokes import pack_brush
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools import mask as coco

from cenet.data.labels.run_lengths import decode_brush, decode_runs, encode_runs, pack_counts, unpack_counts

MASKS = arrays.arrays(np.bool_, arrays.array_shapes(min_dims=2, max_dims=2, max_side=20))


@settings(deadline=None)
@given(MASKS)
def test_run_lengths_are_those_of_pycocotools(mask):
    text = coco.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()
    assert pack_counts(encode_runs(mask)) == text
    assert (decode_runs(unpack_counts(text), *mask.shape) == mask).all()


@pytest.mark.parametrize("counts", [[], [3], [7], [2, -1, 5], [10**18, 10**18]])
def test_runs_that_do_not_fill_their_mask_are_refused(counts):
    with pytest.raises(ValueError, match="do not fill"):
        decode_runs(counts, 2, 3)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text):
    try:
        counts = unpack_counts(text)
    except ValueError:
        return
    assert all(isinstance(count, int) for count in counts)


@settings(deadline=None)
@given(MASKS)
def test_a_brush_stroke_is_read_as_it_was_painted(mask):
    assert (decode_brush(pack_brush(mask), *mask.shape) == mask).all()


@given(st.binary(max_size=60))
def test_any_brush_stroke_is_read_or_refused(content):
    with pytest.raises(ValueError, match="brush stroke"):
        decode_brush(content, 1000, 1000)


def test_a_brush_stroke_of_another_image_is_refused():
    with pytest.raises(ValueError, match="does not fill"):
        decode_brush(pack_brush(np.ones((4, 5), np.bool_)), 5, 5)


def test_text_that_ends_within_a_number_is_refused():
    with pytest.raises(ValueError, match="end within a number"):
        unpack_counts("0" + chr(48 + 0x20))


def test_a_brush_stroke_may_list_its_values():
    listed = [0, 255, 0, 7]  # the last of each pixel's four is its opacity
    bits = f"{4:032b}{7:05b}" + "0011" * 4  # values of 8 bits, counts of 4 bits
    bits += "0" + "00" + f"{3:04b}" + "".join(f"{value:08b}" for value in listed)
    bits += "0" * (-len(bits) % 8)
    stroke = bytes(int(bits[start : start + 8], 2) for start in range(0, len(bits), 8))
    assert decode_brush(stroke, 1, 1).tolist() == [[True]]
