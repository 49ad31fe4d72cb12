"""A plan from a folder on disk, and the training that follows it."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image
from tiny_network import TINY, Tiny

from cenet.config.presets import load_recipe
from cenet.data import loading
from cenet.errors import CenetError
from cenet.inference.device import DeviceConfig
from cenet.inference.run import Run
from cenet.inference.run_metadata import RunMetadata
from cenet.phantoms import write_phantoms
from cenet.training.plan import plan, plan_training
from cenet.training.train import train

CPU = DeviceConfig("cpu", "32-true", workers=0)
SMALL = {"network": TINY, "crop_px": 32, "batch_size": 2, "epochs": 1, "steps_per_epoch": 2, "validate_tta": False}


def save(folder, name, image, label, suffix="png"):
    for part, pixels in (("images", image), ("masks", label)):
        (folder / part).mkdir(parents=True, exist_ok=True)
        if pixels.dtype == np.uint8:
            Image.fromarray(pixels.squeeze()).save(folder / part / f"{name}.png")
        else:
            tifffile.imwrite(folder / part / f"{name}.tif", pixels)


def draw_bars(folder, *, width, count=6, dtype=np.uint8, classes=1):
    rng = np.random.default_rng(0)
    for number in range(count):
        label = np.zeros((64, 192), np.uint8)
        for k in range(classes):
            label[24 * k + number : 24 * k + number + width] = k + 1
        image = np.clip(label * 60.0 + rng.normal(40, 9, label.shape), 0, 255)
        save(folder, f"scan-{number}", image.astype(dtype), label)
    return folder


def test_a_width_that_changes_in_the_images_changes_the_plan(tmp_path):
    thin, wide = (draw_bars(tmp_path / str(width), width=width) for width in (2, 20))
    plans = [plan(folder, device=CPU) for folder in (thin, wide)]
    assert [planned.recipe.scale for planned in plans] == [2, 1]
    assert plan(thin, device=CPU) == plans[0]


def test_stains_that_differ_change_the_plan(tmp_path):
    write_phantoms(tmp_path / "four", task="nuclei", count=16, seed=0, size_px=192)
    for path in sorted((tmp_path / "four").glob("*/*"))[::4]:  # those of one stain
        copy = tmp_path / "one" / path.relative_to(tmp_path / "four")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    four, one = (plan(tmp_path / name, device=CPU).recipe for name in ("four", "one"))
    assert (four.precise_norm_batches, one.precise_norm_batches) == (8, None)


def test_classes_channels_and_type_follow_the_files(tmp_path):
    folder = draw_bars(tmp_path / "several", width=8, classes=2, dtype=np.uint16)
    planned = plan(folder, device=CPU)
    assert (planned.recipe.num_classes, planned.recipe.channel_jitter) == (3, 0)
    assert "0, 1, 2" in planned.reason("num_classes")
    binary = plan(folder, device=CPU, changes={"num_classes": 3, "scale": "0.5"})
    assert (binary.recipe.scale, binary.reason("num_classes")) == (0.5, "as requested")


def test_no_label_of_the_test_part_is_opened(tmp_path):
    folder = draw_bars(tmp_path / "set", width=4, count=10)
    _, data = plan_training(folder, device=CPU)
    for name in data.split.parts["test"]:
        (folder / "masks" / f"{name}.png").write_bytes(b"held_out")
    assert data.split.parts["test"]
    assert plan(folder, device=CPU).recipe.test_fraction == 0.2


def test_a_training_without_a_recipe_reads_each_image_once_and_keeps_its_reasons(tmp_path, monkeypatch, capsys):
    folder = draw_bars(tmp_path / "set", width=4)
    decoded, read_image = [], loading.read_image
    monkeypatch.setattr(loading, "read_image", lambda path, **page: decoded.append(path) or read_image(path, **page))
    run = train(None, folder, output=tmp_path / "run", device=CPU, changes=SMALL)
    assert sorted(path.name for path in decoded) == sorted(path.name for path in (folder / "images").iterdir())
    choices = {choice.field: choice for choice in Run(run.path).facts.choices}
    assert choices["batch_size"].reason == "as requested"
    assert choices["scale"].value == str(run.recipe.scale)
    assert f"scale = {run.recipe.scale}" in capsys.readouterr().out
    assert run.facts.command.startswith("cenet train recipe.json ")
    again = train(load_recipe(str(run.path / "recipe.json")), folder, output=tmp_path / "again", device=CPU)
    assert (again.recipe, again.facts.choices) == (run.recipe, ())
    assert again.facts.weights_sha256 == run.facts.weights_sha256


def test_a_few_groups_are_all_trained_on_and_one_image_is_refused(tmp_path):
    assert plan(draw_bars(tmp_path / "few", width=4, count=3), device=CPU).recipe.test_fraction == 0
    with pytest.raises(CenetError) as error:
        plan(draw_bars(tmp_path / "one", width=4, count=1), device=CPU)
    assert "add images" in error.value.remedy


def test_a_plan_that_holds_a_group_out_does_not_warn_that_none_is(tmp_path):
    planned = plan(draw_bars(tmp_path / "five", width=4, count=5), device=CPU)
    assert planned.recipe.test_fraction > 0
    assert planned.warnings == ()


def test_images_without_foreground_and_of_many_sizes_are_planned_for(tmp_path):
    rng = np.random.default_rng(0)
    for number, side in enumerate((40, 90, 200, 700)):
        label = np.zeros((side, side), np.uint8)
        label[side // 4 : side // 2, side // 4 : side // 2] = number > 0
        save(tmp_path, str(number), rng.integers(0, 255, (side, side), np.uint8), label)
    planned = plan(tmp_path, device=CPU)
    assert planned.recipe.resize_mode == "longest"


def test_the_verb_prints_each_choice_and_writes_a_recipe_that_trains(cenet, tmp_path, capsys):
    folder, recipe = draw_bars(tmp_path / "set", width=4), tmp_path / "recipe.json"
    options = [text for name, value in SMALL.items() for text in (f"--{name.replace('_', '-')}", str(value).lower())]
    assert cenet("plan", folder, "--output", recipe, "--device", "cpu", *options) == 0
    printed = capsys.readouterr().out
    assert "foreground: 6.2 % of the pixels" in printed
    assert f"next: cenet train {recipe} --data {folder}" in printed
    assert load_recipe(str(recipe)).crop_px == 32
    assert cenet("plan", folder, "--output", recipe, "--device", "cpu") == 1
    assert "already exists" in capsys.readouterr().err
    assert cenet("train", recipe, "--data", folder, "--output", tmp_path / "run", "--device", "cpu") == 0


def test_a_plan_says_what_was_timed(tmp_path):
    folder = draw_bars(tmp_path / "set", width=4)
    planned, _ = plan_training(folder, device=replace(CPU), changes=SMALL)
    timed = planned.with_recipe(planned.recipe.replace(epochs=7), "timed")
    assert timed.reason("epochs") == "timed"
    assert timed.reason("scale") == planned.reason("scale")
    assert json.loads(timed.model_dump_json())["recipe"]["epochs"] == 7


def test_the_split_of_a_data_set_is_kept_and_the_test_fraction_may_be_asked_for(tmp_path):
    for path in draw_bars(tmp_path / "all", width=4, count=10).rglob("*.png"):
        number = int(path.stem.removeprefix("scan-"))
        part = "test" if number > 7 else "val" if number > 5 else "train"
        (tmp_path / "set" / part / path.parent.name).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "set" / part / path.parent.name / path.name)
    planned = plan(tmp_path / "set", device=CPU)
    assert planned.recipe.test_fraction == 0.2
    assert "holds out 2 of 10 groups" in planned.reason("test_fraction")
    asked = plan(draw_bars(tmp_path / "one", width=4), device=CPU, changes={"test_fraction": "0.5"})
    assert (asked.recipe.test_fraction, asked.reason("test_fraction")) == (0.5, "as requested")


def test_a_task_with_a_recipe_keeps_its_classes(tmp_path):
    write_phantoms(tmp_path / "eyes", task="disc", count=6, seed=0, size_px=64)
    planned = plan(tmp_path / "eyes", task="disc", device=CPU)
    preset = load_recipe("disc")
    assert (planned.recipe.num_classes, planned.recipe.nested) == (preset.num_classes, preset.nested)


def test_a_network_of_ones_own_is_planned_for_and_a_split_given(tmp_path):
    class Own(Tiny):
        """Is in no registry."""

    folder = draw_bars(tmp_path / "set", width=4)
    _, data = plan_training(folder, device=CPU)
    planned, again = plan_training(folder, device=CPU, network=Own, split=data.split)
    assert again.split.parts == data.split.parts
    assert planned.recipe.network == "Own"


def test_a_training_without_validation_can_be_planned(tmp_path):
    folder = draw_bars(tmp_path / "one", width=4, count=1)
    changes = {"validation_fraction": "0", "selection": "average", "patience": "none"}
    planned = plan(folder, device=CPU, changes=changes)
    assert (planned.recipe.validation_fraction, planned.recipe.selection) == (0, "average")


@pytest.mark.parametrize(
    "fields",
    [{"encoder": "resnet34", "encoder_weights": "none"}, {"network": "unet", "encoder_weights": "none"}],
    ids=str,
)
def test_a_plan_may_start_from_a_run_that_has_no_bundled_encoder(tmp_path, fields):
    folder = draw_bars(tmp_path / "set", width=4)
    recipe = load_recipe("folder").replace(**fields)
    earlier = Run.create(tmp_path / "run", recipe, RunMetadata(command="x", started_from="x", in_channels=1))
    planned = plan(folder, device=CPU, init_from=earlier.path).recipe
    assert {name: getattr(planned, name) for name in fields} == fields


def test_nested_classes_that_the_user_denies_are_refused(tmp_path):
    folder = draw_bars(tmp_path / "set", width=8, classes=2)
    classes = [{"name": "disc", "value": 1}, {"name": "cup", "value": 2}]
    (folder / "classes.json").write_text(json.dumps({"classes": classes, "nested": True}))
    with pytest.raises(CenetError, match="pass --nested true"):
        plan(folder, device=CPU, changes={"nested": "false"})


def test_of_a_split_that_is_given_no_label_of_the_test_part_is_opened(tmp_path):
    folder = draw_bars(tmp_path / "set", width=4, count=10)
    _, data = plan_training(folder, device=CPU, changes={"seed": 3})
    (tmp_path / "splits.json").write_text(data.split.to_json())
    for name in data.split.parts["test"]:
        (folder / "masks" / f"{name}.png").write_bytes(b"held_out")
    planned = plan(folder, device=CPU, splits=tmp_path / "splits.json")
    assert planned.reason("test_fraction") == "the split that was given holds out 2 of 10 groups"
