import json

import numpy as np
import pytest
import tifffile

from cenet.datasets.oct_layers import read_oct
from cenet.datasets.resolve import read_dataset, resolve_label_encoding
from cenet.errors import CenetError

SIZE = {"height_um": 3.87, "width_um": 11.5}


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def test_maps_are_paired_with_their_images(tmp_path):
    make(tmp_path, "images/h_10.png", "images/h_9.png", "labels/h_10.png", "labels/h_9.png")
    assert [(sample.name, sample.group, sample.label) for sample in read_oct(tmp_path)] == [
        (name, name, (tmp_path / "labels" / f"{name}.png",)) for name in ("h_9", "h_10")
    ]


def test_rows_of_boundaries_are_paired_with_their_images(tmp_path):
    make(tmp_path, "images/a.v1.tif", "images/b.png", "boundaries/a.v1.npy", "boundaries/.hidden")
    a, b = read_oct(tmp_path)
    assert (a.name, a.image.name, a.label) == ("a.v1", "a.v1.tif", (tmp_path / "boundaries" / "a.v1.npy",))
    assert b.label == ()


def test_files_may_lie_side_by_side(tmp_path):
    make(tmp_path, "e_10_image.png", "e_9_image.png", "e_10_boundaries.npy", "e_10_labels.png", "notes.txt")
    nine, ten = read_oct(tmp_path)
    assert (nine.name, nine.label) == ("e_9", ())
    assert (ten.name, ten.image, ten.label) == (
        *("e_10", tmp_path / "e_10_image.png"),
        (tmp_path / "e_10_boundaries.npy",),
    )


@pytest.mark.parametrize(
    "names",
    [
        ["images/eye1_2.png", "labels/eye1_2.png"],
        ["images/eye1_2.png", "boundaries/eye1_2.npy"],
        ["eye1_2_image.png", "eye1_2_boundaries.npy"],
    ],
)
def test_every_layout_has_the_size_of_a_pixel_and_groups(tmp_path, names):
    make(tmp_path, *names)
    (sample,) = read_oct(tmp_path)
    assert (sample.name, sample.group, sample.pixel_um) == ("eye1_2", "eye1_2", None)
    (tmp_path / "pixels.json").write_text(json.dumps(SIZE))
    (sample,) = read_oct(tmp_path, group_pattern="^[^_]+")
    assert (sample.group, sample.pixel_um) == ("eye1", (3.87, 11.5))
    with pytest.raises(CenetError, match="--group-pattern scan finds no group"):
        read_oct(tmp_path, group_pattern="scan")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "EOF"),
        ("[3.87, 11.5]", "object"),
        ({}, "height_um: Field required"),
        ({"height_um": 3.87}, "width_um: Field required"),
        (SIZE | {"depth_um": 1}, "depth_um: Extra inputs"),
        (SIZE | {"height_um": 0}, "height_um: .* greater than 0"),
        (SIZE | {"height_um": -1}, "height_um: .* greater than 0"),
        (SIZE | {"width_um": "11.5"}, "width_um: .* valid number"),
        (SIZE | {"width_um": None}, "width_um: .* valid number"),
        ('{"height_um": Infinity, "width_um": 11.5}', "height_um: .* finite number"),
        ('{"height_um": NaN, "width_um": 11.5}', "height_um: "),
    ],
)
def test_pixel_sizes_that_are_none_are_reported(tmp_path, content, message):
    make(tmp_path, "images/a.png", "labels/a.png")
    (tmp_path / "pixels.json").write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(CenetError, match=rf"pixels\.json: .*{message}.*; fix the file"):
        read_oct(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            [],
            r"it has no folder images; put B-scans into images/, or each as NAME_image\.png next to its NAME_b",
        ),
        (["a_boundaries.npy"], "it has no folder images; "),
        (["a.png", "a.npy"], "it has no folder images; "),
        (["images/.hidden", "labels/a.png"], "images: it contains no image; "),
        (["images/a.png"], "it has no folder labels or boundaries; put maps of the layers into labels/, or"),
        (["images/a.png", "boundaries"], "it has no folder labels or boundaries; "),
        (["images/a.png", "labels/b.png"], r"labels: there is no file for a\.png; "),
        (["images/a.png", "labels/a.png", "labels/b.png"], r"labels: there is no image for b\.png; "),
        (["images/a.png", "boundaries/b.npy"], r"boundaries: there are no boundaries for a\.png; give each"),
        (["images/a.png", "boundaries/.hidden"], r"boundaries: there are no boundaries for a\.png; "),
        (["images/a.png", "boundaries/a.npy", "boundaries/b.npy"], r"boundaries: there is no image for b\.npy; "),
        (["images/a.png", "boundaries/a.csv"], r"a\.csv: this is not a file of boundary rows \(\.npy\); "),
        (["images/a.png", "boundaries/a.npy/b"], r"a\.npy: this is not a file of boundary rows"),
        (["images/a.png", "boundaries/a.npy", "labels/a.png"], "it holds both boundaries and maps of layers; "),
        (["a_image.png"], r"there are no boundaries for a_image\.png; "),
        (["a_image.png", "a_image.tif", "a_boundaries.npy"], r"has the same name; "),
        (["a_image.png", "a_boundaries.npy", "b_boundaries.npy"], r"there is no image for b_boundaries\.npy; "),
    ],
)
def test_another_layout_is_reported(tmp_path, names, message):
    with pytest.raises(CenetError, match=message):
        read_oct(make(tmp_path, *names))


def test_a_folder_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(CenetError, match="there is no such folder"):
        read_oct(tmp_path / "nowhere")


@pytest.mark.data
def test_maps_of_eight_layers_are_read(data_set):
    samples = read_oct(data_set("oct-layers/eight-layers"))
    assert len(samples) == 18
    assert {sample.label[0].parent.name for sample in samples} == {"labels"}


@pytest.mark.data
def test_boundaries_side_by_side_are_read(data_set):
    samples = read_oct(data_set("oct-layers/boundaries"))
    assert len(samples) == 4
    assert sorted(np.load(sample.label[0]).shape[0] for sample in samples) == [2, 3, 7, 9]


@pytest.mark.parametrize("is_turned", [False, True])
def test_every_slice_of_a_stack_of_maps_decides_the_order(tmp_path, is_turned):
    layers = np.repeat(np.arange(4, dtype=np.uint8), 4)[:, None].repeat(16, axis=1)
    blank = np.zeros_like(layers)
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
        for number in range(3):
            second = layers[::-1] if is_turned and number == 0 else layers
            path = tmp_path / folder / f"{number}.tif"
            tifffile.imwrite(path, np.stack([layers, second, blank]), photometric="minisblack")
    samples = read_dataset("oct", tmp_path).samples
    if is_turned:
        with pytest.raises(CenetError, match="slice 1"):
            resolve_label_encoding("oct", samples, num_classes=4)
    else:
        assert resolve_label_encoding("oct", samples, num_classes=4).kind == "layers"
