"""The run folder: it rebuilds the network exactly, and is refused where a file is missing or corrupted."""

import csv
import getpass
import json
import platform
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import cenet as package
from cenet.config.presets import load_recipe
from cenet.data.io.files import write_text
from cenet.data.io.read import fingerprint, read_image
from cenet.errors import CenetError
from cenet.inference.device import describe_environment
from cenet.inference.ensemble import load
from cenet.inference.run import Run, format_thresholds
from cenet.inference.run_metadata import RunMetadata
from cenet.networks import build_network
from cenet.networks.pretrained import sha256


def said(action):
    """The one sentence that an action ends with."""
    with pytest.raises(CenetError) as error:
        action()
    message = str(error.value)
    assert "\n" not in message
    return message


# What a run rebuilds ----------------------------------------------------------------------------------------


def test_a_loaded_run_says_what_its_network_says(run, images):
    image = read_image(images / "images" / "eye-0.png")  # 48 x 64: legal for the network as it is
    network = build_network(load_recipe(str(run / "recipe.json")))
    network.load_state_dict(load_file(run / "weights.safetensors"))
    with torch.no_grad():
        logits = network.eval()(torch.from_numpy(image).permute(2, 0, 1)[None].float())
    prediction = package.load(run)(image)
    facts = json.loads((run / "run.json").read_text())
    (point,) = facts["operating_points"]
    (threshold,) = point["thresholds"]
    expected = 1 / (1 + np.exp(-logits[0].double().numpy()))
    np.testing.assert_allclose(prediction.probabilities, expected, atol=1e-5)
    assert np.array_equal(prediction.mask, prediction.probabilities[0] >= threshold)
    assert 0 < prediction.mask.mean() < 1


def test_a_tensor_that_a_network_has_under_two_names_is_kept(run_copy):
    run = Run(run_copy)
    network = run.network()
    tied = torch.nn.ModuleDict({"first": network, "again": network})
    run.save_weights(tied)
    kept = load_file(run_copy / "weights.safetensors")
    names = list(network.state_dict())
    assert sorted(kept) == sorted(f"{part}.{name}" for part in tied for name in names)
    for name in names:
        assert torch.equal(kept[f"first.{name}"], kept[f"again.{name}"])


def test_a_small_image_reaches_a_ce_net_reflected_to_its_smallest_size(cenet_run, images):
    image = read_image(images / "images" / "eye-0.png")
    height, width, _ = image.shape
    top, left = (192 - height) // 2, (192 - width) // 2
    padded = np.pad(image, ((top, 192 - height - top), (left, 192 - width - left), (0, 0)), mode="symmetric")
    with torch.no_grad():
        logits = Run(cenet_run).network()(torch.from_numpy(padded).permute(2, 0, 1)[None].float())
    expected = logits.sigmoid()[0, :, top : top + height, left : left + width].numpy()
    np.testing.assert_allclose(load(cenet_run)(image).probabilities, expected, atol=1e-5)


def test_the_network_of_a_run_is_in_evaluation_mode(run):
    assert not Run(run).network().training


def test_the_weights_are_those_of_the_recorded_checksum(run):
    assert Run(run).facts.weights_sha256 == sha256(run / "weights.safetensors")


# What a run holds -------------------------------------------------------------------------------------------


def test_a_run_records_how_it_was_started_and_its_images(run, images):
    facts = Run(run).facts
    assert facts.started_from == "random weights"
    assert (facts.in_channels, facts.dtype, facts.value_range) == (3, "uint8", (0, 255))
    assert (facts.finished, facts.data, facts.group_pattern) == (True, str(images.resolve()), None)
    assert (facts.precision, facts.memory_format, facts.deterministic) == ("32-true", "channels-last", False)
    assert facts.classes == ("foreground",)
    assert facts.command.startswith("cenet train folder --data images-of-eyes --network tiny --encoder-weights none ")
    assert facts.command.endswith(" --output runs/trained")


def test_16_bit_images_give_the_input_rule_their_own_range(grey16_run):
    facts = Run(grey16_run).facts
    assert (facts.in_channels, facts.dtype) == (1, "uint16")
    folder = grey16_run.parent / "data" / "images"  # held-out images do not count
    images = [read_image(folder / f"{name}.png") for name in Run(grey16_run).split.parts["train"]]
    low = min(np.percentile(image, 0.5) for image in images)
    high = max(np.percentile(image, 99.5) for image in images)
    assert facts.value_range == pytest.approx((low, high))
    normalise = Run(grey16_run).network().normalise
    both = normalise(torch.tensor([low, high]).reshape(2, 1, 1, 1).float())
    assert both.flatten().tolist() == pytest.approx([-127.5 / 64, 127.5 / 64], abs=1e-4)


