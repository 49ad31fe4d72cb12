"""Going on: a folder knows what it was begun with, and refuses anything else."""

import json

import pytest

from cenet.errors import CenetError
from cenet.recipes import load_recipe
from cenet.workflows.going_on import begin, goes_on

RECIPE = load_recipe("drive")


def test_a_new_folder_is_not_gone_on_with(tmp_path):
    (tmp_path / "empty").mkdir()
    assert not goes_on(tmp_path / "new", RECIPE)
    assert not goes_on(tmp_path / "empty", RECIPE)


@pytest.mark.parametrize("name", ["mine", "folder"])
def test_a_place_with_something_else_in_it_is_refused(tmp_path, name):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    with pytest.raises(CenetError, match=f"^{tmp_path / name}: is taken; choose another --output$"):
        goes_on(tmp_path / name, RECIPE)


@pytest.mark.parametrize(
    ("recipe", "options", "words"),
    [
        (RECIPE.replace(seed=3), {}, "seed 0, and this is 3"),
        (RECIPE, {"group": None}, "group ^[0-9]+, and this is None"),
        (RECIPE, {"ignore": 0}, "ignore None, and this is 0"),
    ],
)
def test_anything_else_than_it_was_begun_with_is_refused(tmp_path, recipe, options, words):
    begun = {"group": "^[0-9]+", "ignore": None}
    begin(tmp_path, RECIPE, **begun)
    assert goes_on(tmp_path, RECIPE, **begun)
    with pytest.raises(CenetError) as error:
        goes_on(tmp_path, recipe, **begun | options)
    assert str(error.value) == f"{tmp_path}: was begun with {words}; choose another --output, or the same values"


def test_a_folder_of_an_earlier_version_is_gone_on_with(tmp_path):
    begin(tmp_path, RECIPE, group=None)
    (tmp_path / "options.json").unlink()
    assert goes_on(tmp_path, RECIPE, group="x")


@pytest.mark.parametrize("content", [b"{", b"\xff", json.dumps([1]).encode()])
def test_a_torn_note_is_told(tmp_path, content):
    begin(tmp_path, RECIPE, group=None)
    (tmp_path / "options.json").write_bytes(content)
    with pytest.raises(CenetError, match=r"options\.json: is not what cenet writes; copy the folder again$"):
        goes_on(tmp_path, RECIPE, group=None)
