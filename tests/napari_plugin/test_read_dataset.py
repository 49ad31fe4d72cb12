"""Folders of images and masks as layers of napari."""

import numpy as np
import pytest
import tifffile

from cenet.errors import CenetError
from cenet.napari_plugin import get_reader, read_dataset
from cenet.phantoms import write_phantoms


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("napari") / "eyes"
    write_phantoms(folder, task="vessels", count=2, seed=0, size_px=64)
    return folder


def test_a_folder_becomes_an_image_and_a_mask_for_each_photograph(folder):
    read = get_reader(str(folder))
    layers = read(str(folder))
    assert [kind for _, _, kind in layers] == ["image", "labels"] * 2
    assert [properties["visible"] for _, properties, _ in layers] == [True, True, False, False]
    (image, properties, _), (mask, _, _) = layers[:2]
    assert image.shape == (64, 64, 3)
    assert properties["rgb"]
    assert mask.shape == (64, 64)
    assert set(np.unique(mask)) == {0, 1}


def test_images_without_masks_are_opened_too(folder, tmp_path):
    (tmp_path / "images").mkdir()
    for path in (folder / "images").iterdir():
        (tmp_path / "images" / path.name).write_bytes(path.read_bytes())
    assert [kind for _, _, kind in read_dataset(str(tmp_path))] == ["image"] * 2


@pytest.mark.parametrize("channels", [2, 4])
def test_other_channels_than_those_of_colours_are_the_planes_of_a_stack(tmp_path, channels):
    (tmp_path / "images").mkdir()
    values = np.random.default_rng(0).integers(0, 256, (40, 50, channels), np.uint8)
    tifffile.imwrite(tmp_path / "images" / "cell.tif", values, photometric="minisblack", planarconfig="contig")
    ((pixels, properties, _),) = read_dataset(str(tmp_path))
    assert not properties["rgb"]
    assert np.array_equal(pixels, np.moveaxis(values, -1, 0))


def test_other_paths_are_left_to_other_readers(folder, tmp_path):
    image = next((folder / "images").iterdir())
    assert get_reader(str(image)) is get_reader([str(folder)]) is get_reader(str(tmp_path)) is None


def test_a_folder_of_very_many_images_is_refused(folder, tmp_path):
    (tmp_path / "images").mkdir()
    image = next((folder / "images").iterdir())
    for number in range(101):
        (tmp_path / "images" / f"{number}{image.suffix}").hardlink_to(image)
    with pytest.raises(CenetError):
        read_dataset(str(tmp_path))
