"""Images that cannot be trained on are refused: the error names the file, and nothing is left half-written."""

import shutil

import numpy as np
import pytest
import tifffile
from PIL import Image

CASES = {}


def case(function):
    """A case breaks something, and returns a command, the subject of its error, and what the error mentions."""
    CASES[function.__name__.replace("_", " ")] = function
    return function


# Images to train on -----------------------------------------------------------------------------------------


@case
def no_images_are_named(at):
    return ("train", "folder", "--output", at.out), "recipe folder", "--data"


@case
def no_such_folder(at):
    shutil.rmtree(at.data)
    return at.train(), at.data


@case
def a_file_for_a_folder(at):
    shutil.rmtree(at.data)
    at.data.write_text("")
    return at.train(), at.data


@case
def an_empty_folder(at):
    shutil.rmtree(at.data)
    at.data.mkdir()
    return at.train(), at.data, "images"


@case
def no_image_in_the_folder(at):
    for path in (at.data / "images").iterdir():
        path.unlink()
    return at.train(), at.data / "images"


@case
def an_image_without_a_label(at):
    at.mask.unlink()
    return at.train(), at.image


@case
def no_labels_at_all(at):
    shutil.rmtree(at.mask.parent)
    return at.train(), at.data, "masks/"


@case
def masks_and_labels(at):
    shutil.copytree(at.data / "masks", at.data / "labels")
    return at.train(), at.data, "masks", "labels"


@case
def a_label_of_another_size(at):
    Image.new("L", (48, 64)).save(at.mask)
    return at.train(), at.mask, "48 x 64", str(at.image), "64 x 48"


@case
def a_region_of_another_size(at):
    Image.new("L", (64, 47), 255).save(at.region)
    return at.train(), at.region, "64 x 47", str(at.image)


@case
def a_region_that_is_empty(at):
    Image.new("L", (64, 48)).save(at.region)
    return at.train(), at.region


@case
def a_truncated_image(at):
    at.image.write_bytes(at.image.read_bytes()[:1000])
    return at.train(), at.image


@case
def a_truncated_label(at):
    at.mask.write_bytes(at.mask.read_bytes()[:60])
    return at.train(), at.mask


@case
def a_text_that_is_called_an_image(at):
    at.image.write_text("this is no image")
    return at.train(), at.image


@case
def a_label_of_three_values(at):
    values = np.zeros((48, 64), np.uint8)
    values[:2] = [[7], [255]]
    Image.fromarray(values).save(at.mask)
    return at.train(), at.mask, "--num-classes 3", "--ignore-value 7"


@case
def labels_with_and_without_255(at):
    Image.fromarray((np.array(Image.open(at.mask)) > 0).astype(np.uint8)).save(at.mask)
    return at.train(), at.mask.parent, "0, 255"


@case
def labels_that_are_background_alone(at):
    for path in at.mask.parent.iterdir():
        Image.new("L", (64, 48)).save(path)
    return at.train(), at.mask.parent


@case
def a_value_to_ignore_that_no_label_holds(at):
    return at.train("--ignore-value", 7), "--ignore-value 7", "0, 255"


@case
def a_binary_label_for_three_classes(at):
    return at.train("--num-classes", 3), at.mask.parent, "0, 255", "--num-classes 1"


@case
def a_coloured_label(at):
    Image.open(at.image).save(at.mask)
    return at.train(), at.mask


@case
def a_coloured_region(at):
    Image.open(at.image).save(at.region)
    return at.train(), at.region


@case
def an_image_of_other_channels(at):
    Image.open(at.image).convert("L").save(at.image)
    return at.train(), at.image


@case
def an_image_of_another_depth(at):
    Image.fromarray(np.eye(48, 64).astype(np.uint16)).save(at.image)
    return at.train(), at.image


@case
def an_image_with_a_nan(at):
    values = np.ones((48, 64), np.float32)
    values[3, 3] = np.nan
    at.image.unlink()
    tifffile.imwrite(at.image.with_suffix(".tif"), values)
    return at.train(), at.image.with_suffix(".tif"), "NaN"


