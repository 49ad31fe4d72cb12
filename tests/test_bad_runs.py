"""Runs, splits, checkpoints and images to predict that cannot be used: one sentence, and nothing half-written."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

CASES = {}


def case(function):
    """A case breaks something on a workbench, and returns the command and the words of its answer."""
    CASES[function.__name__.replace("_", " ")] = function
    return function


# Runs -------------------------------------------------------------------------------------------------------


@case
def no_such_run(at):
    return at.predict(at.image, run=at.folder / "nowhere"), f"{at.folder / 'nowhere'}: is no run folder"


@case
def a_folder_that_is_no_run(at):
    return at.evaluate(run=at.data), f"{at.data}: run.json is missing"


@case
def a_run_without_weights(at):
    run = at.run_copy()
    (run / "weights.safetensors").unlink()
    return at.predict(at.image, run=run), f"{run / 'weights.safetensors'}: is missing"


@case
def a_run_with_torn_weights(at):
    weights = at.run_copy() / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    return at.evaluate(run=weights.parent), f"{weights}: is torn or belongs to another run"


@case
def a_run_with_foreign_weights(at):
    weights = at.run_copy() / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-9] ^= 255
    weights.write_bytes(content)
    return at.predict(at.image, run=weights.parent), f"{weights}: is torn or belongs to another run"


@case
def a_run_with_a_torn_split(at):
    run = at.run_copy()
    (run / "splits.json").write_text("{")
    return at.evaluate(run=run), f"{run / 'splits.json'}: is no split"


@case
def nothing_to_resume(at):
    return ("train", "--resume", at.folder / "nowhere"), f"{at.folder / 'nowhere'}: is no run folder"


@case
def a_run_without_a_checkpoint(at):
    return ("train", "--resume", at.run_copy(), "--device", "cpu"), "has no checkpoint to go on from"


@case
def a_resumed_run_with_other_values(at):
    return ("train", "--resume", at.run, "--epochs", 9), f"{at.run}: a run goes on as it began"


@case
def a_start_that_is_no_run(at):
    return at.train("--start-from", at.data), f"{at.data}: run.json is missing"


@case
def a_start_from_another_network(at):
    return at.cenet("--start-from", at.run), f"{at.run}: its network is unet", "add --network unet"


@case
def a_split_that_is_not_there(at):
    path = at.folder / "splits.json"
    return at.train("--splits", path), f"{path}: cannot be read"


@case
def a_split_that_is_none(at):
    path = at.file("splits.json", b"[]")
    return at.train("--splits", path), f"{path}: is no split"


@case
def a_split_without_images_to_train_on(at):
    split = json.loads((at.run / "splits.json").read_text())
    path = at.file("splits.json", json.dumps({**split, "train": []}).encode())
    return at.train("--splits", path), "the split has nothing for train"


@case
def a_split_with_a_group_on_both_sides(at):
    split = json.loads((at.run / "splits.json").read_text())
    split["test"][0]["group"] = split["train"][0]["group"]
    return at.train("--splits", at.file("splits.json", json.dumps(split).encode())), "keep every group on one side"


@case
def a_split_of_other_images(at):
    at.image.rename(at.image.with_name("other.png"))
    at.mask.rename(at.mask.with_name("other.png"))
    at.region.rename(at.region.with_name("other.png"))
    return at.train("--splits", at.run / "splits.json"), "eye-3", str(at.data)


# Scoring, predicting, importing -----------------------------------------------------------------------------


@case
def nothing_to_score(at):
    shutil.rmtree(at.data / "masks")
    return at.evaluate("--data", at.data), f"{at.data}: holds no labels to score against"


@case
def a_part_that_is_not_there(at):
    for name in ("eye-0", "eye-1"):
        for part in ("images", "masks", "regions"):
            Image.effect_noise((64, 48), 99).convert("RGB").save(at.data / "images" / f"{name}.png")
            assert (at.data / part / f"{name}.png").exists()
    for index in range(2, 6):
        for part in ("images", "masks", "regions"):
            (at.data / part / f"eye-{index}.png").unlink()
    return at.evaluate("--data", at.data, "--split", "train"), f"{at.data}: holds 0 of the 3 images in the train part"


@case
def images_that_moved(at):
    run = at.run_copy()
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "data": str(at.folder / "gone")}))
    return at.evaluate(run=run), f"{at.folder / 'gone'}: there is no such folder"


@case
def a_run_that_does_not_know_its_images(at):
    run = at.run_copy()
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "data": None}))
    return at.evaluate(run=run), f"{run}: does not know its images; name them with --data"


@case
def the_authors_protocol_for_another_geometry(at):
    return at.evaluate("--protocol", "authors"), "the protocol authors is defined for one class at 448x448 squash"


@case
def no_such_image(at):
    path = at.folder / "nothing.png"
    return at.predict(path), f"{path}: the file cannot be read"


@case
def a_text_to_predict(at):
    path = at.file("notes.png")
    return at.predict(path), f"{path}: "


@case
def a_truncated_image_to_predict(at):
    at.image.write_bytes(at.image.read_bytes()[:999])
    return at.predict(at.image), f"{at.image}: "


@case
def a_16_bit_image_for_an_8_bit_run(at):
    Image.fromarray(np.zeros((48, 64), np.uint16)).save(at.image)
    return at.predict(at.image), f"{at.image}: has 1 channels of uint16 where the network was trained on"


@case
def a_folder_without_images_to_predict(at):
    (at.folder / "empty").mkdir()
    return at.predict(at.folder / "empty"), f"{at.folder / 'empty'}: holds no image"


@case
def no_such_checkpoint(at):
    path = at.folder / "drive.th"
    return ("import-official", path, "--output", at.out), f"{path}: there is no such file"


@case
def a_checkpoint_that_is_none(at):
    path = at.file("drive.th")
    return ("import-official", path, "--output", at.out), f"{path}: "


@case
def a_checkpoint_of_another_network(at):
    path = at.folder / "drive.th"
    torch.save({"weight": torch.zeros(1)}, path)
    return ("import-official", path, "--output", at.out), f"{path}: finalconv3.weight is missing"


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_sentence_and_leaves_nothing(name, bench, capsys):
    bench.check(CASES[name], capsys)
