"""The size of a pixel is not guessed: it needs a unit."""

import pytest

from cenet.errors import CenetError
from cenet.measurements import parse_pixel_size


@pytest.mark.parametrize(
    ("text", "sides"), [("7.5um", (7.5, 7.5)), ("0.7 mm", (700, 700)), ("3.87 x 11.5µm", (3.87, 11.5))]
)
def test_a_size_with_its_unit_is_read(text, sides):
    assert parse_pixel_size(text) == pytest.approx(sides)


@pytest.mark.parametrize("text", ["7.5", "", "mm", "0mm", "-1mm", "1.2.3mm", "1x2x3mm", "1inch"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(CenetError) as refusal:
        parse_pixel_size(text)
    assert text in refusal.value.subject
