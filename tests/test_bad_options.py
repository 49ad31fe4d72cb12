"""Recipes, options and output folders that cannot be used are refused by their name, and nothing is written."""

import pytest

CASES = {}


def case(function):
    """A case breaks something, and returns a command, the subject of its error, and what the error mentions."""
    CASES[function.__name__.replace("_", " ")] = function
    return function


# Recipes ----------------------------------------------------------------------------------------------------


@case
def neither_recipe_nor_images(at):
    return ("train", "--epochs", 2), "train", "--data"


@case
def a_plan_that_is_no_recipe_file(at):
    return ("plan", at.data, "--output", at.folder / "plan.txt"), at.folder / "plan.txt", ".json"


@case
def a_plan_for_no_time(at):
    return ("plan", at.data, "--minutes", 0, "--device", "cpu"), "--minutes 0"


@case
def an_unknown_recipe(at):
    return at.train(recipe="foldr"), "foldr", "folder"


@case
def an_unknown_recipe_to_print(at):
    return ("recipes", "driev"), "driev", "drive"


@case
def a_recipe_file_that_is_not_there(at):
    return at.train(recipe=at.folder / "mine.json"), at.folder / "mine.json"


@case
def a_value_out_of_range(at):
    return at.train("--learning-rate", -1), "recipe folder", "learning_rate"


@case
def a_network_that_does_not_exist(at):
    return at.train("--network", "unte", "--encoder-weights", "none"), "network unte", "unet"


@case
def a_plugin_that_does_not_exist(at):
    return at.train("--plugin", "nowhere.py"), "--plugin nowhere.py", "file"


@case
def a_crop_that_the_network_cannot_take(at):
    return at.cenet("--crop-px", 64), "recipe folder", "crop_px", "64", "192"


@case
def no_minutes(at):
    return at.train("--minutes", 0), "--minutes 0"


@case
def minutes_that_are_no_number(at):
    return at.train("--minutes", "nan"), "--minutes nan"


@case
def minutes_that_are_too_few(at):
    return at.train("--minutes", 1e-6), "recipe folder", "--minutes", "--batch-size"


@case
def no_seeds(at):
    return at.train("--seeds", 0), "--seeds 0"


@case
def no_folds(at):
    return at.cross_validate("--folds", 0), at.image.parent, "--folds"


@case
def no_seeds_of_folds(at):
    return at.cross_validate("--seeds", 0), "--seeds 0"


@case
def a_fold_that_is_not_there(at):
    return at.cross_validate("--fold", 0, 4), "--fold 4"


@case
def the_authors_protocol_for_folds_of_another_geometry(at):
    return at.cross_validate("--protocol", "authors"), "recipe folder", "authors"


@case
def workers_below_zero(at):
    return at.train("--workers", -1), "--workers -1"


@case
def weights_of_another_encoder(at):
    return at.cenet("--encoder-weights", "bundled"), "recipe folder", "--encoder"


@case
def encoder_weights_that_are_not_there(at):
    path = at.folder / "weights.pth"
    return at.cenet("--encoder-weights", path), path


@case
def encoder_weights_that_were_never_fetched(at):
    return at.cenet("--encoder-weights", "imagenet"), at.folder / "cache", "cenet weights imagenet --encoder resnet18"


@case
def no_graphics_card(at):
    return at.train("--device", "cuda"), "--device cuda", "--device"


# Places -----------------------------------------------------------------------------------------------------


@case
def a_file_where_the_run_is_due(at):
    path = at.file("mine")
    return at.train(output=path), path


@case
def a_folder_in_use_where_the_run_is_due(at):
    return at.train(output=at.data), at.data


@case
def a_file_above_where_the_run_is_due(at):
    path = at.file("mine") / "deep" / "run"
    return at.train(output=path), path


@case
def a_file_where_predictions_are_due(at):
    at.out = at.file("mine")
    return at.predict(at.image), at.out, str(at.folder / "mine")


@case
def a_file_above_where_predictions_are_due(at):
    at.out = at.file("mine") / "deep"
    return at.predict(at.image), at.out, str(at.folder / "mine")


@case
def a_file_where_the_report_is_due(at):
    at.out = at.file("mine")
    return at.evaluate(), at.out


@case
def a_file_where_folds_are_due(at):
    at.out = at.file("mine")
    return at.cross_validate(), at.out


@case
def a_folder_in_use_where_folds_are_due(at):
    at.out = at.data
    return at.cross_validate(), at.out, "--output"


@case
def a_folder_in_use_where_seeds_are_due(at):
    return at.train("--seeds", 2, output=at.data), at.data


@case
def a_file_where_a_comparison_is_due(at):
    path = at.file("mine")
    return ("compare", at.run, at.run, "--output", path), path


@case
def a_file_above_where_a_page_is_due(at):
    path = at.file("mine") / "page.html"
    return ("report", at.run, "--output", path), at.folder / "mine"


@case
def a_page_that_is_no_html(at):
    return ("report", at.run, "--output", at.out), at.out


@case
def a_file_where_phantoms_are_due(at):
    path = at.file("mine")
    return ("phantoms", "vessels", path, "--count", 1, "--size", 64), path


@case
def a_folder_in_use_where_phantoms_are_due(at):
    return ("phantoms", "disc", at.data, "--count", 1, "--size", 64), at.data


@case
def a_place_in_use_for_the_demo(at):
    return ("demo", "--output", at.data, "--device", "cpu"), at.data


@case
def a_file_above_where_the_demo_is_due(at):
    path = at.file("mine")
    return ("demo", "--output", path / "deep", "--device", "cpu"), path


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_and_leaves_nothing(name, bench, capsys, monkeypatch):
    bench.check(CASES[name], capsys, monkeypatch)
