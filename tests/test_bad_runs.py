"""Runs, splits, checkpoints and images to predict that cannot be used: one sentence, and nothing half-written."""

import json
import shutil

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image

from cenet.training.checkpoints import FOLDER, save_checkpoint

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
    return at.train("--init-from", at.data), f"{at.data}: run.json is missing"


@case
def a_start_from_another_network(at):
    return at.cenet("--init-from", at.run), f"{at.run}: its network is unet", "add --network unet"


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
    path = at.file("splits.json", json.dumps({**at.split, "train": []}).encode())
    return at.train("--splits", path), "the split has nothing for train"


@case
def a_split_with_a_group_on_both_sides(at):
    at.split["test"][0]["group"] = at.split["train"][0]["group"]
    return at.train("--splits", at.file("splits.json", json.dumps(at.split).encode())), "keep every group on one side"


@case
def a_split_of_other_images(at):
    at.image.rename(at.image.with_name("other.png"))
    at.mask.rename(at.mask.with_name("other.png"))
    at.region.rename(at.region.with_name("other.png"))
    return at.train("--splits", at.run / "splits.json"), f"{at.data}: {at.learnt} of the split is not there"


@case
def a_split_with_one_photograph_on_both_sides(at):
    at.split["test"][0]["fingerprint"] = at.split["train"][0]["fingerprint"]
    path = at.file("splits.json", json.dumps(at.split).encode())
    return at.train("--splits", path), f"{path}: ", "are the same picture, one in train and one in test"


@case
def images_that_were_altered_since_they_were_split(at):
    Image.effect_noise((64, 48), 99).convert("RGB").save(at.image)
    return at.train("--splits", at.run / "splits.json"), f"{at.data}: {at.learnt} of the split is altered"


@case
def images_that_were_altered_since_the_training_began(at):
    run = at.run_copy()
    save_checkpoint(run / FOLDER / "epoch-0001.ckpt", {})
    Image.effect_noise((64, 48), 99).convert("RGB").save(at.image)
    return ("train", "--resume", run, "--data", at.data, "--device", "cpu"), f"{at.data}: {at.learnt} of the split is"


@case
def a_run_that_another_process_trains(at):
    run = at.run_copy()
    save_checkpoint(run / FOLDER / "epoch-0001.ckpt", {})
    at.lock = FileLock(run / ".lock")
    at.lock.acquire()
    words = f"{run}: another process is training this run; wait for its end, or stop it"
    return ("train", "--resume", run, "--device", "cpu"), words


# Ensembles --------------------------------------------------------------------------------------------------


@case
def an_ensemble_without_members(at):
    path = at.file("data/ensemble.json", b'{"members": []}')
    return at.predict(at.image, run=at.data), f"{path}: lists no runs; name a folder that `cenet cross-validate` has"


@case
def an_ensemble_that_is_torn(at):
    path = at.file("data/ensemble.json", b'{"members": ["fol')
    return at.predict(at.image, run=at.data), f"{path}: lists no runs"


@case
def an_ensemble_whose_member_is_gone(at):
    at.file("data/ensemble.json", b'{"members": ["fold-0"]}')
    return at.evaluate(run=at.data), f"{at.data / 'fold-0'}: is no run folder"


@case
def an_ensemble_with_a_member_that_is_half_trained(at):
    run = at.run_copy()
    facts = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**facts, "finished": False}))
    at.file("data/ensemble.json", b'{"members": ["../run"]}')
    return at.predict(at.image, run=at.data), f"{at.data / '..' / 'run'}: its training has not come to its end"


# Scoring, predicting, importing -----------------------------------------------------------------------------


@case
def nothing_to_score(at):
    shutil.rmtree(at.data / "masks")
    return at.evaluate("--data", at.data), f"{at.data}: holds no labels to score against"


@case
def a_test_image_without_a_label(at):
    path = at.mask.with_name(f"{at.sealed}.png")
    path.unlink()
    return at.evaluate("--data", at.data), f"{at.data / 'images' / path.name}: has no label to score against"


