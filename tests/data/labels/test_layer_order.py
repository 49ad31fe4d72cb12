import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cenet.data.io.read import read_label
from cenet.data.labels.detect import IGNORED
from cenet.data.labels.layer_order import detect_layer_encoding
from cenet.data.loading import load_sample
from cenet.data.sample import Sample
from cenet.datasets.oct_layers import read_oct
from cenet.errors import CenetError


def drawn(folder, *maps, name="map"):
    """A sample for each map, which is its own image."""
    samples = []
    for index, pixels in enumerate(maps):
        path = folder / f"{name}-{index}.png"
        Image.fromarray(np.asarray(pixels, np.uint8)).save(path)
        samples.append(Sample(path.stem, path, (path,)))
    return samples


def rows(folder, *arrays):
    samples = []
    for index, array in enumerate(arrays):
        image, label = folder / f"{index}.png", folder / f"{index}.npy"
        Image.new("L", (np.shape(array)[1], 9)).save(image)
        np.save(label, np.asarray(array, np.float32))
        samples.append(Sample(image.stem, image, (label,)))
    return samples


def columns(*values):
    return np.array(values, np.uint8).T


@given(values=st.lists(st.integers(1, 254), min_size=1, max_size=9, unique=True), both=st.booleans())
def test_any_number_of_layers_is_found_from_top_to_bottom_whatever_their_values(tmp_path_factory, values, both):
    outside = (0, 0) if both else (0, 255)
    column = [outside[0], *np.repeat(values, 2), outside[1]]
    (sample,) = drawn(tmp_path_factory.getbasetemp(), columns(column, column))
    labels = detect_layer_encoding([sample])
    assert labels.kind == "layers"
    assert labels.values == tuple((float(value),) for value in (outside[0], *values, outside[1]))
    assert labels.names == (*(f"layer {n + 1}" for n in range(len(values))), "below")
    assert labels.read(sample)[:, 0].tolist() == [0, *np.repeat(range(1, len(values) + 1), 2), len(values) + 1]


def test_a_layer_that_is_found_only_where_the_retina_lies_low_keeps_its_place(tmp_path):
    maps = columns([0, 3, 2, 0, 0, 0, 0, 0], [0, 0, 0, 0, 4, 3, 2, 0], [0, 3, 2, 0, 0, 0, 0, 0])
    assert detect_layer_encoding(drawn(tmp_path, maps)).values == ((0,), (4,), (3,), (2,), (0,))


def test_stray_pixels_do_not_change_the_order(tmp_path):
    clean = [0, 2, 2, 1, 1, 0]
    maps = columns(*[clean] * 9, [0, 1, 1, 2, 2, 0])
    assert detect_layer_encoding(drawn(tmp_path, maps)).values == ((0,), (2,), (1,), (0,))


def test_the_order_is_found_over_all_files(tmp_path):
    one, other = columns([0, 5, 3, 0]), columns([0, 3, 1, 0], [0, 5, 1, 0])
    labels = detect_layer_encoding(drawn(tmp_path, one, other))
    assert labels.values == ((0,), (5,), (3,), (1,), (0,))


def test_a_map_in_another_order_is_reported(tmp_path):
    up, down = columns([0, 1, 2, 0], [0, 1, 2, 0]), columns([0, 2, 1, 0])
    with pytest.raises(CenetError, match=r"map-2\.png: the value 2 lies above 1, but below it in the other maps; "):
        detect_layer_encoding(drawn(tmp_path, up, up, down))


@pytest.mark.parametrize(
    "maps",
    [
        columns([0, 1, 2, 0], [0, 2, 1, 0]),  # as often so as so
        columns([0, 1, 1, 0], [0, 2, 2, 0]),  # never together
    ],
)
def test_an_unclear_order_is_asked_for(tmp_path, maps):
    with pytest.raises(CenetError, match=r"map-0\.png: .*unclear whether 1 or 2 is the upper layer; "):
        detect_layer_encoding(drawn(tmp_path, maps))


