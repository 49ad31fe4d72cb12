"""Images that cannot be trained on: one sentence that names the file, and nothing half-written."""

import shutil

import numpy as np
import pytest
import tifffile
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
    return at.train(), f"{at.image}: has no label, but is to be learnt from; draw one, or remove the image"


@case
def a_label_without_an_image(at):
    at.image.unlink()
    return at.train(), f"{at.mask.parent}: there is no image for {at.image.name}"


@case
def no_labels_at_all(at):
    shutil.rmtree(at.mask.parent)
    return at.train(), f"{at.data}: no image has a label; put a label for each into masks/"


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
def a_truncated_tiff(at):
    rewritten(at.image, ".tif")
    return at.train(), f"{at.image.with_suffix('.tif')}: "


@case
def a_truncated_gif(at):
    rewritten(at.mask, ".gif")
    return at.train(), f"{at.mask.with_suffix('.gif')}: "


@case
def a_truncated_jpeg(at):
    rewritten(at.image, ".jpg")
    return at.train(), f"{at.image.with_suffix('.jpg')}: "


def rewritten(path, suffix):
    """Save a file in another format, without its second half."""
    Image.open(path).save(path.with_suffix(suffix))
    path.unlink()
    content = path.with_suffix(suffix).read_bytes()
    path.with_suffix(suffix).write_bytes(content[: len(content) // 2])


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
    told = f"{at.mask}: the labels hold the values 0, 7, 255, but"
    return (
        at.train(),
        told,
        "--num-classes 3",
        "--ignore-value 7 if nobody drew the pixels with 7",
    )  # which all others lack


@case
def labels_with_and_without_255(at):
    Image.fromarray((np.array(Image.open(at.mask)) > 0).astype(np.uint8)).save(at.mask)
    return at.train(), f"{at.mask.parent}/", " holds 0, 255", " holds 0, 1", "save all with the same values"


@case
def labels_that_are_background_alone(at):
    for path in at.mask.parent.iterdir():
        Image.new("L", (64, 48)).save(path)
    return at.train(), f"{at.mask.parent}/", "this label and all others hold only background; draw the foreground"


@case
def a_value_to_ignore_that_no_label_holds(at):
    return at.train("--ignore-value", 7), "--ignore-value 7: no label holds this value, they hold 0, 255; leave it out"


@case
def a_binary_label_for_three_classes(at):
    return (
        at.train("--num-classes", 3),
        f"{at.mask.parent}/",
        "the labels hold the values 0, 255, but",
        "--num-classes 1",
    )


@case
def a_coloured_label(at):
    Image.open(at.image).save(at.mask)
    return at.train(), f"{at.mask}: the label has ", " colours, as a photograph"


@case
def a_coloured_region(at):
    Image.open(at.image).save(at.region)
    return at.train(), f"{at.region}: a region must not be coloured"


@case
def an_image_of_other_channels(at):
    Image.open(at.image).convert("L").save(at.image)
    return at.train(), f"{at.image}: has 1 channels of uint8 where", ".png has 3 of uint8"


@case
def an_image_of_another_depth(at):
    Image.fromarray(np.eye(48, 64).astype(np.uint16)).save(at.image)
    return at.train(), f"{at.image}: has 1 channels of uint16 where"


@case
def an_image_with_a_nan(at):
    values = np.ones((48, 64), np.float32)
    values[3, 3] = np.nan
    at.image.unlink()
    tifffile.imwrite(at.image.with_suffix(".tif"), values)
    return at.train(), f"{at.image.with_suffix('.tif')}: some pixels are NaN or infinite; replace them by numbers"


@case
def an_image_of_one_value(at):
    Image.new("RGB", (64, 48), (9, 9, 9)).save(at.image)
    return at.train(), f"{at.image}: every one of its 64 x 48 pixels has the same value; export it again, or remove it"


@case
def an_image_of_one_pixel(at):
    for path, mode in ((at.image, "RGB"), (at.mask, "L"), (at.region, "L")):
        Image.new(mode, (1, 1), "white").save(path)
    return at.train(), f"{at.image}: it has only 1 x 1 px, and an image needs 8 px a side"


@case
def images_above_the_limit(at):
    return at.train("--max-pixels", 3071), ".png: the image has over 3,071 pixels; crop it, or raise --max-pixels"


@case
def a_limit_of_no_pixels(at):
    return at.train("--max-pixels", 0), "--max-pixels 0: is no size of an image; give a number such as"


@case
def an_image_above_the_limit_to_predict(at):
    return at.predict(at.image, "--max-pixels", 100), f"{at.image}: the image has over 100 pixels"


@case
def images_above_the_limit_to_score(at):
    return at.evaluate("--max-pixels", 100), ".png: the image has over 100 pixels"


@case
def images_that_differ_in_their_suffix_alone(at):
    Image.open(at.image).save(at.image.with_suffix(".jpg"))
    return at.train(), f"{at.image}: {at.image.stem}.jpg has the same name; rename or remove one of them"


@case
def labels_that_differ_in_their_suffix_alone(at):
    Image.open(at.mask).save(at.mask.with_suffix(".gif"))
    return at.train(), f"{at.mask}: {at.mask.stem}.gif is for the same image; keep one of them"


@case
def one_photograph_under_two_names_on_both_sides(at):
    for path in at.image.parent.iterdir():
        if path != at.image:
            shutil.copy(at.image, path)
    return at.train(), "the same image, one in ", "remove one, or give them one group with --group-pattern"


@case
def one_photograph_held_out_of_a_fold_and_learnt_from(at):
    other = at.image.with_name(f"{at.sealed}.png")
    shutil.copy(at.image, other)
    return at.cross_validate("--folds", 6), "the same image, one in ", at.learnt, at.sealed


@case
def fewer_groups_than_folds(at):
    return at.cross_validate(
        "--folds", 7
    ), f"{at.image.parent}: 6 groups cannot make 7 folds; choose --folds from 2 to 6"


@case
def a_fold_without_a_label(at):
    at.mask.unlink()
    return at.cross_validate(), f"{at.image}: has no label, and in a cross-validation every image is scored"


@case
def too_few_images_to_split(at):
    for part in ("images", "masks", "regions"):
        for index in range(2, 6):
            (at.data / part / f"eye-{index}.png").unlink()
    return at.train(), f"{at.data / 'images'}: 2 groups are too few for", "--test-fraction"


@case
def one_group_is_too_few_to_split(at):
    return at.train("--group-pattern", "eye"), f"{at.data / 'images'}: 1 groups are too few for"


@case
def a_group_that_is_no_expression(at):
    return at.train("--group-pattern", "("), "--group-pattern (: this is no regular expression"


@case
def a_group_that_is_not_found(at):
    return at.train("--group-pattern", "patient"), "--group-pattern patient finds no group in its name", "eye-0.png"


@case
def a_set_that_is_not_nnunets(at):
    return at.train("--task", "nnunet"), f"{at.data}: there is no dataset.json in it"


@case
def a_folder_that_is_not_drive(at):
    return at.train("--task", "drive"), f"{at.data}: there is no folder training in it"


# What a classes.json says -----------------------------------------------------------------------------------


def declared(at, content):
    path = at.file("data/classes.json", content.encode())
    return path, at.train()


@case
def classes_that_are_torn(at):
    path, command = declared(at, '{"classes": [')
    return command, f"{path}: EOF while parsing a list", "mend the file"


@case
def classes_with_an_unknown_field(at):
    path, command = declared(at, '{"classes": [{"name": "line", "valeu": 255}]}')
    return command, f"{path}: classes.0.valeu: ", "mend the file"


@case
def classes_of_one_name(at):
    path, command = declared(at, '{"classes": [{"name": "line", "value": 1}, {"name": "line", "value": 2}]}')
    return command, f"{path}: two classes have the same name; mend the file"


@case
def classes_of_one_value(at):
    path, command = declared(at, '{"classes": [{"name": "line", "value": 0}]}')
    return command, f"{path}: two classes (or the background, or ignore) have the same value or colour"


@case
def more_classes_than_are_asked_for(at):
    path, command = declared(at, '{"classes": [{"name": "line", "value": 255}, {"name": "block", "value": 9}]}')
    return command, f"{path}: it names 2 classes, but 1 are asked for; pass --num-classes 3"


@case
def classes_that_do_not_know_a_value(at):
    path, command = declared(at, '{"classes": [{"name": "line", "value": 1}]}')
    return command, f"{at.mask.parent}/", f"the label holds 255, which {path} does not know; add it there"


@case
def classes_in_colours_for_grey_labels(at):
    path, command = declared(at, '{"classes": [{"name": "line", "colour": "#ff0000"}]}')
    return command, f"{path}: the labels are not coloured; give each class a value"


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_sentence_and_leaves_nothing(name, bench, capsys):
    bench.check(CASES[name], capsys)
