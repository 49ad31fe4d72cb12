"""The command that trains a recipe: only what differs from the recipe of its name."""

from cenet.config.presets import load_recipe
from cenet.config.recipe_command import format_command


def test_the_command_line_says_that_classes_are_nested():
    recipe = load_recipe("folder").replace(num_classes="3", nested="true")
    assert recipe.nested is True
    assert format_command(recipe, "discs") == "cenet train folder --data discs --num-classes 3 --nested true"


def test_folds_have_no_use_for_the_share_of_a_test():
    recipe = load_recipe("folder").replace(test_fraction=0, epochs=3)
    command = format_command(recipe, "eyes", verb="cross-validate", folds=4, group_pattern=None)
    assert command == "cenet cross-validate folder --data eyes --epochs 3 --folds 4"


def test_a_command_has_no_option_for_the_title():
    assert format_command(load_recipe("drive").replace(title="another title")) == "cenet train drive --data DATA"
