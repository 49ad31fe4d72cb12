"""Recipes and places that cannot be used: one sentence that names the field or the place, and nothing half-written."""

import pytest

CASES = {}


def case(function):
    """A case breaks something on a workbench, and returns the command and the words of its answer."""
    CASES[function.__name__.replace("_", " ")] = function
    return function


# Recipes ----------------------------------------------------------------------------------------------------


@case
def no_recipe(at):
    return ("train", "--data", at.data), "no recipe is named"


@case
def an_unknown_recipe(at):
    return at.train(recipe="foldr"), "no recipe is called foldr; did you mean folder?"


@case
def an_unknown_recipe_to_print(at):
    return ("recipes", "driev"), "did you mean drive?"


@case
def a_recipe_file_that_is_not_there(at):
    return at.train(recipe=at.folder / "mine.json"), f"{at.folder / 'mine.json'}: cannot be read"


@case
def a_recipe_file_with_an_unknown_field(at):
    path = at.file("mine.json", b'{"name": "mine", "learning_rat": 1}')
    return at.train(recipe=path), f"{path}: there is no field learning_rat; did you mean learning_rate?"


@case
def a_value_out_of_range(at):
    return at.train("--learning-rate", -1), "learning_rate = '-1' is not allowed"


@case
def a_value_of_another_kind(at):
    return at.train("--epochs", "many"), "epochs = 'many' is not allowed"


@case
def a_value_that_is_no_choice(at):
    return at.train("--network", "resnet"), "network = 'resnet' is not allowed", "'cenet' or 'unet'"


@case
def a_crop_that_is_no_multiple(at):
    return at.train("--crop-px", 50), "crop_px 50 is no multiple of 32; use 32"


@case
def a_crop_that_the_network_cannot_take(at):
    return at.cenet("--crop-px", 64), "crop_px 64 is too small; use 192 or more"


@case
def a_seed_that_is_too_large(at):
    return at.train("--seed", 2**70), "seed"


@case
def a_validation_that_never_comes(at):
    return at.train("--validate-every", 3), "validate_every 3 is more than the 2 epochs; lower it"


@case
def nested_regions_that_are_too_few(at):
    words = "nested regions are two or more, but num_classes is 2; add --num-classes"
    return at.train("--nested", "true", "--num-classes", 2), words


@case
def a_recipe_file_that_is_torn(at):
    path = at.file("mine.json", b'{"name": "mine"')
    return at.train(recipe=path), f"{path}: is not JSON", "name a recipe.json as a run folder holds it"


@case
def no_minutes(at):
    return at.train("--minutes", 0), "--minutes 0: is no time to train in; give a number above 0"


@case
def minutes_that_are_no_number(at):
    return at.train("--minutes", "nan"), "--minutes nan: is no time to train in; give a number above 0"


@case
def minutes_that_are_too_few(at):
    return at.train("--minutes", 1e-6), "a step and a validation take", "give more --minutes, or lower --batch-size"


@case
def no_seeds(at):
    return at.train("--seeds", 0), "--seeds 0: a spread takes two or more; leave it out to train once"


@case
def no_folds(at):
    return at.cross_validate("--folds", 0), "6 groups cannot make 0 folds; choose --folds from 2 to 6"


@case
def no_seeds_of_folds(at):
    return at.cross_validate("--seeds", 0), "--seeds 0: is nothing to train; give 1 or more"


@case
def a_fold_that_is_not_there(at):
    return at.cross_validate("--fold", 0, 4), "--fold 4: there is no such fold; number them from 0 to 3"


@case
def the_authors_protocol_for_folds_of_another_geometry(at):
    return at.cross_validate("--protocol", "authors"), "the protocol authors is defined for one class at 448x448 squash"


@case
def workers_below_zero(at):
    return at.train("--workers", -1), "--workers"


@case
def weights_of_another_encoder(at):
    return at.cenet("--encoder-weights", "bundled"), "the bundled weights belong to --encoder resnet34-preact"


