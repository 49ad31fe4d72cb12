"""Images that cannot be trained on: one sentence that names the file, and nothing half-written."""

import shutil

import numpy as np
import pytest
from PIL import Image

CASES = {}


def case(function):
    """A case breaks something on a workbench, and returns the command and the words of its answer."""
    CASES[function.__name__.replace("_", " ")] = function
    return function


# Images to train on -----------------------------------------------------------------------------------------


@case
def no_images_are_named(at):
    return ("train", "folder", "--output", at.out), "no images are named; add --data"


@case
def no_such_folder(at):
    shutil.rmtree(at.data)
    return at.train(), f"{at.data}: there is no such folder"


@case
def a_file_for_a_folder(at):
    shutil.rmtree(at.data)
    at.data.write_text("")
    return at.train(), f"{at.data}: "


@case
def an_empty_folder(at):
    shutil.rmtree(at.data)
    at.data.mkdir()
    return at.train(), f"{at.data}: there is no folder images in it"


@case
def no_image_in_the_folder(at):
    for path in (at.data / "images").iterdir():
        path.unlink()
    return at.train(), f"{at.data / 'images'}: there is no image in it"


@case
def an_image_without_a_label(at):
    at.mask.unlink()
    return at.train(), "eye-3.png", str(at.mask.parent)


@case
def a_label_without_an_image(at):
    at.image.unlink()
    return at.train(), "eye-3.png", str(at.mask.parent)


@case
def no_labels_at_all(at):
    shutil.rmtree(at.mask.parent)
    return at.train(), "eye-0.png: has no label; training needs one for every image"


@case
def masks_and_labels(at):
    shutil.copytree(at.data / "masks", at.data / "labels")
    return at.train(), f"{at.data}: it holds both masks and labels"


@case
def a_label_of_another_size(at):
    Image.new("L", (48, 64)).save(at.mask)
    return at.train(), f"{at.mask}: its size is 48 x 64 pixels but {at.image} has 64 x 48 pixels"


@case
def a_region_of_another_size(at):
    Image.new("L", (64, 47), 255).save(at.region)
    return at.train(), f"{at.region}: its size is 64 x 47 pixels but {at.image}"


@case
def a_region_that_is_empty(at):
    Image.new("L", (64, 48)).save(at.region)
    return at.train(), f"{at.region}: the region is 0 everywhere"


@case
def a_truncated_image(at):
    at.image.write_bytes(at.image.read_bytes()[:1000])
    return at.train(), f"{at.image}: "


@case
def a_truncated_label(at):
    at.mask.write_bytes(at.mask.read_bytes()[:60])
    return at.train(), f"{at.mask}: "


@case
def an_empty_image(at):
    at.image.write_bytes(b"")
    return at.train(), f"{at.image}: the file is empty"


@case
def a_text_that_is_called_an_image(at):
    at.image.write_text("this is no image")
    return at.train(), f"{at.image}: "


@case
def a_text_among_the_images(at):
    at.file("data/images/notes.txt")
    return at.train(), f"{at.data / 'images' / 'notes.txt'}: this is not an image"


@case
def a_label_of_three_values(at):
    values = np.zeros((48, 64), np.uint8)
    values[:2] = [[7], [255]]
    Image.fromarray(values).save(at.mask)
    return at.train(), f"{at.mask}: the label holds the values 0, 7, 255"


@case
def a_binary_label_for_three_classes(at):
    return at.train("--num-classes", 3), f"{at.data / 'masks' / 'eye-0.png'}: the label holds", "--num-classes 1"


@case
def a_coloured_label(at):
    Image.effect_noise((64, 48), 50).convert("RGB").rotate(90).save(at.mask)
    image = np.array(Image.open(at.mask).resize((64, 48)))
    image[..., 1] = 0
    Image.fromarray(image).save(at.mask)
    return at.train(), f"{at.mask}: a label or region must not be coloured"


@case
def an_image_of_other_channels(at):
    Image.open(at.image).convert("L").save(at.image)
    return at.train(), f"{at.image}: has 1 channels of uint8 where", "eye-0.png has 3 of uint8"


@case
def an_image_of_another_depth(at):
    Image.fromarray(np.zeros((48, 64), np.uint16)).save(at.image)
    return at.train(), f"{at.image}: has 1 channels of uint16 where"


@case
def too_few_images_to_split(at):
    for part in ("images", "masks", "regions"):
        for index in range(2, 6):
            (at.data / part / f"eye-{index}.png").unlink()
    return at.train(), f"{at.data / 'images'}: 2 groups are too few for", "--test-fraction"


@case
def one_group_is_too_few_to_split(at):
    return at.train("--group", "eye"), f"{at.data / 'images'}: 1 groups are too few for"


@case
def a_group_that_is_no_expression(at):
    return at.train("--group", "("), "--group (: this is no regular expression"


@case
def a_group_that_is_not_found(at):
    return at.train("--group", "patient"), "--group patient finds no group in its name", "eye-0.png"


@case
def a_folder_that_is_not_drive(at):
    return at.train("--task", "drive"), f"{at.data}: there is no folder training in it"


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_sentence_and_leaves_nothing(name, bench, capsys):
    bench.check(CASES[name], capsys)
