from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydantic import ValidationError

from cenet.errors import CenetError
from cenet.tasks.mapping import IGNORED, Labels, default_names
from cenet.tasks.sample import Sample


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
    labels = Labels(kind="values", names=default_names(len(groups) - 1), values=tuple(groups), ignore=ignore)
    expected = [
        IGNORED if value in ignore else next(k for k, group in enumerate(groups) if value in group) for value in raw
    ]
    assert labels.read(sample(tmp_path_factory.getbasetemp(), raw)).tolist() == [expected]


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (
            Labels(kind="values", names=("a", "b"), values=((0,), (1, 2), (0.5,))),
            "0 -> background, 1 or 2 -> a, 0.5 -> b",
        ),
        (
            Labels(kind="edges", names=("a",), cut=0.5, ignore=(7,)),
            "up to 0.5 -> background, above -> a, 7 -> ignored",
        ),
        (Labels(kind="colours", names=("a",), values=((0,), (0xFF,))), "#000000 -> background, #0000ff -> a"),
        (
            Labels(kind="classes", names=("a", "b"), cut=127.5, nested=True),
            "one file for each class (a, b): up to 127.5 -> outside, above -> inside, each class inside the one before",
        ),
        (
            Labels(kind="objects", names=("a",), values=((0,), (1,))),
            "one file for each object (a): 0 -> outside, 1 -> inside",
        ),
    ],
)
def test_a_mapping_is_told_in_one_line_and_kept_as_json(labels, told):
    assert labels.describe() == told
    assert Labels.model_validate_json(labels.model_dump_json()) == labels


def test_an_unknown_field_is_refused():
    with pytest.raises(ValidationError, match="scale"):
        Labels(kind="values", names=("a",), scale=2)


def test_several_files_are_united_even_where_the_set_had_one_each(tmp_path):
    labels = Labels(kind="values", names=("a",), values=((0,), (255,)))
    assert labels.read(sample(tmp_path, [0, 255, 0], [0, 0, 255])).tolist() == [[0, 1, 1]]


def test_several_files_for_several_classes_are_refused(tmp_path):
    labels = Labels(kind="values", names=("a", "b"), values=((0,), (1,), (2,)))
    with pytest.raises(CenetError, match=r"eye\.png: has several label files for several classes; keep one"):
        labels.read(sample(tmp_path, [0, 1], [0, 2]))


def test_a_sample_without_a_label_has_nothing_to_read(tmp_path):
    with pytest.raises(CenetError, match="has no label file"):
        Labels(kind="values", names=("a",), values=((0,), (255,))).read(sample(tmp_path))


def test_files_of_other_classes_are_told(tmp_path):
    labels = Labels(kind="classes", names=("cup", "disc"), values=((0,), (1,)))
    with pytest.raises(CenetError, match="has label files for cup, rim, but the classes are cup, disc; "):
        labels.read(sample(tmp_path, [0, 1], [1, 0], classes=("cup", "rim")))


def test_the_order_of_files_does_not_matter_where_they_have_names(tmp_path):
    labels = Labels(kind="classes", names=("cup", "disc"), values=((0,), (1,)))
    assert labels.read(sample(tmp_path, [0, 1], [1, 0], classes=("disc", "cup"))).tolist() == [[1, 2]]
