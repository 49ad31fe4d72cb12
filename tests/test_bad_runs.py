"""Runs, splits, checkpoints and images to predict that cannot be used are refused, and nothing is written."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from cenet.training.checkpoints import CHECKPOINTS, save_checkpoint

CASES = {}


def case(function):
    """A case breaks something, and returns a command, the subject of its error, and what the error mentions."""
    CASES[function.__name__.replace("_", " ")] = function
    return function


# Runs -------------------------------------------------------------------------------------------------------


@case
def no_such_run(at):
    return at.predict(at.image, run=at.folder / "nowhere"), at.folder / "nowhere"


@case
def a_folder_that_is_no_run(at):
    return at.evaluate(run=at.data), at.data


@case
def a_run_without_weights(at):
    run = at.run_copy()
    (run / "weights.safetensors").unlink()
    return at.predict(at.image, run=run), run / "weights.safetensors"


@case
def a_run_with_corrupted_weights(at):
    weights = at.run_copy() / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    return at.evaluate(run=weights.parent), weights


@case
def a_run_with_foreign_weights(at):
    weights = at.run_copy() / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-9] ^= 255
    weights.write_bytes(content)
    return at.predict(at.image, run=weights.parent), weights


@case
def a_run_with_a_corrupted_split(at):
    run = at.run_copy()
    (run / "splits.json").write_text("{")
    return at.evaluate(run=run), run / "splits.json"


@case
def nothing_to_resume(at):
    return ("train", "--resume", at.folder / "nowhere"), at.folder / "nowhere"


@case
def a_run_without_a_checkpoint(at):
    return ("train", "--resume", at.unfinished_run(), "--device", "cpu"), at.folder / "run"


@case
def a_resumed_run_with_other_values(at):
    return ("train", "--resume", at.run, "--epochs", 9), at.run


@case
def a_start_that_is_no_run(at):
    return at.train("--init-from", at.data), at.data


@case
def a_start_from_another_network(at):
    return at.cenet("--init-from", at.run), at.run, "--network tiny"


@case
def a_split_that_is_not_there(at):
    path = at.folder / "splits.json"
    return at.train("--splits", path), path


@case
def a_split_that_is_none(at):
    path = at.file("splits.json", b"[]")
    return at.train("--splits", path), path


@case
def a_split_without_images_to_train_on(at):
    path = at.file("splits.json", json.dumps({**at.split, "train": []}).encode())
    return at.train("--splits", path), path, "train"


@case
def a_split_with_a_group_on_both_sides(at):
    at.split["test"][0]["group"] = at.split["train"][0]["group"]
    return (
        at.train("--splits", at.file("splits.json", json.dumps(at.split).encode())),
        at.folder / "splits.json",
        "group",
    )


@case
def a_split_of_other_images(at):
    at.image.rename(at.image.with_name("other.png"))
    at.mask.rename(at.mask.with_name("other.png"))
    at.region.rename(at.region.with_name("other.png"))
    return at.train("--splits", at.run / "splits.json"), at.data, at.learnt


@case
def a_split_with_one_photograph_on_both_sides(at):
    at.split["test"][0]["fingerprint"] = at.split["train"][0]["fingerprint"]
    path = at.file("splits.json", json.dumps(at.split).encode())
    return at.train("--splits", path), path


@case
def images_that_were_altered_since_they_were_split(at):
    Image.effect_noise((64, 48), 99).convert("RGB").save(at.image)
    return at.train("--splits", at.run / "splits.json"), at.data, at.learnt


@case
def images_that_were_altered_since_the_training_began(at):
    run = at.unfinished_run()
    save_checkpoint(run / CHECKPOINTS / "epoch-0001.ckpt", {})
    Image.effect_noise((64, 48), 99).convert("RGB").save(at.image)
    return ("train", "--resume", run, "--data", at.data, "--device", "cpu"), at.data, at.learnt


@case
def a_run_that_another_process_trains(at):
    run = at.unfinished_run()
    save_checkpoint(run / CHECKPOINTS / "epoch-0001.ckpt", {})
    at.lock = FileLock(run / ".lock")
    at.lock.acquire()
    return ("train", "--resume", run, "--device", "cpu"), run


def resume_from(at, state):
    """Resume a copy of the run from a checkpoint that holds this, under a right checksum."""
    run = at.unfinished_run()
    path = save_checkpoint(run / CHECKPOINTS / "epoch-0001.ckpt", state)
    options = ("--data", at.data, "--device", "cpu", "--precision", "32-true", "--workers", 0)
    return ("train", "--resume", run, *options), path


@case
def a_checkpoint_of_another_program(at):
    return resume_from(at, {"model": torch.zeros(3)})


@case
def a_checkpoint_that_would_run_code(at):
    return resume_from(at, {"state_dict": Path})


def change_metadata(at, **changes):
    """A copy of the run with other values in its run.json."""
    file = at.run_copy() / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return at.predict(at.image, run=file.parent), file


@case
def a_run_of_fewer_channels_than_none(at):
    return change_metadata(at, in_channels=-3)


@case
def a_run_of_more_channels_than_a_machine_holds(at):
    return change_metadata(at, in_channels=10**12)


@case
def a_run_with_two_classes_for_one_map(at):
    return change_metadata(at, classes=["vein", "artery"], shares=[], labels=None)


@case
def a_run_described_by_a_pipe(at):
    file = at.run_copy() / "run.json"
    file.unlink()
    os.mkfifo(file)
    return at.predict(at.image, run=file.parent), file.parent


@case
def a_localiser_that_points_to_itself(at):
    run = at.run_copy()
    file = run / "recipe.json"
    recipe = {**json.loads(file.read_text()), "resize_mode": "square", "crop_px": None, "roi_fraction": 0.5}
    file.write_text(json.dumps(recipe))
    (run / "localiser").symlink_to(run)
    return at.predict(at.image, run=run), run / "localiser"


# Ensembles --------------------------------------------------------------------------------------------------


@case
def an_ensemble_without_members(at):
    path = at.file("data/ensemble.json", b'{"members": []}')
    return at.predict(at.image, run=at.data), path


@case
def an_ensemble_that_is_corrupted(at):
    path = at.file("data/ensemble.json", b'{"members": ["fol')
    return at.predict(at.image, run=at.data), path


@case
def an_ensemble_whose_member_is_gone(at):
    at.file("data/ensemble.json", b'{"members": ["fold-0"]}')
    return at.evaluate(run=at.data), at.data / "fold-0"


@case
def an_ensemble_with_a_member_that_is_half_trained(at):
    shutil.copytree(at.unfinished_run(), at.data / "run")
    at.file("data/ensemble.json", b'{"members": ["run"]}')
    return at.predict(at.image, run=at.data), at.data / "run"


@case
def an_ensemble_with_a_member_elsewhere(at):
    at.run_copy()
    path = at.file("data/ensemble.json", b'{"members": ["../run"]}')
    return at.predict(at.image, run=at.data), path


# Scoring, predicting, importing -----------------------------------------------------------------------------


@case
def nothing_to_score(at):
    shutil.rmtree(at.data / "masks")
    return at.evaluate("--data", at.data), at.data


@case
def a_test_image_without_a_label(at):
    path = at.mask.with_name(f"{at.held_out}.png")
    path.unlink()
    return at.evaluate("--data", at.data), at.data / "images" / path.name


@case
def a_label_value_that_the_run_does_not_know(at):
    path = at.mask.with_name(f"{at.held_out}.png")
    values = np.array(Image.open(path))
    values[:3] = 7
    Image.fromarray(values).save(path)
    return at.evaluate("--data", at.data), path, "7"


@case
def a_label_of_another_size_to_score(at):
    path = at.mask.with_name(f"{at.held_out}.png")
    Image.new("L", (48, 64)).save(path)
    return at.evaluate("--data", at.data), path, "48 x 64"


@case
def classes_of_other_images_that_are_more_than_the_runs(at):
    for image in at.image.parent.iterdir():
        Image.effect_noise((64, 48), 99).convert("RGB").save(image)
    path = at.file("data/classes.json", b'{"classes": [{"name": "a", "value": 255}, {"name": "b", "value": 9}]}')
    return at.evaluate("--data", at.data), path


@case
def a_task_that_is_not_there(at):
    return at.evaluate("--data", at.data, "--task", "fundus"), "task fundus"


@case
def a_part_that_is_not_there(at):
    for name in ("eye-0", "eye-1"):
        for part in ("images", "masks", "regions"):
            Image.effect_noise((64, 48), 99).convert("RGB").save(at.data / "images" / f"{name}.png")
            assert (at.data / part / f"{name}.png").exists()
    for index in range(2, 6):
        for part in ("images", "masks", "regions"):
            (at.data / part / f"eye-{index}.png").unlink()
    return at.evaluate("--data", at.data, "--split", "train"), at.data


@case
def images_that_moved(at):
    run = at.run_copy()
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "data": str(at.folder / "gone")}))
    return at.evaluate(run=run), at.folder / "gone"


@case
def a_run_that_does_not_know_its_images(at):
    run = at.run_copy()
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "data": None}))
    return at.evaluate(run=run), run, "--data"


@case
def the_authors_protocol_for_another_geometry(at):
    return at.evaluate("--protocol", "authors"), "recipe folder", "authors"


@case
def a_comparison_of_a_run_that_was_not_scored(at):
    run = at.run_copy()
    return ("compare", run, run), run, str(run), "--protocol"


@case
def a_comparison_of_one_run(at):
    return ("compare", at.run), at.run


@case
def a_comparison_of_two_protocols(at):
    one, other = at.scored("one"), at.scored("other", "--protocol", "frame")
    return ("compare", one, other, "--output", at.out), other, str(one), "protocol"


@case
def a_comparison_of_two_tasks(at):
    one = at.scored("one")
    other = shutil.copytree(one, at.folder / "other")
    report = json.loads((other / "report.json").read_text())
    (other / "report.json").write_text(json.dumps({**report, "data": {**report["data"], "task": "drive"}}))
    return ("compare", one, other, "--output", at.out), other, str(one), "task"


@case
def a_comparison_of_two_parts(at):
    one, other = at.scored("one"), at.scored("other", "--split", "train")
    return ("compare", one, other, "--output", at.out), other, str(one), "part"


@case
def a_comparison_on_other_labels(at):
    path = at.mask.with_name(f"{at.held_out}.png")
    Image.fromarray(255 - np.array(Image.open(path))).save(path)
    one, other = at.scored("one"), at.scored("other", "--data", at.data)
    return ("compare", one, other), other, str(one)


@case
def a_comparison_of_a_corrupted_report(at):
    one = at.scored("one")
    (one / "histograms.npz").write_bytes(b"PK")
    return ("compare", one, one), one / "histograms.npz"


@case
def a_page_about_a_run_that_was_not_scored(at):
    run = at.run_copy()
    return ("report", run, "--output", at.folder / "page.html"), run, str(run), "--protocol"


@case
def no_such_image(at):
    path = at.folder / "nothing.png"
    return at.predict(path), path


@case
def a_text_to_predict(at):
    path = at.file("notes.png")
    return at.predict(path), path


@case
def a_truncated_image_to_predict(at):
    at.image.write_bytes(at.image.read_bytes()[:999])
    return at.predict(at.image), at.image


@case
def a_16_bit_image_for_an_8_bit_run(at):
    Image.fromarray(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)).save(at.image)
    return at.predict(at.image), at.image


@case
def a_folder_without_images_to_predict(at):
    (at.folder / "empty").mkdir()
    return at.predict(at.folder / "empty"), at.folder / "empty"


@case
def no_such_checkpoint(at):
    path = at.folder / "drive.th"
    return ("import-official", path, "--output", at.out), path


@case
def a_checkpoint_that_is_none(at):
    path = at.file("drive.th")
    return ("import-official", path, "--output", at.out), path


@case
def a_checkpoint_of_another_network(at):
    path = at.folder / "drive.th"
    torch.save({"weight": torch.zeros(1)}, path)
    return ("import-official", path, "--output", at.out), path


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused_and_leaves_nothing(name, bench, capsys, monkeypatch):
    bench.check(CASES[name], capsys, monkeypatch)
