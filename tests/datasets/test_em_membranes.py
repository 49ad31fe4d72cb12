import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from cenet.datasets import em_membranes as cells
from cenet.datasets.em_membranes import BLOCK, LABELS, VOLUME, read_cells
from cenet.errors import CenetError


def stack(path, count):
    tifffile.imwrite(path, np.zeros((count, 4, 5), np.uint8), photometric="minisblack")
    return path


@pytest.fixture
def isbi(tmp_path):
    """Two stacks of 24 small slices."""
    for name in (VOLUME, LABELS):
        stack(tmp_path / name, 24)
    return tmp_path


def test_a_slice_is_a_sample_with_its_page_in_both_stacks(isbi):
    for sample in read_cells(isbi):
        assert sample.name == f"slice-{sample.page:02}"
        assert (sample.image, sample.label) == (isbi / VOLUME, (isbi / LABELS,))
        assert (sample.classes, sample.region, sample.hounsfield) == ((), None, False)


def test_24_slices_are_five_blocks_of_four_with_a_slice_left_out_between(isbi):
    blocks = {}
    for sample in read_cells(isbi):
        blocks.setdefault(sample.group, []).append(sample.page)
    assert list(blocks) == [f"block-{number}" for number in range(5)]
    assert list(blocks.values()) == [
        *([0, 1, 2, 3], [5, 6, 7, 8], [10, 11, 12, 13], [15, 16, 17, 18], [20, 21, 22, 23])
    ]


@given(count=st.integers(1, 400))
def test_no_slice_of_a_block_touches_another_block(count):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cells, "page_count", lambda _: count)
        patch.setattr(cells, "check_folder", lambda _: None)
        patch.setattr(cells.Path, "is_file", lambda _: True)
        patch.setattr(cells.Path, "exists", lambda _: True)
        samples = read_cells(cells.Path("isbi"))
    group_from_name = {sample.page: sample.group for sample in samples}
    assert len(group_from_name) == count - count // (BLOCK + 1)
    assert all(group_from_name.get(page + 1, group) == group for page, group in group_from_name.items())
    assert all(list(group_from_name.values()).count(group) <= BLOCK for group in group_from_name.values())


def test_an_expression_for_the_group_holds_and_leaves_no_slice_out(isbi):
    samples = read_cells(isbi, group_pattern="slice-(.)")
    assert [sample.group for sample in samples] == [str(page // 10) for page in range(24)]
    with pytest.raises(CenetError, match="slice-00: --group-pattern eye finds no group in its name"):
        read_cells(isbi, group_pattern="eye")


def test_plain_images_will_do(tmp_path):
    for name in ("images/b_1.png", "images/a_1.png", "masks/a_1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    samples = read_cells(tmp_path)
    assert [(sample.name, sample.group, len(sample.label)) for sample in samples] == [
        *(("a_1", "a_1", 1), ("b_1", "b_1", 0))
    ]
    assert [sample.group for sample in read_cells(tmp_path, group_pattern="^[ab]")] == ["a", "b"]
    assert {sample.page for sample in samples} == {None}


@pytest.mark.parametrize(("drawn", "there"), [(23, 24), (30, 24), (1, 24)])
def test_stacks_of_different_lengths_are_reported_with_both(isbi, drawn, there):
    stack(isbi / LABELS, drawn)
    with pytest.raises(CenetError, match=f"it holds {drawn} slices, but train-volume.tif holds {there}") as error:
        read_cells(isbi)
    assert error.value.subject == str(isbi / LABELS)


@pytest.mark.parametrize("gone", [VOLUME, LABELS])
def test_a_stack_that_is_gone_is_named(isbi, gone):
    (isbi / gone).unlink()
    (other,) = {VOLUME, LABELS} - {gone}
    with pytest.raises(CenetError, match=f"{gone} is missing; put it next to {other}, as ISBI 2012 is distributed$"):
        read_cells(isbi)


def test_half_a_stack_is_not_taken_for_plain_images(isbi):
    (isbi / "images").mkdir()
    (isbi / LABELS).unlink()
    with pytest.raises(CenetError, match=r"train-labels\.tif is missing"):
        read_cells(isbi)


@pytest.mark.parametrize("name", [VOLUME, LABELS])
def test_a_folder_of_that_name_is_no_stack(isbi, name):
    (isbi / name).unlink()
    (isbi / name).mkdir()
    with pytest.raises(CenetError, match=f"{name} is missing"):
        read_cells(isbi)


@pytest.mark.parametrize("content", [b"", b"II*\0", b"no image"])
def test_a_damaged_stack_is_reported(isbi, content):
    (isbi / LABELS).write_bytes(content)
    with pytest.raises(CenetError, match=r"train-labels\.tif: .+; "):
        read_cells(isbi)


def test_another_folder_is_refused_with_what_is_expected(tmp_path):
    with pytest.raises(CenetError, match=r"train-volume\.tif is missing; .* or put plain images into imag"):
        read_cells(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(CenetError, match="it contains no image"):
        read_cells(tmp_path)
    (tmp_path / "images" / "a.png").touch()
    with pytest.raises(CenetError, match="it has no folder masks"):
        read_cells(tmp_path)
    with pytest.raises(CenetError, match="there is no such folder"):
        read_cells(tmp_path / "nowhere")
    with pytest.raises(CenetError, match="this is a file"):
        read_cells(tmp_path / "images" / "a.png")


@pytest.mark.data
def test_isbi_2012_as_distributed_is_read(data_set):
    samples = read_cells(data_set("ISBI2012"))
    assert len(samples) == 20
    assert len({sample.group for sample in samples}) == 5
    drawn = tifffile.imread(samples[0].label[0], key=samples[-1].page)
    assert set(np.unique(drawn)) == {cells.MEMBRANE, cells.INSIDE}
    assert 0.1 < (drawn == cells.MEMBRANE).mean() < 0.4
