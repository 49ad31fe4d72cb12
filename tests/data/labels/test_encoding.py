from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from cenet.data.labels.encoding import IGNORED, LabelEncoding, default_names
from cenet.data.sample import Sample
from cenet.errors import CenetError


def sample(folder, *rows, classes=()):
    paths = tuple(folder / f"{index}.png" for index in range(len(rows)))
    for path, row in zip(paths, rows, strict=True):
        Image.fromarray(np.array([row], np.uint8)).save(path)
    return Sample("eye", folder / "eye.png", paths, classes=classes)


@given(
    raw=st.lists(st.integers(0, 255), min_size=1, max_size=9),
    values=st.permutations(range(256)),
    sizes=st.lists(st.integers(1, 40), min_size=2, max_size=5),
)
def test_every_value_becomes_the_class_that_lists_it(tmp_path_factory, raw, values, sizes):
    cuts = np.cumsum([0, *sizes])
    groups = [tuple(map(float, values[a:b])) for a, b in pairwise(cuts)]
    ignore = tuple(map(float, values[cuts[-1] :]))
    labels = LabelEncoding(kind="values", names=default_names(len(groups) - 1), values=tuple(groups), ignore=ignore)
    expected = [
        IGNORED if value in ignore else next(k for k, group in enumerate(groups) if value in group) for value in raw
    ]
    assert labels.read(sample(tmp_path_factory.getbasetemp(), raw)).tolist() == [expected]


@pytest.mark.parametrize(
    ("labels", "description"),
    [
        (
            LabelEncoding(kind="values", names=("a", "b"), values=((0,), (1, 2), (0.5,))),
            "0 -> background, 1 or 2 -> a, 0.5 -> b",
        ),
        (
            LabelEncoding(kind="levels", names=("a",), values=((0, 7), (9,))),
            "0 or 7 -> background, 9 -> a, values between them at edges -> the nearest",
        ),
        (
            LabelEncoding(kind="edges", names=("a",), cut=0.5, ignore=(7,)),
            "up to 0.5 -> background, above -> a, 7 -> ignored",
        ),
        (LabelEncoding(kind="colours", names=("a",), values=((0,), (0xFF,))), "#000000 -> background, #0000ff -> a"),
        (
            LabelEncoding(kind="classes", names=("a", "b"), cut=127.5, nested=True),
            "one file for each class (a, b): up to 127.5 -> outside, above -> inside, each class inside the one before",
        ),
        (
            LabelEncoding(kind="objects", names=("a",), values=((0,), (1,))),
            "one file for each object (a): 0 -> outside, 1 -> inside",
        ),
        (
            LabelEncoding(kind="classes", names=("a", "b"), votes=(3, 4), nested=True),
            "one file for each class (a, b): what at least 3 of 4 experts marked -> inside, each class inside the one "
            "before",
        ),
        (
            LabelEncoding(kind="experts", names=("a",), values=((0,), (255,)), votes=(2, 3)),
            "one file for each of 3 experts (a: what at least 2 of them marked): 0 -> outside, 255 -> inside",
        ),
        (
            LabelEncoding(kind="layers", names=("a", "below"), values=((0,), (7,), (0,)), ignore=(9,)),
            "layers from top to bottom: 0 -> above, 7 -> a, 0 -> below, 9 -> ignored; "
            "columns without layers -> ignored",
        ),
        (
            LabelEncoding(kind="boundaries", names=("a", "below")),
            "rows of 2 boundaries, from top to bottom above a, below; NaN -> ignored",
        ),
    ],
)
def test_an_encoding_is_described_in_one_line_and_kept_as_json(labels, description):
    assert labels.describe() == description
    assert LabelEncoding.model_validate_json(labels.model_dump_json()) == labels


def test_an_unknown_field_is_refused():
    with pytest.raises(ValidationError, match="scale"):
        LabelEncoding(kind="values", names=("a",), scale=2)


def test_several_files_are_united_even_where_the_set_had_one_each(tmp_path):
    labels = LabelEncoding(kind="values", names=("a",), values=((0,), (255,)))
    assert labels.read(sample(tmp_path, [0, 255, 0], [0, 0, 255])).tolist() == [[0, 1, 1]]


def test_several_files_for_several_classes_are_refused(tmp_path):
    labels = LabelEncoding(kind="values", names=("a", "b"), values=((0,), (1,), (2,)))
    with pytest.raises(CenetError, match=r"eye\.png: it has several label files for several classes; keep one"):
        labels.read(sample(tmp_path, [0, 1], [0, 2]))


def test_a_sample_without_a_label_has_nothing_to_read(tmp_path):
    with pytest.raises(CenetError, match="has no label file"):
        LabelEncoding(kind="values", names=("a",), values=((0,), (255,))).read(sample(tmp_path))


