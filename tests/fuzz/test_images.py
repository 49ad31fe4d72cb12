"""Whatever bytes a file holds, reading it ends as an array or a `CenetError`, soon, and in little memory.

`make fuzz` tries 50,000 mutants more.
"""

import sys

import pytest
from fuzz_images import fuzz
from hostile_images import list_hostile_images
from image_seeds import draw_seeds

from cenet.data.io.read import page_count, read_image, read_rows
from cenet.errors import CenetError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits of time and memory need a POSIX system")


@pytest.mark.parametrize("name", draw_seeds())
def test_a_seed_is_sound(tmp_path, name):
    path = tmp_path / "seed"
    path.write_bytes(draw_seeds()[name])
    if name.startswith("NPY"):
        assert read_rows(path).shape == (3, 36)
    elif name in ("JPEG CMYK", "GIF animation"):  # kinds that are refused
        with pytest.raises(CenetError):
            read_image(path)
    else:
        assert read_image(path, page=0).size
        assert page_count(path) == (2 if name == "TIFF pages" else 1)


def test_a_mutated_image_ends_as_an_array_or_a_refusal():
    outcomes = fuzz("mutants", 0, 2000)
    assert {name: of_format.faults for name, of_format in outcomes.items() if of_format.faults} == {}
    assert sum(of_format.tried for of_format in outcomes.values()) == 2000
    assert sum(of_format.read for of_format in outcomes.values()) > 300


def test_a_small_file_that_decodes_to_gigabytes_or_for_minutes_is_refused():
    outcomes = fuzz("hostile", 0, len(list_hostile_images()))
    assert {name: of_file.faults for name, of_file in outcomes.items() if of_file.faults} == {}
    assert {name for name, of_file in outcomes.items() if of_file.refused} == set(list_hostile_images())