def test_the_split_divides_the_images_and_holds_their_fingerprints(run, images):
    parts = json.loads((run / "splits.json").read_text())
    rows = [row for part in ("train", "validation", "test") for row in parts[part]]
    assert {part: len(rows) for part, rows in parts.items()} == {"train": 3, "validation": 1, "test": 2}
    assert sorted(row["name"] for row in rows) == [f"eye-{index}" for index in range(6)]
    for row in rows:
        assert row["group"] == row["name"]
        assert row["fingerprint"] == fingerprint(read_image(images / "images" / f"{row['name']}.png"))


def test_the_curve_has_a_row_for_each_epoch_and_the_weights_are_of_the_best(run):
    rows = list(csv.DictReader((run / "curve.csv").read_text().splitlines()))
    assert [(row["epoch"], row["step"]) for row in rows] == [("0", "2"), ("1", "4")]
    assert all(float(row["loss"]) > 0 and float(row["learning_rate"]) > 0 for row in rows)
    facts = Run(run).facts
    dice = [float(row["validation_dice"]) for row in rows]
    assert facts.epoch == int(np.argmax(dice))
    assert facts.validation_dice == pytest.approx(max(dice), abs=1e-4)
    (threshold,) = facts.thresholds
    assert threshold == pytest.approx(float(rows[facts.epoch]["validation_threshold"]), abs=0.0051)


def test_the_environment_holds_versions_and_machine_and_nothing_of_a_person(run):
    environment = json.loads((run / "environment.json").read_text())
    assert (environment["device"], environment["precision"], environment["workers"]) == ("cpu", "32-true", 0)
    assert (environment["python"], environment["torch"]) == (platform.python_version(), metadata.version("torch"))
    assert environment.keys() >= {"cenet", "monai", "pytorch-lightning", "numpy", "scikit-image", "cores", "threads"}
    for secret in (str(Path.home()), platform.node(), getpass.getuser(), str(run.parent)):
        assert secret not in json.dumps([value for value in environment.values() if isinstance(value, str)]).split('"')
    assert describe_environment(more=1)["more"] == 1


def test_the_model_card_says_what_the_run_is_and_what_it_is_not(run):
    card, facts = (run / "MODEL_CARD.md").read_text(), Run(run).facts
    assert "not a medical device" in card
    assert "3 train, 1 validation, 2 test" in card
    assert f"epoch {facts.epoch + 1} of 2, {format_thresholds(facts.thresholds)}" in card
    assert f"on which weights and threshold were chosen, is {facts.validation_dice:.4f}" in card
    assert "random weights" in card
    assert str(run.parent) not in card
    assert facts.data not in card
    assert f"`{facts.command}` (seed 0)" in card


def test_a_run_leaves_nothing_temporary_but_the_files_of_its_locks(run):
    assert {path.name for path in run.rglob(".*")} == {".lock", ".facts.lock"}
    assert (run / ".lock").stat().st_size == 0


# Opening strictly -------------------------------------------------------------------------------------------


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere", tmp_path / "file"):
        assert said(lambda path=path: Run(path)).startswith(f"{path}: is no run folder")
    assert said(lambda: Run(tmp_path)) == (
        f"{tmp_path}: run.json is missing or cannot be read; name a run folder that `cenet train` has written"
    )


@pytest.mark.parametrize("name", ["run.json", "recipe.json"])
@pytest.mark.parametrize("damage", ["gone", "folder", "empty", "cut", "binary", "list", "unknown", "misspelt"])
def test_a_damaged_description_is_refused_by_name(run_copy, name, damage):
    file = run_copy / name
    content = json.loads(file.read_text())
    file.unlink()
    match damage:
        case "folder":
            file.mkdir()
        case "empty":
            file.touch()
        case "cut":
            file.write_text(json.dumps(content)[:40])
        case "binary":
            file.write_bytes(b"\xff\xfe\x00")
        case "list":
            file.write_text("[]")
        case "unknown":
            file.write_text(json.dumps({**content, "unknown": 1}))
        case "misspelt":
            file.write_text(json.dumps({**content, "in_channels" if name == "run.json" else "epochs": "x"}))
    assert said(lambda: Run(run_copy)).startswith(str(run_copy))
    with pytest.raises(CenetError, match=name.replace(".", r"\.")):
        Run(run_copy)