def test_unannotated_columns_are_named_by_the_option(tmp_path):
    samples = drawn(tmp_path, columns([0, 1, 2, 0], [255, 255, 255, 255]))
    with pytest.raises(CenetError, match=r"unclear whether .* pass --ignore-value with the value"):
        detect_layer_encoding(samples)
    labels = detect_layer_encoding(samples, ignore_value=255)
    assert labels.ignore == (255,)
    assert labels.read(samples[0]).T.tolist() == [[0, 1, 2, 3], [IGNORED] * 4]


@pytest.mark.parametrize("pixels", [[[0, 0], [0, 0]], [[7, 7], [7, 7]], [[0], [0]]])
def test_maps_without_layers_are_reported(tmp_path, pixels):
    with pytest.raises(CenetError, match=r"map-0\.png: this map and all others hold only [07]; save a value"):
        detect_layer_encoding(drawn(tmp_path, pixels))


def test_two_values_are_one_boundary(tmp_path):
    labels = detect_layer_encoding(drawn(tmp_path, columns([0, 0, 9], [0, 9, 9])))
    assert (labels.names, labels.values) == (("below",), ((0,), (9,)))


def test_a_photograph_is_no_map(tmp_path):
    with pytest.raises(CenetError, match=r"map-0\.png: it holds 64 values, "):
        detect_layer_encoding(drawn(tmp_path, np.arange(64).reshape(8, 8)))
    with pytest.raises(CenetError, match=r"colour-0\.png: the map of layers is coloured; save a grey value"):
        detect_layer_encoding(drawn(tmp_path, [[[255, 0, 0]], [[0, 0, 255]]], name="colour"))


def test_rows_are_counted(tmp_path):
    samples = rows(tmp_path, [[1, 2], [3, np.nan], [5, 6]])
    labels = detect_layer_encoding(samples)
    assert (labels.kind, labels.names) == ("boundaries", ("layer 1", "layer 2", "below"))
    assert labels.read(samples[0])[:, 0].tolist() == [0, 1, 1, 2, 2, 3, 3, 3, 3]
    assert (labels.read(samples[0])[:, 1] == IGNORED).all()


def test_files_with_another_number_of_boundaries_are_reported(tmp_path):
    samples = rows(tmp_path, [[1, 2], [3, 4]], [[1, 2], [3, 4]], [[1, 2]])
    with pytest.raises(CenetError, match=r"2\.npy: it has 1 boundaries, but .*0\.npy has 2; "):
        detect_layer_encoding(samples)


def test_what_is_laid_out_otherwise_is_left_to_be_recognised(tmp_path):
    assert detect_layer_encoding([]) is None
    assert detect_layer_encoding([Sample("a", tmp_path / "a.png")]) is None
    two = (tmp_path / "a.png", tmp_path / "b.png")
    assert detect_layer_encoding([Sample("a", two[0], two)]) is None
    assert detect_layer_encoding([Sample("a", two[0], two[:1], classes=("layer",))]) is None


@pytest.mark.data
def test_the_eight_layers_become_ten_classes(data_set):
    samples = read_oct(data_set("oct-layers/eight-layers"))
    labels = detect_layer_encoding(samples)
    assert labels.values == tuple((value,) for value in (0, 8, 7, 6, 5, 4, 3, 2, 1, 0))
    left_out = 0
    for sample in samples:
        label = load_sample(sample, labels)[1]
        drawn_columns = label[:, (label != IGNORED).any(axis=0)]
        assert drawn_columns.max() == 9
        assert (np.diff(drawn_columns.astype(int), axis=0) >= 0).all()
        left_out += label.shape[1] - drawn_columns.shape[1]
    assert left_out == 58 + 20


@pytest.mark.data
def test_rows_and_maps_of_the_same_scans_agree_to_a_pixel(data_set):
    for sample in read_oct(data_set("oct-layers/boundaries")):
        label = detect_layer_encoding([sample]).read(sample)
        path = sample.label[0]
        other = read_label(path.with_name(path.name.replace("boundaries.npy", "labels.png")))
        assert ((label == IGNORED) == (other == IGNORED)).all()
        for number in range(1, label[label != IGNORED].max() + 1):
            assert np.abs((label < number).sum(axis=0) - (other < number).sum(axis=0)).max() <= 1
