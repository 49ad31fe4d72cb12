"""The command line: light, helpful, and every verb does what its function does."""

import argparse
import json
import os
import re
import subprocess
import sys

import pytest

from cenet import cli
from cenet.images import read_label
from cenet.recipe import RECIPES, Recipe, load_recipe

VERBS = ("demo", "tasks", "recipes", "phantoms", "train", "evaluate", "predict", "import-official", "weights")
HEAVY = "{'torch', 'monai', 'pytorch_lightning'}"


# Help -------------------------------------------------------------------------------------------------------


def test_help_lists_every_verb_and_what_the_software_is_not(cenet, capsys):
    assert cenet("--help") == 0
    printed = capsys.readouterr().out
    assert all(re.search(rf"\n    {verb}\s", printed) for verb in VERBS)
    assert "not a medical device" in printed
    subparsers = next(a for a in cli.parser()._actions if isinstance(a, argparse._SubParsersAction))
    assert tuple(subparsers.choices) == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(cenet, verb, capsys):
    assert cenet(verb, "--help") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"usage: cenet {verb} ")
    assert printed.err == ""


def test_training_offers_every_field_of_a_recipe(cenet, capsys):
    cenet("train", "--help")
    printed = capsys.readouterr().out
    fields = set(Recipe.model_fields) - {"name", "title", "unverified"}
    assert all(f"--{field.replace('_', '-')} VALUE" in printed for field in fields)


def test_the_version_says_what_the_software_is_not(cenet, capsys):
    assert cenet("--version") == 0
    assert "not a medical device" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["train", "--help"], ["tasks"], ["recipes"], ["recipes", "drive"], ["tasks", "--no"]],
    ids=" ".join,
)
def test_what_needs_no_network_imports_none(arguments):
    code = (
        "import sys\nfrom cenet.cli import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit:\n    pass\nsys.exit(str({HEAVY} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "set()"


# Verbs ------------------------------------------------------------------------------------------------------


def test_tasks_are_told_with_their_layout(cenet, capsys):
    assert cenet("tasks") == 0
    printed = capsys.readouterr().out
    for words in ("folder: ", "drive: ", "DATA/images/NAME.png", "DATA/training/images/21_training.tif", "groups: "):
        assert words in printed


def test_recipes_are_listed_and_printed_as_json(cenet, capsys, tmp_path):
    assert cenet("recipes") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(RECIPES)
    for name in RECIPES:
        assert cenet("recipes", name) == 0
        (tmp_path / "recipe.json").write_text(capsys.readouterr().out)
        assert load_recipe(str(tmp_path / "recipe.json")) == RECIPES[name]


def test_phantoms_are_drawn(cenet, tmp_path, capsys):
    assert cenet("phantoms", tmp_path / "set", "--count", 2, "--seed", 3, "--size-px", 64) == 0
    assert capsys.readouterr().out == f"phantoms: {tmp_path / 'set'}\n"
    assert read_label(tmp_path / "set" / "masks" / "fundus-001.png").shape == (64, 64)


def test_a_training_ends_with_what_to_do_next(run, monkeypatch, capsys, cenet, tmp_path):
    from cenet import train
    from cenet.runs import Run

    seen = {}

    def fake(recipe, data, **options):
        seen.update(recipe=recipe, data=data, **options)
        return Run(run)

    monkeypatch.setattr(train, "train", fake)
    (tmp_path / "recipe.json").write_text(load_recipe("drive").replace(seed=4).model_dump_json())
    options = ("--epochs", 3, "--dac", "none", "--first-skip", "false", "--group", "x", "--tensorboard")
    machine = ("--device", "cpu", "--precision", "32-true", "--workers", 2)
    assert cenet("train", tmp_path / "recipe.json", "--data", tmp_path, *options, *machine) == 0
    assert seen["recipe"] == load_recipe("drive").replace(seed=4, epochs=3, dac=None, first_skip=False)
    assert str(seen["output"].as_posix()) == "runs/drive"
    assert (seen["data"], seen["group"], seen["tensorboard"], seen["splits"]) == (tmp_path, "x", True, None)
    assert (seen["machine"].device, seen["machine"].precision, seen["machine"].workers) == ("cpu", "32-true", 2)
    facts, printed = Run(run).facts, capsys.readouterr().out
    assert f"validation Dice {facts.validation_dice:.4f}, threshold {facts.threshold:g}" in printed
    assert printed.endswith(f"next: cenet evaluate {run}\n")


@pytest.mark.parametrize("name", list(RECIPES))
def test_the_command_of_a_recipe_makes_the_recipe(name):
    changes = {"seed": 7, "epochs": 2, "first_skip": False, "encoder_weights": "none", "dac": None, "patience": None}
    recipe = RECIPES[name].replace(**changes, learning_rate=0.0025)
    words = recipe.command().split()
    assert words[0] == "cenet"
    given = vars(cli.parser().parse_args(words[1:]))
    fields = {key.removeprefix("field:"): value for key, value in given.items() if key.startswith("field:")}
    assert load_recipe(given["recipe"]).replace(**fields) == recipe


def test_a_demo_is_started(cenet, monkeypatch, tmp_path):
    from cenet.workflows import demo

    seen = {}
    monkeypatch.setattr(demo, "demo", lambda output, **options: seen.update(output=output, **options))
    assert cenet("demo", "--output", tmp_path / "demo", "--seed", 5, "--device", "cpu") == 0
    assert (seen["output"], seen["seed"], seen["machine"].device) == (tmp_path / "demo", 5, "cpu")


def test_three_classes_pass_through_every_verb(cenet, classes_run, tmp_path, capsys):
    data = classes_run.parent / "data"
    assert cenet("evaluate", classes_run, "--device", "cpu", "--output", tmp_path / "scores") == 0
    assert "| class 2 |" in capsys.readouterr().out
    report = json.loads((tmp_path / "scores" / "report.json").read_text())
    assert list(report["classes"]) == ["class 1", "class 2"]
    arguments = (data / "images" / "eye-0.png", "--output", tmp_path / "out", "--device", "cpu", "--probabilities")
    assert cenet("predict", classes_run, *arguments) == 0
    assert read_label(tmp_path / "out" / "eye-0_mask.png", num_classes=3).shape == (48, 64)


# Ways to end ------------------------------------------------------------------------------------------------


def test_a_verb_that_is_stopped_says_so(cenet, monkeypatch, capsys):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_tasks", stop)
    assert cenet("tasks") == 130
    assert capsys.readouterr().err == "cenet: stopped\n"


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (PermissionError(13, "Permission denied", "place"), "cenet: place: Permission denied; check place"),
        (OSError(28, "No space left on device"), "cenet: a file: No space left on device; check place"),
    ],
    ids=["place", "space"],
)
def test_what_the_system_refuses_is_one_line(cenet, monkeypatch, capsys, error, answer):
    def fail(_):
        raise error

    monkeypatch.setattr(cli, "_tasks", fail)
    assert cenet("tasks") == 1
    printed = capsys.readouterr().err
    assert printed.startswith(answer)
    assert printed.count("\n") == 1