@case
def encoder_weights_that_are_not_there(at):
    path = at.folder / "weights.pth"
    return at.cenet("--encoder-weights", path), f"{path}: there is no such file"


@case
def encoder_weights_that_are_torn(at):
    path = at.file("weights.safetensors")
    return at.cenet("--encoder-weights", path), f"{path}: "


@case
def encoder_weights_that_were_never_fetched(at):
    return at.cenet("--encoder-weights", "imagenet"), "`cenet weights imagenet --encoder resnet18`"


@case
def no_graphics_card(at):
    return at.train("--device", "cuda"), "--device cuda: ", "use --device cpu or auto"


@case
def no_apple_processor(at):
    return at.train("--device", "mps"), "--device mps: "


# Places -----------------------------------------------------------------------------------------------------


@case
def a_file_where_the_run_is_due(at):
    path = at.file("mine")
    return at.train(output=path), f"{path}: is taken"


@case
def a_folder_in_use_where_the_run_is_due(at):
    return at.train(output=at.data), f"{at.data}: is taken"


@case
def a_file_above_where_the_run_is_due(at):
    path = at.file("mine") / "deep" / "run"
    return at.train(output=path), f"{path}: cannot be written"


@case
def a_file_where_predictions_are_due(at):
    at.out = at.file("mine")
    return at.predict(at.image), f"{at.out}: cannot be written", f"{at.folder / 'mine'} is no folder"


@case
def a_file_above_where_predictions_are_due(at):
    at.out = at.file("mine") / "deep"
    return at.predict(at.image), f"{at.out}: cannot be written", f"{at.folder / 'mine'} is no folder"


@case
def a_file_where_the_report_is_due(at):
    at.out = at.file("mine")
    return at.evaluate(), f"{at.out}: cannot be written"


@case
def a_file_where_folds_are_due(at):
    at.out = at.file("mine")
    return at.cross_validate(), f"{at.out}: cannot be written"


@case
def a_folder_in_use_where_folds_are_due(at):
    at.out = at.data
    return at.cross_validate(), f"{at.out}: is taken; choose another --output"


@case
def a_folder_in_use_where_seeds_are_due(at):
    return at.train("--seeds", 2, output=at.data), f"{at.data}: is taken"


@case
def a_file_where_a_comparison_is_due(at):
    path = at.file("mine")
    return ("compare", at.run, at.run, "--output", path), f"{path}: cannot be written"


@case
def a_file_above_where_a_page_is_due(at):
    path = at.file("mine") / "page.html"
    return ("report", at.run, "--output", path, "--device", "cpu"), f"{at.folder / 'mine'}: cannot be written"


@case
def a_page_that_is_no_html(at):
    return ("report", at.run, "--output", at.out, "--device", "cpu"), f"{at.out}: the name must end in .html"


@case
def a_file_where_phantoms_are_due(at):
    path = at.file("mine")
    return ("phantoms", "vessels", path, "--count", 1, "--size", 64), f"{path}: "


@case
def a_folder_in_use_where_phantoms_are_due(at):
    return ("phantoms", "disc", at.data, "--count", 1, "--size", 64), f"{at.data}: the folder is not empty"


@case
def no_phantoms(at):
    return ("phantoms", "lung", at.out, "--count", 0), f"{at.out}: 0 phantoms asked for"


@case
def phantoms_that_are_too_small(at):
    return ("phantoms", "cells", at.out, "--size", 10), "a size of 10 px is too small"


@case
def phantoms_of_a_negative_seed(at):
    return ("phantoms", "oct", at.out, "--seed", -1), "seed -1 is negative"


@case
def a_place_in_use_for_the_demo(at):
    return ("demo", "--output", at.data, "--device", "cpu"), f"{at.data}: is taken"


@case
def a_file_above_where_the_demo_is_due(at):
    path = at.file("mine")
    return ("demo", "--output", path / "deep", "--device", "cpu"), f"{path}"


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_sentence_and_leaves_nothing(name, bench, capsys):
    bench.check(CASES[name], capsys)
