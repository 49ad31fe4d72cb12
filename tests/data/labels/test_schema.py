import json
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cenet.data.labels.schema import ClassesFile, colour_to_int, int_to_colour, read_classes_file
from cenet.errors import CenetError

DISC, CUP = {"name": "disc", "value": 128}, {"name": "cup", "value": 255}


def write(folder, content):
    path = Path(folder, "classes.json")
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_classes_have_values_or_lists_of_values(tmp_path):
    declared = read_classes_file(write(tmp_path, {"classes": [DISC, {"name": "cup", "value": [1, 2.5]}], "ignore": 9}))
    assert declared.names == ("disc", "cup")
    assert declared.values == ((0,), (128,), (1, 2.5))
    assert (declared.nested, declared.ignored, declared.coloured) == (None, (9,), False)


def test_classes_have_colours(tmp_path):
    content = {
        "classes": [{"name": "a", "colour": "#FF0000"}],
        "background": {"colour": "#ffffff"},
        "ignore": "#000001",
    }
    declared = read_classes_file(write(tmp_path, content))
    assert (declared.values, declared.ignored, declared.coloured) == (((0xFFFFFF,), (0xFF0000,)), (1,), True)


def test_a_class_with_value_and_colour_is_found_by_its_value(tmp_path):
    declared = read_classes_file(write(tmp_path, {"classes": [{"name": "a", "value": 2, "colour": "#ff0000"}]}))
    assert (declared.values, declared.coloured) == (((0,), (2,)), False)


def test_names_alone_declare_no_values(tmp_path):
    declared = read_classes_file(write(tmp_path, {"classes": [{"name": "a"}, {"name": "b"}], "nested": True}))
    assert (declared.names, declared.values, declared.nested) == (("a", "b"), (), True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "EOF"),
        ("{", "EOF"),
        ("[]", "should be an object"),
        ({}, "classes: Field required"),
        ({"classes": []}, "classes: "),
        ({"classes": [{}]}, "classes.0.name: Field required"),
        ({"classes": [{"name": ""}]}, "classes.0.name"),
        ({"classes": [{"name": " "}]}, "classes.0.name"),
        ({"classes": [DISC], "colours": 1}, "colours: Extra inputs are not permitted"),
        ({"classes": [DISC | {"color": "#ff0000"}]}, "classes.0.color: Extra inputs"),
        ({"classes": [{"name": "a", "value": "1"}]}, "classes.0.value"),
        ({"classes": [{"name": "a", "value": True}]}, "classes.0.value"),
        ({"classes": [{"name": "a", "value": []}]}, "classes.0.value"),
        ('{"classes": [{"name": "a", "value": NaN}]}', "classes.0.value"),
        ({"classes": [{"name": "a", "colour": "red"}]}, "classes.0.colour"),
        ({"classes": [DISC], "nested": "yes"}, "nested"),
        ({"classes": [DISC, DISC]}, "two classes have the same name"),
        ({"classes": [DISC, {"name": "cup", "value": 128}]}, "have the same value or colour"),
        ({"classes": [{"name": "a", "value": 0}]}, "have the same value or colour"),
        ({"classes": [DISC], "ignore": 128}, "have the same value or colour"),
        ({"classes": [{"name": "a", "colour": "#000000"}]}, "have the same value or colour"),
        ({"classes": [DISC, {"name": "cup"}]}, "give every class a value, or none"),
        ({"classes": [DISC, {"name": "cup", "colour": "#ff0000"}]}, "give every class a value, or none"),
        ({"classes": [DISC], "ignore": "#ff0000"}, "ignore must be a colour where the classes are colours"),
        ({"classes": [{"name": "a", "colour": "#ff0000"}], "ignore": 3}, "ignore must be a colour where"),
    ],
)
def test_a_fault_is_reported_in_one_sentence(tmp_path, content, words):
    path = write(tmp_path, content)
    with pytest.raises(CenetError) as caught:
        read_classes_file(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert message.endswith("; fix the file")
    assert "\n" not in message


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "classes.json").mkdir()
    with pytest.raises(CenetError) as error:
        read_classes_file(tmp_path / "classes.json")
    assert error.value.subject == str(tmp_path / "classes.json")


def test_bytes_that_are_no_text_are_reported(tmp_path):
    path = tmp_path / "classes.json"
    path.write_bytes(b'{"classes": [{"name": "\xff\xfe"}]}')
    with pytest.raises(CenetError, match="fix the file"):
        read_classes_file(path)


@given(st.integers(0, 0xFFFFFF))
def test_colours_are_numbers_and_back(code):
    assert colour_to_int(int_to_colour(code)) == code


keys = st.sampled_from(["classes", "background", "nested", "ignore", "name", "value", "colour", "other"])
leaves = st.none() | st.booleans() | st.integers(-3, 300) | st.floats() | st.sampled_from(["a", "#ff0000", "", "#FFF"])
trees = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4))
entries = st.fixed_dictionaries({"name": st.sampled_from("abc")}, optional={"value": trees, "colour": trees})
files = st.fixed_dictionaries(
    {"classes": st.lists(entries, max_size=3)}, optional={"nested": leaves, "ignore": leaves, "background": trees}
)


@given(trees | files)
@settings(max_examples=150)
def test_any_json_declares_classes_or_is_reported(content):
    with tempfile.TemporaryDirectory() as folder, suppress(CenetError):
        declared = read_classes_file(write(folder, content))
        assert len(declared.values) in (0, 1 + len(declared.names))


@given(st.binary(max_size=60))
def test_any_bytes_declare_classes_or_are_reported(content):
    with tempfile.TemporaryDirectory() as folder, suppress(CenetError):
        path = Path(folder, "classes.json")
        path.write_bytes(content)
        assert isinstance(read_classes_file(path), ClassesFile)