def test_what_is_still_to_be_printed_goes_nowhere_once_the_reader_has_gone(cenet, monkeypatch, capfd):
    def fail(_):
        raise BrokenPipeError

    redirected = []
    monkeypatch.setattr(cli, "_tasks", fail)
    monkeypatch.setattr("os.dup2", lambda *ends: redirected.append(ends))
    assert cenet("tasks") == 1
    assert [end for _, end in redirected] == [sys.stdout.fileno()]
    os.close(redirected[0][0])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("arguments", [["recipes", "drive"], ["tasks"]], ids=" ".join)
def test_a_reader_that_has_gone_is_no_error(arguments):
    code = f"import sys; from cenet.cli import main; sys.exit(main({arguments}))"
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": buffered}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as command:
        command.stdout.close()
        assert command.stderr.read() == b""
    assert command.returncode == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required: VERB"),
        (["trian"], "trian"),
        (["train", "folder", "--learning-rat", "1"], "there is no --learning-rat; did you mean --learning-rate?"),
        (["train", "folder", "--epoch=3"], "there is no --epoch; did you mean --epochs?"),
        (["train", "folder", "--xyzzy"], "there is no --xyzzy; see --help"),
        (["train", "folder", "more"], "there is no more"),
        (["train", "folder", "--workers", "many"], "--workers"),
        (["train", "folder", "--device", "gpu"], "--device"),
        (["train", "folder", "--precision", "8"], "--precision"),
        (["train", "folder", "--epochs"], "--epochs"),
        (["predict", "run"], "image"),
        (["predict", "run", "image.png"], "--output"),
        (["predict", "run", "image.png", "--outptu", "x", "--output", "x"], "did you mean --output?"),
        (["evaluate", "run", "--protocol", "paper"], "--protocol"),
        (["evaluate", "run", "--split", "valid"], "--split"),
        (["weights", "resnet"], "resnet"),
        (["weights", "imagenet", "--encoder", "resnet50"], "--encoder"),
        (["import-official", "file.pth"], "--output"),
        (["phantoms"], "folder"),
        (["phantoms", "x", "--count", "a few"], "--count"),
        (["demo", "--seed", "now"], "--seed"),
    ],
    ids=str,
)
def test_a_word_that_is_not_understood_is_one_line(cenet, arguments, words, capsys):
    assert cenet(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("cenet")
    assert words in printed.err
    assert "--help" in printed.err or "did you mean" in printed.err