@case
def a_label_value_that_the_run_does_not_know(at):
    path = at.mask.with_name(f"{at.sealed}.png")
    values = np.array(Image.open(path))
    values[:3] = 7
    Image.fromarray(values).save(path)
    words = "the label holds 7, but the labels are: 0 -> background, 255 -> foreground; mend the label"
    return at.evaluate("--data", at.data), f"{path}: {words}"


@case
def a_label_of_another_size_to_score(at):
    path = at.mask.with_name(f"{at.sealed}.png")
    Image.new("L", (48, 64)).save(path)
    return at.evaluate("--data", at.data), f"{path}: its size is 48 x 64 pixels but "


@case
def classes_of_other_images_that_are_more_than_the_runs(at):
    for image in at.image.parent.iterdir():
        Image.effect_noise((64, 48), 99).convert("RGB").save(image)
    path = at.file("data/classes.json", b'{"classes": [{"name": "a", "value": 255}, {"name": "b", "value": 9}]}')
    return at.evaluate("--data", at.data), f"{path}: it names 2 classes, but 1 are asked for"


@case
def a_task_that_is_not_there(at):
    return at.evaluate(
        "--data", at.data, "--task", "fundus"
    ), "--task fundus: there is no such task; choose from folder"


@case
def a_part_that_is_not_there(at):
    for name in ("eye-0", "eye-1"):
        for part in ("images", "masks", "regions"):
            Image.effect_noise((64, 48), 99).convert("RGB").save(at.data / "images" / f"{name}.png")
            assert (at.data / part / f"{name}.png").exists()
    for index in range(2, 6):
        for part in ("images", "masks", "regions"):
            (at.data / part / f"eye-{index}.png").unlink()
    return at.evaluate("--data", at.data, "--split", "train"), f"{at.data}: does not hold the 3 images in "


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
def a_comparison_of_a_run_that_was_not_scored(at):
    run = at.run_copy()
    return ("compare", run, run), f"{run}: holds no such report; run `cenet evaluate {run} --protocol region` first"


@case
def a_comparison_of_one_run(at):
    return ("compare", at.run), f"{at.run}: is nothing to compare with; name two runs or more"


@case
def a_comparison_of_two_protocols(at):
    one, other = at.scored("one"), at.scored("other", "--protocol", "frame")
    words = f"{other}: cannot be compared with {one}, protocol frame and region; score both alike"
    return ("compare", one, other, "--output", at.out), words


@case
def a_comparison_of_two_tasks(at):
    one = at.scored("one")
    other = shutil.copytree(one, at.folder / "other")
    report = json.loads((other / "report.json").read_text())
    (other / "report.json").write_text(json.dumps({**report, "data": {**report["data"], "task": "drive"}}))
    words = f"{other}: cannot be compared with {one}, task drive and folder; score both alike"
    return ("compare", one, other, "--output", at.out), words


@case
def a_comparison_of_two_parts(at):
    one, other = at.scored("one"), at.scored("other", "--split", "train")
    return ("compare", one, other, "--output", at.out), f"{other}: cannot be compared with {one}, part train and test"


@case
def a_comparison_on_other_labels(at):
    path = at.mask.with_name(f"{at.sealed}.png")
    Image.fromarray(255 - np.array(Image.open(path))).save(path)
    one, other = at.scored("one"), at.scored("other", "--data", at.data)
    return ("compare", one, other), f"{other}: cannot be compared with {one}, ", "score both with the same labels"


@case
def a_comparison_of_a_torn_report(at):
    one = at.scored("one")
    (one / "histograms.npz").write_bytes(b"PK")
    return ("compare", one, one), f"{one / 'histograms.npz'}: is missing or corrupted"


@case
def a_page_about_a_run_that_was_not_scored(at):
    run = at.run_copy()
    words = f"{run}: holds no such report; run `cenet evaluate {run} --protocol region` first"
    return ("report", run, "--output", at.folder / "page.html", "--device", "cpu"), words


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
    Image.fromarray(np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)).save(at.image)
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
