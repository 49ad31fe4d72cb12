"""The recipes of the package, and recipes from files: every wrong one is told by its name."""

import json

import pytest

from cenet.config.presets import RECIPES, load_recipe
from cenet.config.recipe import Recipe
from cenet.errors import CenetError


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_found_by_its_name_and_has_a_title(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.title


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_comes_back_from_its_json_unchanged(name, tmp_path):
    file = tmp_path / "recipe.json"
    file.write_text(RECIPES[name].model_dump_json(), encoding="utf-8")
    assert load_recipe(str(file)) == load_recipe(file) == RECIPES[name]


def test_a_recipe_file_needs_no_more_than_its_name(tmp_path):
    file = tmp_path / "mine.json"
    file.write_text('{"name": "mine", "epochs": 3, "steps_per_epoch": "none"}', encoding="utf-8")
    assert load_recipe(str(file)) == Recipe(name="mine", epochs=3)


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=list(RECIPES))
def test_what_is_marked_unverified_is_a_field(recipe):
    assert set(recipe.unverified) <= set(Recipe.model_fields)


def test_the_papers_recipe_has_the_papers_numbers():
    recipe = RECIPES["drive-paper"]
    assert (recipe.task, recipe.encoder, recipe.encoder_weights) == ("drive", "resnet34", "imagenet")
    assert (recipe.resize_mode, recipe.size_px, recipe.crop_px, recipe.expand_d4) == ("square", 448, None, True)
    assert (recipe.optimiser, recipe.learning_rate, recipe.schedule) == ("sgd", 4e-3, "poly")
    assert (recipe.batch_size, recipe.epochs, recipe.loss) == (8, 100, "dice")
    assert recipe.weight_decay > 0
    assert (recipe.network, recipe.dac, recipe.rmp, recipe.share_weights, recipe.use_stem_skip) == (
        "cenet",
        "atrous",
        True,
        True,
        False,
    )
    # What the record of the paper holds only from memory is marked as such.
    assert {"learning_rate", "schedule", "batch_size", "epochs", "optimiser", "weight_decay"} <= set(recipe.unverified)
    assert "loss" not in recipe.unverified


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b"[1]", "holds no recipe"),
        (b'"drive"', "holds no recipe"),
        (b"{}", "the field name is missing"),
        (b'{"name": "x", "epoch": 1}', "there is no field epoch; did you mean epochs?"),
        (b'{"name": "x", "epochs": 0}', "epochs = 0 is not allowed"),
        (b'{"name": "x", "learning_rate": NaN}', "learning_rate = nan is not allowed"),
        (b'{"name": "x", "unverified": [1]}', "unverified.0 = 1 is not allowed"),
        (b'{"name": "x", "network": "unet"}', "add --encoder-weights none"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_by_name(tmp_path, content, words):
    file = tmp_path / "mine.json"
    file.write_bytes(content)
    with pytest.raises(CenetError) as error:
        load_recipe(str(file))
    assert str(error.value).startswith(f"{file}: ")
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    (tmp_path / "folder.json").mkdir()
    for name in ("missing.json", "folder.json"):
        with pytest.raises(
            CenetError, match=r"(missing|folder)\.json: (the file cannot be read|it is no regular file)"
        ):
            load_recipe(str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("drvie", "drvie: there is no recipe of this name; did you mean drive?"),
        ("xyzzy", "xyzzy: there is no recipe of this name"),
    ],
)
def test_an_unknown_name_is_answered_with_all_recipes(name, answer):
    with pytest.raises(CenetError) as error:
        load_recipe(name)
    assert str(error.value).startswith(answer)
    assert all(recipe in str(error.value) for recipe in RECIPES)


def test_the_json_holds_every_field_in_plain_types():
    fields = json.loads(load_recipe("drive").model_dump_json())
    assert set(fields) == set(Recipe.model_fields)
