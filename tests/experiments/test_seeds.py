"""Several seeds: one split, as many runs, and how far they differ."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from tiny_network import TINY

from cenet.config.presets import load_recipe
from cenet.data.splits import Split
from cenet.errors import CenetError
from cenet.experiments.resume import checksums
from cenet.experiments.seeds import format_seed_spread, train_seeds
from cenet.inference.device import resolve_device
from cenet.inference.run import Run
from cenet.networks import NETWORKS
from cenet.training import train as training
from cenet.training import trainer
from cenet.training.train import train

CPU = resolve_device(device="cpu", precision="32-true", workers=0)
CHANGES = {
    "network": TINY,
    "encoder_weights": "none",
    "crop_px": 32,
    "epochs": 1,
    "steps_per_epoch": 2,
    "validate_tta": False,
}
RECIPE = load_recipe("folder").replace(**CHANGES, batch_size=2, seed=4)


@pytest.fixture(scope="module")
def trained(images, keep):
    """A folder with the runs of three seeds, and what is printed of them. Not to be changed."""
    folder = keep("seeds") / "runs"
    return folder, format_seed_spread(train_seeds(RECIPE, images, seeds=3, output=folder, device=CPU))


def test_every_seed_has_its_run_on_one_split(trained):
    folder, _ = trained
    assert sorted(path.name for path in folder.glob("seed-*")) == ["seed-4", "seed-5", "seed-6"]
    runs = [Run(folder / f"seed-{seed}") for seed in (4, 5, 6)]
    assert [run.recipe for run in runs] == [RECIPE.replace(seed=seed) for seed in (4, 5, 6)]
    assert all(run.split == runs[0].split for run in runs)
    assert all(run.facts.finished for run in runs)
    assert len({run.facts.weights_sha256 for run in runs}) == 3


def test_the_first_seed_is_the_training_without_others(trained, images, tmp_path):
    alone, first = train(RECIPE, images, output=tmp_path / "run", device=CPU), Run(trained[0] / "seed-4")
    assert alone.split == first.split
    assert alone.facts.weights_sha256 == first.facts.weights_sha256


def test_seeds_without_validation_images_have_no_spread(trained):
    runs = [Run(trained[0] / "seed-4"), Run(trained[0] / "seed-5")]
    runs[1].facts = runs[1].facts.model_copy(update={"validation_dice": None})
    assert format_seed_spread(runs) == "2 seeds were trained without validation images: score each with cenet evaluate"


def test_what_is_said_is_mean_and_spread(trained):
    folder, words = trained
    scores = [Run(folder / f"seed-{seed}").facts.validation_dice for seed in (4, 5, 6)]
    spoken = [float(number) for number in re.findall(r"[0-9]\.[0-9]{4}", words)]
    assert spoken == pytest.approx([np.mean(scores), np.std(scores, ddof=1), *scores], abs=5e-5)
    assert words.startswith("validation Dice of 3 seeds: ")


def test_a_split_of_an_earlier_run_is_shared(trained, images, tmp_path):
    splits = trained[0] / "seed-4" / "splits.json"
    train_seeds(RECIPE.replace(seed=9), images, seeds=2, output=tmp_path, device=CPU, splits=splits)
    assert [Run(tmp_path / f"seed-{seed}").split for seed in (9, 10)] == [Run(trained[0] / "seed-4").split] * 2


def test_the_command_line_says_it(cenet, small, images, tmp_path, capsys):
    options = (*small, "--epochs", 1, "--seeds", 2)
    assert cenet("train", "folder", "--data", images, "--output", tmp_path / "runs", *options) == 0
    printed = capsys.readouterr().out
    assert "validation Dice of 2 seeds: " in printed
    assert printed.endswith(f"\nnext: cenet evaluate {tmp_path / 'runs' / 'seed-0'}, and so on\n")
    assert sorted(path.name for path in (tmp_path / "runs").glob("seed-*")) == ["seed-0", "seed-1"]


@pytest.mark.parametrize("seeds", [0, -1, 1])
def test_less_than_two_seeds_have_no_spread(images, seeds, tmp_path):
    with pytest.raises(CenetError, match=f"--seeds {seeds}: a spread takes two or more; leave it out to train once"):
        train_seeds(RECIPE, images, seeds=seeds, output=tmp_path / "runs", device=CPU)
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_exists_is_left_alone(images, tmp_path):
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(CenetError, match=f"^{tmp_path}: "):
        train_seeds(RECIPE, images, seeds=2, output=tmp_path, device=CPU)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


# Going on ---------------------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch):
    """The seeds that are trained and gone on with."""
    seen = []
    for verb in ("train", "resume"):
        done = getattr(training, verb)

        def noted(*arguments, verb=verb, done=done, **options):
            seen.append((verb, Path(options.get("output") or arguments[0]).name))
            return done(*arguments, **options)

        monkeypatch.setattr(training, verb, noted)
    return seen


def press_ctrl_c(*_, **__):
    raise KeyboardInterrupt


def test_the_same_command_resumes_where_it_was_stopped(trained, images, calls, monkeypatch, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "runs")
    shutil.rmtree(folder / "seed-5")
    shutil.rmtree(folder / "seed-6")
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "calibrate_and_set_thresholds", press_ctrl_c)
        with pytest.raises(KeyboardInterrupt):
            train_seeds(RECIPE, images, seeds=3, output=folder, device=CPU)
    calls.clear()
    words = format_seed_spread(train_seeds(RECIPE, images, seeds=3, output=folder, device=CPU))
    assert calls == [("resume", "seed-5"), ("train", "seed-6")]
    assert words == trained[1]
    assert all(Run(folder / f"seed-{n}").facts == Run(trained[0] / f"seed-{n}").facts for n in (4, 5, 6))


def test_more_seeds_may_follow(trained, images, calls, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "runs")
    assert len(train_seeds(RECIPE, images, seeds=4, output=folder, device=CPU)) == 4
    assert calls == [("train", "seed-7")]


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"epochs": 2}, {}, "was started with epochs 1, not 2"),
        ({}, {"minutes": 3}, "was started with minutes None, not 3"),
    ],
    ids=str,
)
def test_seeds_of_something_else_are_refused(trained, images, changes, options, words):
    with pytest.raises(CenetError, match=f"^{trained[0]}: {words}"):
        train_seeds(RECIPE.replace(**changes), images, seeds=3, output=trained[0], device=CPU, **options)


def test_another_split_or_start_of_the_same_name_is_refused(trained, run, images, tmp_path):
    splits = trained[0] / "seed-4" / "splits.json"
    with pytest.raises(CenetError, match=f"^{trained[0]}: was started with splits None, not splits.json"):
        train_seeds(RECIPE, images, seeds=3, output=trained[0], device=CPU, splits=splits)
    recorded = json.loads((trained[0] / "options.json").read_text())
    folder = shutil.copytree(trained[0], tmp_path / "runs")
    (folder / "options.json").write_text(
        json.dumps({**recorded, "splits": "splits.json", **checksums(init_from=None, splits=splits)})
    )
    assert len(train_seeds(RECIPE, images, seeds=3, output=folder, device=CPU, splits=splits)) == 3
    assert len(train_seeds(RECIPE, images, seeds=3, output=folder, device=CPU, splits=Split.from_json(splits))) == 3
    parts = json.loads(splits.read_text())
    parts["train"], parts["test"] = parts["test"], parts["train"]
    (tmp_path / "splits.json").write_text(json.dumps(parts))
    with pytest.raises(CenetError, match=r"was started with splits_sha256 [0-9a-f]{64}, not "):
        train_seeds(RECIPE, images, seeds=3, output=folder, device=CPU, splits=tmp_path / "splits.json")
    started = {"init_from": run.name, **checksums(init_from=trained[0] / "seed-5")}
    (folder / "options.json").write_text(json.dumps({**recorded, **started}))
    with pytest.raises(CenetError, match=r"was started with init_from_sha256 [0-9a-f]{64}, not "):
        train_seeds(RECIPE, images, seeds=3, output=folder, device=CPU, init_from=run)


def test_seeds_of_an_earlier_version_are_resumed_without_checksums(trained, images, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "runs")
    recorded = json.loads((folder / "options.json").read_text())
    recorded = {name: value for name, value in recorded.items() if not name.endswith("sha256")}
    (folder / "options.json").write_text(json.dumps({**recorded, "splits": "splits.json"}))
    splits = trained[0] / "seed-4" / "splits.json"
    assert len(train_seeds(RECIPE, images, seeds=3, output=folder, device=CPU, splits=splits)) == 3


def test_images_that_are_not_there_leave_nothing(tmp_path):
    with pytest.raises(CenetError, match="there is no such folder"):
        train_seeds(RECIPE, tmp_path / "nowhere", seeds=2, output=tmp_path / "runs", device=CPU)
    assert list(tmp_path.iterdir()) == []


def test_a_refused_recipe_leaves_nothing_and_may_be_corrected(images, monkeypatch, tmp_path):
    options = {"seeds": 2, "output": tmp_path / "runs", "device": CPU}
    monkeypatch.setattr(NETWORKS[TINY], "min_size", 64)
    with pytest.raises(CenetError, match="crop_px 32 is too small; use 64 or more"):
        train_seeds(RECIPE, images, **options)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    assert len(train_seeds(RECIPE, images, **options)) == 2


def test_a_seed_that_another_process_trains_is_left_alone(trained, images, calls, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "runs")
    with FileLock(folder / ".seed-5.lock"), pytest.raises(CenetError, match="seed-5: another process trains this seed"):
        train_seeds(RECIPE, images, seeds=3, output=folder, device=CPU)
    assert calls == []


def test_minutes_are_planned_once(images, monkeypatch, tmp_path):
    planned = []

    def plan(recipe, *_, minutes, **__):
        planned.append(minutes)
        return recipe.replace(epochs=2, steps_per_epoch=3)

    monkeypatch.setattr("cenet.training.train.plan_time_budget", plan)
    train_seeds(RECIPE, images, seeds=2, output=tmp_path, device=CPU, minutes=7)
    recipes = [Run(tmp_path / f"seed-{seed}").recipe for seed in (4, 5)]
    assert planned == [7]
    assert recipes == [RECIPE.replace(epochs=2, steps_per_epoch=3, seed=seed) for seed in (4, 5)]
    train_seeds(RECIPE, images, seeds=2, output=tmp_path, device=CPU, minutes=7)
    assert planned == [7]


def test_a_dice_of_nothing_is_a_score(trained, images, tmp_path):
    folder = shutil.copytree(trained[0], tmp_path / "runs")
    for seed in (4, 5, 6):
        Run(folder / f"seed-{seed}").update(validation_dice=0.0)
    words = format_seed_spread(train_seeds(RECIPE, images, seeds=3, output=folder, device=CPU))
    assert words.startswith("validation Dice of 3 seeds: 0.0000 ± 0.0000 (sd), each 0.0000, 0.0000, 0.0000")