def test_files_of_other_classes_are_reported(tmp_path):
    labels = LabelEncoding(kind="classes", names=("cup", "disc"), values=((0,), (1,)))
    with pytest.raises(CenetError, match="has label files for cup, rim, but the classes are cup, disc; "):
        labels.read(sample(tmp_path, [0, 1], [1, 0], classes=("cup", "rim")))


def test_the_order_of_files_does_not_matter_where_they_have_names(tmp_path):
    labels = LabelEncoding(kind="classes", names=("cup", "disc"), values=((0,), (1,)))
    assert labels.read(sample(tmp_path, [0, 1], [1, 0], classes=("disc", "cup"))).tolist() == [[1, 2]]


DISC = LabelEncoding(kind="classes", names=("disc", "cup"), votes=(3, 4), nested=True)
LEVELS = [0, 64, 128, 191, 255]


def test_a_soft_map_is_cut_where_enough_experts_agree(tmp_path):
    both = sample(tmp_path, LEVELS, [0, 0, 64, 191, 191], classes=("disc", "cup"))
    assert DISC.read(both).tolist() == [[0, 0, 0, 2, 2]]


@given(
    votes=st.integers(1, 9).flatmap(lambda n: st.tuples(st.integers(1, n), st.just(n))),
    drew=st.lists(st.integers(0, 9), min_size=1),
    off=st.integers(-1, 1),
)
def test_a_level_may_be_rounded_in_any_way(tmp_path_factory, votes, drew, off):
    least, count = votes
    drew = [min(number, count) for number in drew]
    row = [min(255, max(0, round(255 * number / count) + off)) for number in drew]
    one = sample(tmp_path_factory.getbasetemp(), row, classes=("disc",))
    labels = LabelEncoding(kind="classes", names=("disc",), votes=votes)
    assert labels.read(one).tolist() == [[int(number >= least) for number in drew]]


@pytest.mark.parametrize("value", [1 + 2, 32, 61, 67, 125, 194, 252])
def test_a_value_between_the_levels_is_reported(tmp_path, value):
    odd = sample(tmp_path, [0, 255], [0, value], classes=("disc", "cup"))
    with pytest.raises(CenetError, match=rf"1\.png: the soft map holds {value}, but 4 .* 0, 64, 128, 191, 255"):
        DISC.read(odd)


def test_a_soft_map_has_eight_bits_and_no_colours(tmp_path):
    odd = sample(tmp_path, [0, 255], [0, 255], classes=("disc", "cup"))
    Image.fromarray(np.array([[0, 65535]], np.uint16)).save(odd.label[1])
    with pytest.raises(CenetError, match=r"1\.png: a soft map holds 8-bit grey values, not uint16; "):
        DISC.read(odd)
    Image.new("RGB", (2, 1), (255, 0, 0)).save(odd.label[1])
    with pytest.raises(CenetError, match=r"1\.png: the label is coloured, but"):
        DISC.read(odd)


def test_the_cup_is_forced_inside_the_disc(tmp_path):
    both = sample(tmp_path, [0, 128, 255, 255], [255, 255, 255, 0], classes=("disc", "cup"))
    assert DISC.read(both).tolist() == [[0, 0, 2, 1]]


def test_without_votes_a_cup_outside_the_disc_stays_an_error(tmp_path):
    both = sample(tmp_path, [0, 255], [255, 0], classes=("disc", "cup"))
    labels = LabelEncoding(kind="classes", names=("disc", "cup"), values=((0,), (255,)), nested=True)
    with pytest.raises(CenetError, match="some of cup lies outside disc"):
        labels.read(both)


@given(
    rows=st.lists(st.lists(st.sampled_from([0, 255]), min_size=4, max_size=4), min_size=1, max_size=5), data=st.data()
)
def test_a_pixel_belongs_where_enough_experts_say_so(tmp_path_factory, rows, data):
    least = data.draw(st.integers(1, len(rows)))
    labels = LabelEncoding(kind="experts", names=("disc",), values=((0,), (255,)), votes=(least, len(rows)))
    expected = [[int(sum(row[column] == 255 for row in rows) >= least) for column in range(4)]]
    assert labels.read(sample(tmp_path_factory.getbasetemp(), *rows)).tolist() == expected


EXPERTS = LabelEncoding(kind="experts", names=("disc",), values=((0,), (255,)), ignore=(7,), votes=(2, 3))


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_missing_expert_is_reported(tmp_path, count):
    marked = sample(tmp_path, *[[0, 255]] * count)
    with pytest.raises(CenetError, match=rf"eye\.png: it has the labels of {count} experts, but "):
        EXPERTS.read(marked)


