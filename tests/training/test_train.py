"""Training: seeded to the bit, resumable, strict about what it starts from, and right to the golden losses."""

import csv
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from cenet.data.io.read import fingerprint, read_image
from cenet.data.splits import Split
from cenet.errors import CenetError
from cenet.inference.run import Run
from cenet.networks.pretrained import sha256
from cenet.training import checkpoints
from cenet.training import train as training
from cenet.training.callbacks import TrainingProgressBar
from cenet.training.checkpoints import latest_checkpoint
from cenet.training.module import SegmentationModule
from cenet.training.selection import ValidationScores

GOLDEN = Path(__file__).parent / "golden" / "losses.json"


EMPTY_STATE = {
    "epoch": 0,
    "global_step": 0,
    "state_dict": {},
    "loops": {},
    "callbacks": {},
    "optimizer_states": [{}],
    "lr_schedulers": [{}],
    "stopped": False,
}


def begin(run, number=1):
    """Let a run be half trained, with a checkpoint."""
    Run(run).update(finished=False)
    return checkpoints.save_checkpoint(run / checkpoints.CHECKPOINTS / f"epoch-{number:04}.ckpt", EMPTY_STATE)


def rows_of(run):
    return list(csv.DictReader((run / "curve.csv").read_text().splitlines()))


# Golden losses ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def golden_run(cenet, draw, keep):
    """A CE-Net with a ResNet-18, 20 steps from random weights: the run, and the loss of each step."""
    folder = keep("cenet")
    draw(folder / "data", count=4, shape=(96, 128), seed=1)
    losses = []
    step = SegmentationModule.training_step

    def recorded(*arguments):
        loss = step(*arguments)
        losses.append(loss.item())
        return loss

    network = ("--encoder", "resnet18", "--encoder-weights", "none", "--crop-px", 192)
    short = ("--epochs", 2, "--steps-per-epoch", 10, "--batch-size", 1, "--validate-every", 2, "--seed", 3)
    # With Adam, or with larger steps, the rounding errors of another machine would grow into other losses.
    smooth = ("--optimiser", "sgd", "--learning-rate", 0.003)
    machine = ("--validate-tta", "false", "--device", "cpu", "--precision", "32-true", "--workers", 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SegmentationModule, "training_step", recorded)
        places = ("--data", folder / "data", "--output", folder / "run")
        assert cenet("train", "folder", *places, *network, *short, *smooth, *machine) == 0
    return folder / "run", losses


def test_the_first_20_losses_are_the_golden_ones(golden_run):
    """The losses of a tiny CE-Net are what they were when somebody last looked at them.

    Where a change is meant, `CENET_GOLDEN=write python -m pytest tests/training/test_train.py -k golden` writes
    them anew.
    """
    _, losses = golden_run
    assert len(losses) == 20
    if os.environ.get("CENET_GOLDEN") == "write":
        GOLDEN.write_text(json.dumps([round(loss, 7) for loss in losses], indent=1) + "\n")
    np.testing.assert_allclose(losses, json.loads(GOLDEN.read_text()), rtol=1e-3)


def test_the_losses_fall(golden_run):
    _, losses = golden_run
    assert np.mean(losses[-5:]) < 0.95 * np.mean(losses[:5])


# Seeds and splits -------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_weights_to_the_bit(run, cenet, small, images, tmp_path):
    assert cenet("train", "folder", "--data", images, "--output", tmp_path / "again", *small) == 0
    assert Run(tmp_path / "again").facts.weights_sha256 == Run(run).facts.weights_sha256
    assert (tmp_path / "again" / "splits.json").read_text() == (run / "splits.json").read_text()


def test_another_seed_gives_another_split_and_other_weights(run, images, machine, unfitted, tmp_path):
    recipe = Run(run).recipe
    for seed in (0, 1):
        training.train(recipe.replace(seed=seed), images, output=tmp_path / str(seed), device=machine)
        unfitted[seed] = unfitted["run"].split, unfitted["network"].state_dict()
    assert unfitted[0][0] != unfitted[1][0]
    assert not torch.equal(unfitted[0][1]["head.weight"], unfitted[1][1]["head.weight"])