def test_a_field_that_is_missing_and_a_later_format_are_refused(run_copy):
    facts = json.loads((run_copy / "run.json").read_text())
    for wrong in (
        {key: value for key, value in facts.items() if key != "in_channels"},
        {**facts, "format": 1},
        {**facts, "format": 5},
    ):
        write_text(run_copy / "run.json", wrong)
        assert said(lambda: Run(run_copy)).startswith(f"{run_copy / 'run.json'}: is ")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty", "text", "another"])
def test_corrupted_or_foreign_weights_are_refused(run_copy, classes_run, damage):
    path = run_copy / "weights.safetensors"
    match damage:
        case "flipped":
            flip_a_bit(path)
        case "cut":
            path.write_bytes(path.read_bytes()[:-1])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("weights")
        case "another":
            path.write_bytes((classes_run / "weights.safetensors").read_bytes())
    expected = f"{path}: is corrupted or belongs to another run; copy the run folder again"
    assert said(lambda: load(run_copy)) == expected


def test_missing_weights_are_reported(run_copy):
    (run_copy / "weights.safetensors").unlink()
    assert said(lambda: load(run_copy)).startswith(f"{run_copy / 'weights.safetensors'}: is missing")


def test_a_recipe_of_other_classes_is_refused(run_copy):
    recipe = json.loads((run_copy / "recipe.json").read_text())
    write_text(run_copy / "recipe.json", {**recipe, "num_classes": 2})
    assert said(lambda: load(run_copy)).startswith(f"{run_copy / 'run.json'}: does not fit recipe.json")


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_a_tensor_more_or_less_is_refused(run_copy, change):
    path = run_copy / "weights.safetensors"
    state = load_file(path)
    if change == "missing":
        del state["head.bias"]
    else:
        state["more"] = torch.zeros(1)
    save_file(state, path)
    Run(run_copy).update(weights_sha256=sha256(path))
    assert "does not fit recipe.json" in said(lambda: load(run_copy))


@pytest.mark.parametrize("content", ["", "[]", '{"train": []}', '{"train": [1], "validation": [], "test": []}'])
def test_a_corrupted_split_is_refused_by_name(run_copy, content):
    (run_copy / "splits.json").write_text(content)
    assert str(run_copy / "splits.json") in said(lambda: Run(run_copy).split)


def test_a_run_without_a_split_has_none(run_copy):
    (run_copy / "splits.json").unlink()
    assert Run(run_copy).split is None


# Making and writing -----------------------------------------------------------------------------------------


def test_an_output_that_exists_is_left_alone(tmp_path):
    recipe, facts = (
        load_recipe("folder"),
        RunMetadata(command="cenet train folder", started_from="random weights", in_channels=3),
    )
    (tmp_path / "full").mkdir()
    for name in ("file", "full/file"):
        (tmp_path / name).write_text("mine")
    for place, words in (("file", "already exists"), ("full", "already exists"), ("file/run", "cannot be made")):
        assert said(lambda place=place: Run.create(tmp_path / place, recipe, facts)).startswith(
            f"{tmp_path / place}: {words}"
        )
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "file", "full"]
    assert "--resume" not in said(lambda: Run.create(tmp_path / "full", recipe, facts))
    (tmp_path / "empty").mkdir()
    assert Run.create(tmp_path / "empty", recipe, facts).facts == facts
    assert Run.create(tmp_path / "new" / "deep", recipe, facts).recipe == recipe


def test_what_is_undefined_is_null_in_json(tmp_path):
    write_text(tmp_path / "a.json", {"a": float("nan"), "b": [1.5, (float("nan"), {"c": float("nan")})], "d": "nan"})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": None, "b": [1.5, [None, {"c": None}]], "d": "nan"}


def test_a_text_ends_with_one_newline(tmp_path):
    for text in ("a", "a\n"):
        write_text(tmp_path / "a.txt", text)
        assert (tmp_path / "a.txt").read_bytes() == b"a\n"


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    file.write_text("before")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    message = said(lambda: write_text(file, "after"))
    assert message.startswith(f"{file}: the file cannot be written (No space left on device)")
    assert file.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_another_process_changed_meanwhile_is_kept(run_copy):
    trainer, scorer = Run(run_copy), Run(run_copy)
    before = trainer.facts.test_scored
    assert [scorer.count_test(), Run(run_copy).count_test()] == [before + 1, before + 2]
    trainer.update(validation_dice=0.5)
    assert trainer.facts.test_scored == Run(run_copy).facts.test_scored == before + 2
    assert Run(run_copy).facts.validation_dice == 0.5