def test_what_one_expert_did_not_judge_is_ignored(tmp_path):
    assert EXPERTS.read(sample(tmp_path, [0, 255, 7], [255] * 3, [255] * 3)).tolist() == [[1, 1, IGNORED]]


def test_experts_draw_on_the_same_image(tmp_path):
    with pytest.raises(CenetError, match=r"2\.png: its size is 3 x 1 pixels, but .*0\.png has 2 x 1 pixels; "):
        EXPERTS.read(sample(tmp_path, [0, 255], [0, 255], [0, 255, 0]))


def test_an_expert_mask_with_a_third_value_is_reported(tmp_path):
    with pytest.raises(CenetError, match=r"1\.png: the label holds 128, but the labels are: one file for each of 3"):
        EXPERTS.read(sample(tmp_path, [0, 255], [0, 128], [0, 255]))


def test_smoothed_edges_of_experts_are_cut(tmp_path):
    labels = LabelEncoding(kind="experts", names=("disc",), cut=127.5, votes=(2, 3))
    rows = [[0, 0, 0, 90, 200, 255, 255], [0, 0, 60, 180, 250, 255, 255], [0, 0, 0, 0, 0, 0, 0]]
    assert labels.read(sample(tmp_path, *rows)).tolist() == [[0, 0, 0, 0, 1, 1, 1]]


LAYERS = LabelEncoding(kind="layers", names=("top", "below"), values=((0,), (7,), (0,)), ignore=(9,))


def column(folder, *pixels):
    path = folder / "map.png"
    Image.fromarray(np.array([pixels], np.uint8).T).save(path)
    return Sample("eye", path, (path,))


def test_one_outside_becomes_two_classes(tmp_path):
    assert LAYERS.read(column(tmp_path, 0, 7, 7, 0, 0)).ravel().tolist() == [0, 1, 1, 2, 2]
    assert LAYERS.read(column(tmp_path, 9, 7, 9, 0, 9)).ravel().tolist() == [IGNORED, 1, IGNORED, 2, IGNORED]
    assert LAYERS.read(column(tmp_path, 0, 0)).ravel().tolist() == [IGNORED] * 2


def test_a_map_with_a_strange_value_is_reported(tmp_path):
    with pytest.raises(CenetError, match=r"map\.png: the label holds 8, but the labels are: layers from top to"):
        LAYERS.read(column(tmp_path, 0, 8, 0))


ROWS = LabelEncoding(kind="boundaries", names=("top", "below"))


def boundaries(folder, rows, *, shape=(5, 2)):
    Image.fromarray(np.zeros(shape, np.uint8)).save(folder / "scan.png")
    np.save(folder / "scan.npy", np.array(rows, np.float32))
    return Sample("eye", folder / "scan.png", (folder / "scan.npy",))


def test_boundaries_become_classes_of_the_height_of_the_image(tmp_path):
    label = ROWS.read(boundaries(tmp_path, [[1, 2], [4, np.nan]]))
    assert label.T.tolist() == [[0, 1, 1, 1, 2], [IGNORED] * 5]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 2]], "it has 1 boundaries, but the labels are: rows of 2 boundaries"),
        ([[1, 2], [3, 4], [5, 5]], "it has 3 boundaries, but"),
        ([[1, 2, 3], [2, 3, 4]], "it has 3 columns, but the image has 2; "),
        ([[1, 2], [0, 3]], "boundary 2 lies above boundary 1 in column 0; "),
        ([[1, 2], [2, 6]], "boundary 2 is at row 6 in column 1, outside the image of 5 rows; "),
    ],
)
def test_boundaries_that_do_not_fit_are_reported(tmp_path, rows, message):
    with pytest.raises(CenetError, match=rf"scan\.npy: {message}"):
        ROWS.read(boundaries(tmp_path, rows))


def test_an_image_is_no_row_of_boundaries_nor_the_other_way_round(tmp_path):
    scan = boundaries(tmp_path, [[1, 2], [2, 3]])
    with pytest.raises(CenetError, match=r"scan\.png: this is no undamaged \.npy file"):
        ROWS.read(Sample("eye", scan.image, (scan.image,)))
    with pytest.raises(CenetError, match=r"scan\.npy: "):
        LAYERS.read(scan)


def test_a_slice_of_a_stack_is_its_own_label(tmp_path):
    slices = [Image.fromarray(np.full((2, 2), value, np.uint8)) for value in (0, 255)]
    slices[0].save(tmp_path / "labels.tif", save_all=True, append_images=slices[1:])
    labels = LabelEncoding(kind="values", names=("membrane",), values=((255,), (0,)))
    read = [labels.read(Sample("a", tmp_path / "a.png", (tmp_path / "labels.tif",), page=page)) for page in (0, 1)]
    assert [label.tolist() for label in read] == [[[1, 1], [1, 1]], [[0, 0], [0, 0]]]