def test_a_split_is_used_again_whatever_the_seed(run, images, machine, unfitted, tmp_path):
    training.train(
        Run(run).recipe.replace(seed=99),
        images,
        output=tmp_path / "run",
        device=machine,
        splits=run / "splits.json",
    )
    assert unfitted["run"].split == Run(run).split
    assert [sample.name for sample in unfitted["samples"]["train"]] == list(Run(run).split.parts["train"])


def test_black_and_white_are_those_of_the_training_images(grey16_run, draw, machine, unfitted, tmp_path):
    data = draw(tmp_path / "data", channels=1, dtype=np.uint16, regions=False)
    for number, factor in ((3, 0.2), (4, 3)):  # neither validation nor test has a say
        path = data / "images" / f"eye-{number}.png"
        image = np.array(Image.open(path))
        Image.fromarray(np.clip(image * factor, 0, 65535).astype(np.uint16)).save(path)
    split = split_of(data, train=[0, 1, 2], validation=[3, 4], test=[5])
    training.train(Run(grey16_run).recipe, data, output=tmp_path / "run", device=machine, splits=split)
    values = [read_image(data / "images" / f"eye-{number}.png") for number in (0, 1, 2)]
    expected = min(np.percentile(image, 0.5) for image in values), max(np.percentile(image, 99.5) for image in values)
    assert unfitted["run"].facts.value_range == pytest.approx(expected)


def test_a_group_stays_on_one_side(run, images, machine, unfitted, tmp_path):
    pairs = "e(?=ye-[01])|y(?=e-[23])|-(?=[45])"
    training.train(Run(run).recipe, images, output=tmp_path / "run", device=machine, group_pattern=pairs)
    assert unfitted["run"].facts.group_pattern == pairs
    parts = {frozenset(names) for names in unfitted["run"].split.parts.values()}
    assert parts == {frozenset({f"eye-{k}", f"eye-{k + 1}"}) for k in (0, 2, 4)}


def test_checkpoints_go_when_training_is_finished_unless_they_are_kept(run, cenet, small, images, tmp_path):
    assert load_file(run / "weights.safetensors")
    assert not (run / "checkpoints").exists()
    kept = tmp_path / "kept"
    assert cenet("train", "folder", "--data", images, "--output", kept, *small, "--keep-checkpoints") == 0
    assert torch.load(latest_checkpoint(kept), weights_only=True)["epoch"] == 1
    assert len(list((kept / "checkpoints").iterdir())) == 2


# What the parts hold ----------------------------------------------------------------------------------------


def split_of(data, **parts):
    """A split of drawn images by their numbers."""
    names = {part: tuple(f"eye-{number}" for number in numbers) for part, numbers in parts.items()}
    groups = {name: name for part in names.values() for name in part}
    prints = {name: fingerprint(read_image(data / "images" / f"{name}.png")) for name in groups}
    return Split(names, groups, prints)


def redraw(data, numbers, values):
    """Replace label values of some images: 2 -> 0 rubs the block out."""
    for number in numbers:
        path = data / "masks" / f"eye-{number}.png"
        label = np.array(Image.open(path))
        for old, new in values.items():
            label[label == old] = new
        Image.fromarray(label).save(path)


@pytest.mark.parametrize(("part", "numbers"), [("validation", [3]), ("train", [0, 1, 2])])
def test_a_part_of_background_alone_is_refused(run, draw, machine, tmp_path, part, numbers):
    data = draw(tmp_path / "data")
    redraw(data, numbers, {255: 0})
    split = split_of(data, train=[0, 1, 2], validation=[3], test=[4, 5])
    with pytest.raises(CenetError, match=f"^{data}: the {part} part holds no foreground; add images, or draw another"):
        training.train(Run(run).recipe, data, output=tmp_path / "run", device=machine, splits=split)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("rubbed", [1, 2])
def test_a_class_that_a_part_lacks_is_noted(run, draw, machine, unfitted, tmp_path, capsys, nested, rubbed):
    data = draw(tmp_path / "data", num_classes=3)
    redraw(data, [3], {rubbed: 0})
    recipe = Run(run).recipe.replace(num_classes=3, nested=nested)
    split = split_of(data, train=[0, 1, 2], validation=[3], test=[4, 5])
    training.train(recipe, data, output=tmp_path / "run", device=machine, splits=split)
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    note = f"note: the validation part holds no class {rubbed}; it does not count in the choice of the epoch"
    assert notes == ([] if nested and rubbed == 1 else [note])  # the inner class is inside the outer one


