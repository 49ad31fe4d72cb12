"""Tables that list the files: what is no table, and rows that cannot be used."""

import json

import pytest

from cenet.datasets.layouts.detect import read_recognised
from cenet.datasets.registry import TASKS
from cenet.errors import CenetError


@pytest.fixture
def read(tmp_path):
    """Reads a table of two images beside their masks."""

    def read_table(content, name="list.csv", task="table"):
        for folder in ("x", "y"):
            (tmp_path / folder).mkdir(exist_ok=True)
            for image in ("a.png", "b.png"):
                (tmp_path / folder / image).touch()
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return TASKS[task].read(tmp_path)

    return read_table


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_a_table_of_any_separator_is_read(read, separator, start):
    rows = [("Image", "Mask"), ("x/a.png", "y/a.png"), ("x/b.png", "")]
    samples = read(start + "\n".join(separator.join(row) for row in rows).encode())
    assert [(sample.name, len(sample.label)) for sample in samples] == [("a", 1), ("b", 0)]


def test_accents_may_be_spelt_in_two_ways(read, tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "mu\u0308ller.png").touch()
    (sample,) = read("image,mask\nx/m\u00fcller.png,y/a.png\n")
    assert (sample.name, sample.image.is_file()) == ("m\u00fcller", True)


BAD = {
    "no image": ("image,mask\nx/a.png,y/a.png\n,y/b.png\n", "row 2 names no image"),
    "a part": ("image,mask,split\nx/a.png,y/a.png,third\n", "row 1 has the part third"),
    "none exists": ("image,mask\nx/c.png,y/c.png\n", "none of its images exists, such as x/c.png"),
    "one column": ("image\nx/a.png\n", "no table with a column"),
    "a heading alone": ("image,mask\n", "no table with a column"),
    "an encoding": ("image,mask\nx/é.png,y/a.png\n".encode("latin-1"), "no table with a column"),
    "a cell of a megabyte": (f"image,mask\nx/a.png,{'y' * 2**20}\n", "no table with a column"),
}


@pytest.mark.parametrize(("content", "cause"), BAD.values(), ids=BAD)
def test_a_table_that_cannot_be_used_is_refused(read, content, cause):
    with pytest.raises(CenetError) as caught:
        read(content)
    assert cause in caught.value.cause


@pytest.mark.parametrize("row", ["[1]", "{", '{"file_name": 7, "mask_file_name": 7}', '{"a": ' * 10**5])
def test_a_row_of_json_that_names_no_files_is_no_table(read, row):
    with pytest.raises(CenetError, match="no table with a column"):
        read(row, name="metadata.jsonl")


def test_a_damaged_row_further_down_is_refused(read):
    good = json.dumps({"file_name": "x/a.png", "mask_file_name": "y/a.png"})
    with pytest.raises(CenetError, match="it is no table") as caught:
        read(f"{good}\n\n{{\n", name="metadata.jsonl")
    assert caught.value.subject.endswith("metadata.jsonl")


def test_two_tables_in_one_folder_are_not_chosen_from(read, tmp_path):
    (tmp_path / "other.csv").write_text("image,mask\nx/b.png,y/b.png\n")
    with pytest.raises(CenetError, match="several tables"):
        read("image,mask\nx/a.png,y/a.png\n")


def test_a_table_in_a_folder_that_is_no_part_is_not_read(read, tmp_path):
    read("image,mask\nx/a.png,y/a.png\n")
    (tmp_path / "x" / "more.csv").write_text("image,mask\nb.png,b.png\n")
    assert [sample.name for sample in read_recognised(tmp_path).samples] == ["a"]