@case
def an_image_of_one_value(at):
    Image.new("RGB", (64, 48), (9, 9, 9)).save(at.image)
    return at.train(), at.image, "64 x 48"


@case
def an_image_of_one_pixel(at):
    for path, mode in ((at.image, "RGB"), (at.mask, "L"), (at.region, "L")):
        Image.new(mode, (1, 1), "white").save(path)
    return at.train(), at.image, "1 x 1"


@case
def images_above_the_limit(at):
    return at.train("--max-pixels", 3071), at.data / "images", "--max-pixels"


@case
def a_limit_of_no_pixels(at):
    return at.train("--max-pixels", 0), "--max-pixels 0"


@case
def an_image_above_the_limit_to_predict(at):
    return at.predict(at.image, "--max-pixels", 100), at.image, "100"


@case
def images_above_the_limit_to_score(at):
    return at.evaluate("--max-pixels", 100), at.images / "images", "100"


@case
def images_that_differ_in_their_suffix_alone(at):
    Image.open(at.image).save(at.image.with_suffix(".jpg"))
    return at.train(), at.image, at.image.stem


@case
def labels_that_differ_in_their_suffix_alone(at):
    Image.open(at.mask).save(at.mask.with_suffix(".gif"))
    return at.train(), at.mask, at.mask.stem


@case
def one_photograph_under_two_names_on_both_sides(at):
    for path in at.image.parent.iterdir():
        if path != at.image:
            shutil.copy(at.image, path)
    return at.train(), None, "--group-pattern"


@case
def one_photograph_held_out_of_a_fold_and_learnt_from(at):
    other = at.image.with_name(f"{at.held_out}.png")
    shutil.copy(at.image, other)
    return at.cross_validate("--folds", 6), f"{at.learnt} and {at.held_out}"


@case
def fewer_groups_than_folds(at):
    return at.cross_validate("--folds", 7), at.image.parent, "6", "7", "--folds"


@case
def a_fold_without_a_label(at):
    at.mask.unlink()
    return at.cross_validate(), at.image


@case
def too_few_images_to_split(at):
    for part in ("images", "masks", "regions"):
        for index in range(2, 6):
            (at.data / part / f"eye-{index}.png").unlink()
    return at.train(), at.data / "images", "2", "--test-fraction"


@case
def one_group_is_too_few_to_split(at):
    return at.train("--group-pattern", "eye"), at.data / "images"


@case
def a_group_that_is_no_expression(at):
    return at.train("--group-pattern", "("), "--group-pattern ("


@case
def a_group_that_is_not_found(at):
    return at.train("--group-pattern", "patient"), at.image.parent, "--group-pattern patient"


@case
def a_set_that_is_not_nnunets(at):
    return at.train("--task", "nnunet"), at.data, "dataset.json"


@case
def a_folder_that_is_not_drive(at):
    return at.train("--task", "drive"), at.data, "training"


# What a classes.json says -----------------------------------------------------------------------------------


def declared(at, content):
    path = at.file("data/classes.json", content.encode())
    return path, at.train()


@case
def classes_that_are_corrupted(at):
    path, command = declared(at, '{"classes": [')
    return command, path


@case
def more_classes_than_are_asked_for(at):
    path, command = declared(at, '{"classes": [{"name": "line", "value": 255}, {"name": "block", "value": 9}]}')
    return command, path, "2", "1", "--num-classes 3"


@case
def classes_that_do_not_know_a_value(at):
    path, command = declared(at, '{"classes": [{"name": "line", "value": 1}]}')
    return command, at.mask.parent, "255", str(path)


@case
def classes_in_colours_for_grey_labels(at):
    path, command = declared(at, '{"classes": [{"name": "line", "colour": "#ff0000"}]}')
    return command, path


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_and_leaves_nothing(name, bench, capsys, monkeypatch):
    bench.check(CASES[name], capsys, monkeypatch)