def test_a_label_without_annotated_pixels_is_noted(run, draw, machine, unfitted, tmp_path, capsys):
    data = draw(tmp_path / "data")
    split = split_of(data, train=[0, 1, 2], validation=[3], test=[4, 5])
    redraw(data, [1], {0: 7, 255: 7})
    training.train(Run(run).recipe, data, output=tmp_path / "run", device=machine, splits=split, ignore_value=7)
    assert "note: eye-1.png: all of its pixels are unannotated" in capsys.readouterr().err


def test_the_same_image_in_two_groups_of_a_part_is_noted(run, images, machine, unfitted, tmp_path, capsys):
    data = shutil.copytree(images, tmp_path / "data")
    shutil.copy(data / "images" / "eye-0.png", data / "images" / "eye-1.png")
    split = split_of(data, train=[0, 1, 2], validation=[3], test=[4, 5])
    training.train(Run(run).recipe, data, output=tmp_path / "run", device=machine, splits=split)
    assert "note: eye-0 and eye-1 of the train part are the same image, which counts as two " in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has names that are not UTF-8")
@pytest.mark.parametrize("names", [(b"data\xff", b"run"), (b"data", b"run\xff"), (b"data", b"\xff/run")])
def test_a_folder_whose_name_a_run_cannot_hold_is_refused_before_anything_is_read(run, machine, tmp_path, names):
    data, output = (tmp_path / os.fsdecode(name) for name in names)
    with pytest.raises(CenetError, match="its path is not UTF-8"):
        training.train(Run(run).recipe, data, output=output, device=machine)
    assert not output.exists()


