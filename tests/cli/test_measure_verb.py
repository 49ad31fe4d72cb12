"""`cenet measure` writes a table, and says what it left out."""

import csv
import os
import sys

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def mask(tmp_path):
    values = np.zeros((40, 60), np.uint8)
    values[10:12, 5:45] = 255
    Image.fromarray(values).save(tmp_path / "eye_mask.png")
    return tmp_path / "eye_mask.png"


def test_vessels_without_their_image_have_no_density_and_that_is_said(cenet, mask, tmp_path, capsys):
    table = tmp_path / "vessels.csv"
    assert cenet("measure", mask, "--task", "vessels", "--output", table) == 0
    assert "densities are left out" in capsys.readouterr().err
    (row,) = csv.DictReader(table.read_text().splitlines())
    assert (row["area_px"], row["density_ratio"]) == ("80", "")


def test_a_table_is_a_csv_file(cenet, mask, tmp_path, capsys):
    assert cenet("measure", mask, "--output", tmp_path / "table.xlsx") == 1
    assert capsys.readouterr().err.startswith(f"cenet: {tmp_path / 'table.xlsx'}: ")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are not UTF-8")
def test_a_name_that_is_not_utf_8_is_a_row(cenet, mask, tmp_path):
    mask.rename(tmp_path / os.fsdecode(b"bad\xff.png"))
    assert cenet("measure", tmp_path, "--output", tmp_path / "t.csv") == 0
    (row,) = csv.DictReader((tmp_path / "t.csv").read_text().splitlines())
    assert (row["mask"], row["area_px"]) == ("bad\\udcff.png", "80")