def test_a_place_that_takes_no_files_is_refused_before_anything_is_read(run, machine, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(CenetError, match=f"^{tmp_path / 'file' / 'run'}: cannot be written"):
        training.train(Run(run).recipe, tmp_path / "nowhere", output=tmp_path / "file" / "run", device=machine)


# Stopping and going on --------------------------------------------------------------------------------------


@pytest.fixture
def interrupt(monkeypatch):
    """Lets the user press Ctrl-C at a step of the training."""

    def at_step(step):
        def press(self, trainer, *_):
            if trainer.global_step == step:
                raise KeyboardInterrupt

        monkeypatch.setattr(TrainingProgressBar, "on_train_batch_end", press)

    before = signal.getsignal(signal.SIGINT)
    yield at_step
    signal.signal(signal.SIGINT, before)


def test_a_stopped_training_says_so_and_resumes_after_its_last_epoch(
    cenet, small, images, run, tmp_path, interrupt, monkeypatch, capsys
):
    stopped = tmp_path / "stopped"
    interrupt(3)  # in the second epoch
    status = cenet("train", "folder", "--data", images, "--output", stopped, *small)
    errors = capsys.readouterr().err
    assert [row["epoch"] for row in rows_of(stopped)] == ["0"]
    assert not Run(stopped).facts.finished
    monkeypatch.undo()
    assert cenet("train", "--resume", stopped, "--device", "cpu", "--precision", "32-true", "--workers", 0) == 0
    assert [(row["epoch"], row["step"]) for row in rows_of(stopped)] == [("0", "2"), ("1", "4")]
    assert rows_of(stopped)[0].items() >= {"loss": rows_of(run)[0]["loss"]}.items()
    assert Run(stopped).facts.finished
    assert Run(stopped).network()
    assert status == 130
    assert errors.splitlines()[-1] == "cenet: stopped"


def test_resuming_a_finished_run_changes_nothing_and_says_so(cenet, run, tmp_path, capsys):
    copy = shutil.copytree(run, tmp_path / "copy")
    assert cenet("train", "--resume", copy, "--device", "cpu", "--precision", "32-true", "--workers", 0) == 0
    assert f"--init-from {copy}" in capsys.readouterr().err
    assert rows_of(copy) == rows_of(run)
    assert Run(copy).facts == Run(run).facts
    assert sha256(copy / "weights.safetensors") == sha256(run / "weights.safetensors")


def test_images_that_moved_are_named_when_going_on(run_copy, images, machine, unfitted, tmp_path):
    begin(run_copy)
    Run(run_copy).update(data=str(tmp_path / "gone"))
    with pytest.raises(CenetError, match="gone: there is no such folder"):
        training.resume(run_copy, device=machine)
    training.resume(run_copy, data=images, device=machine)
    assert [sample.image.parent for sample in unfitted["samples"]["train"]] == [images / "images"] * 3


def test_a_run_without_anything_to_resume_is_refused(run_copy, machine):
    Run(run_copy).update(finished=False)
    with pytest.raises(CenetError, match=f"{run_copy}: has no checkpoint to resume from; train again"):
        training.resume(run_copy, device=machine)
    (run_copy / "splits.json").unlink()
    with pytest.raises(CenetError, match=f"{run_copy}: was imported, not trained; use --init-from"):
        training.resume(run_copy, device=machine)


def test_a_run_whose_checkpoints_are_all_corrupted_is_refused_by_name(run_copy, machine):
    for number in (1, 2):
        begin(run_copy, number).write_bytes(b"PK\x03\x04")
    with pytest.raises(CenetError, match=f"{run_copy / 'checkpoints'}: every checkpoint is corrupted; "):
        training.resume(run_copy, device=machine)


def test_altered_images_are_refused_when_going_on(run_copy, images, draw, machine, tmp_path):
    begin(run_copy)
    draw(tmp_path / "other", seed=8)
    with pytest.raises(CenetError, match=r"other: eye-\d of the split is altered"):
        training.resume(run_copy, data=tmp_path / "other", device=machine)
    name = Run(run_copy).split.parts["train"][0]
    for part in ("images", "masks", "regions"):
        (tmp_path / "other" / part / f"{name}.png").unlink()
    with pytest.raises(CenetError, match=f"other: {name} of the split is missing"):
        training.resume(run_copy, data=tmp_path / "other", device=machine)


@pytest.mark.parametrize("part", ["masks", "regions"])
@pytest.mark.parametrize("side", ["train", "validation"])
def test_altered_labels_are_refused_when_going_on(run_copy, images, machine, unfitted, tmp_path, part, side):
    begin(run_copy)
    data = shutil.copytree(images, tmp_path / "data")
    training.resume(run_copy, data=data, device=machine)
    name = Run(run_copy).split.parts[side][0]
    path = data / part / f"{name}.png"
    Image.fromarray(255 - np.array(Image.open(path))).save(path)
    with pytest.raises(CenetError, match=f"the label or region of {name} is another"):
        training.resume(run_copy, data=data, device=machine)


def test_labels_of_the_test_part_are_not_known(run):
    split = Run(run).split
    assert split.label_fingerprints.keys() == {*split.parts["train"], *split.parts["validation"]}


def test_labels_may_be_corrected_for_a_new_training_on_the_split_of_another(run, images, machine, unfitted, tmp_path):
    data = shutil.copytree(images, tmp_path / "data")
    name = Run(run).split.parts["train"][0]
    Image.fromarray(255 - np.array(Image.open(data / "masks" / f"{name}.png"))).save(data / "masks" / f"{name}.png")
    training.train(Run(run).recipe, data, output=tmp_path / "new", device=machine, splits=run / "splits.json")
    assert Run(tmp_path / "new").split.label_fingerprints[name] != Run(run).split.label_fingerprints[name]
    with pytest.raises(CenetError, match="is another than when"):
        training.train(Run(run).recipe, data, output=tmp_path / "same", device=machine, splits=Run(run).split)


def test_training_stops_where_the_validation_no_longer_improves(cenet, small, images, tmp_path, monkeypatch):
    monkeypatch.setattr(ValidationScores, "best", lambda self: ((0.5,), 0.25))
    options = (*small, "--epochs", 9, "--steps-per-epoch", 1, "--patience", 2)
    assert cenet("train", "folder", "--data", images, "--output", tmp_path / "run", *options) == 0
    assert [row["epoch"] for row in rows_of(tmp_path / "run")] == ["0", "1", "2"]
    assert Run(tmp_path / "run").facts.epoch == 0


def test_validation_may_be_rarer_than_epochs(golden_run):
    run, _ = golden_run
    rows = rows_of(run)
    assert [row["validation_dice"] == "nan" for row in rows] == [True, False]
    assert Run(run).facts.epoch == 1


# Without validation -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run_on_all(cenet, small, draw, keep):
    """A run that was trained on all six images, with its checkpoints kept; and its folder of images."""
    folder = keep("all")
    draw(folder / "data")
    options = (*small, "--selection", "average", "--patience", "none", "--test-fraction", 0, "--validation-fraction", 0)
    places = ("--data", folder / "data", "--output", folder / "run")
    assert cenet("train", "folder", *places, *options, "--keep-checkpoints") == 0
    return folder / "run", folder / "data"


def test_without_validation_every_image_is_trained_on_and_the_threshold_is_one_half(run_on_all):
    run = Run(run_on_all[0])
    assert {part: len(names) for part, names in run.split.parts.items()} == {"train": 6, "validation": 0, "test": 0}
    assert run.facts.finished
    assert run.facts.validation_dice is None
    assert [point.thresholds for point in run.facts.operating_points] == [(0.5,)]
    assert {row["validation_dice"] for row in rows_of(run.path)} == {"nan"}
    assert "all images were trained on" in (run.path / "MODEL_CARD.md").read_text()
    assert run.predictor()(np.zeros((48, 64, 3), np.uint8)).mask.shape == (48, 64)


def test_a_training_without_validation_is_resumed_to_the_same_weights(run_on_all, tmp_path):
    folder, data = run_on_all
    shutil.copytree(folder, tmp_path / "run")
    for newer in sorted((tmp_path / "run" / checkpoints.CHECKPOINTS).glob("*.ckpt"))[1:]:
        newer.unlink()
    Run(tmp_path / "run").update(finished=False)
    training.resume(tmp_path / "run", data=data)
    assert Run(tmp_path / "run").facts.weights_sha256 == Run(folder).facts.weights_sha256


def test_a_split_without_validation_is_refused_for_a_recipe_with_one(run, images, machine, tmp_path):
    split = Run(run).split
    parts = split.parts | {"train": split.parts["train"] + split.parts["validation"], "validation": ()}
    with pytest.raises(CenetError, match=r"^split: it has no image for validation; .* --validation-fraction 0$"):
        training.train(
            Run(run).recipe,
            images,
            output=tmp_path / "run",
            device=machine,
            splits=Split(parts, split.groups, split.fingerprints),
        )
    assert not (tmp_path / "run").exists()


# Other recipes ----------------------------------------------------------------------------------------------


def test_the_papers_settings_train_a_u_net_on_whole_squashed_images(cenet, small, images, tmp_path):
    whole = (
        "--network",
        "unet",
        "--resize-mode",
        "square",
        "--size-px",
        32,
        "--crop-px",
        "none",
        "--expand-d4",
        "true",
        "--loss",
        "dice",
    )
    sgd = ("--optimiser", "sgd", "--schedule", "poly", "--learning-rate", 4e-3, "--epochs", 1)
    options = (*small, *whole, *sgd, "--steps-per-epoch", "none", "--batch-size", 8)
    assert (
        cenet("train", "drive-paper", "--task", "folder", "--data", images, "--output", tmp_path / "r", *options) == 0
    )
    run = Run(tmp_path / "r")
    assert rows_of(tmp_path / "r")[0]["step"] == "3"  # 3 images in 8 views, 8 in a batch
    assert run.predictor()(np.zeros((48, 64, 3), np.uint8)).mask.shape == (48, 64)
    assert "Not confirmed by the paper's record: " in (tmp_path / "r" / "MODEL_CARD.md").read_text()


def test_images_smaller_than_a_crop_are_trained_on(cenet, small, draw, tmp_path):
    draw(tmp_path / "data", shape=(20, 70), count=3)
    options = (*small, "--crop-px", 64, "--epochs", 1, "--steps-per-epoch", 1)
    assert cenet("train", "folder", "--data", tmp_path / "data", "--output", tmp_path / "run", *options) == 0
    assert Run(tmp_path / "run").facts.finished
