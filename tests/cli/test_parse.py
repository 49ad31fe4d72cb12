"""Options: every verb and field has its own, with type, choices and default; a slip is answered with a hint."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cenet.cli import main as cli
from cenet.cli.parse import iterate_option_names, parse_options, suggest_option
from cenet.cli.recipe_options import GROUPS
from cenet.cli.training_verbs import Train
from cenet.config.presets import RECIPES, load_recipe
from cenet.config.recipe import Recipe
from cenet.config.recipe_command import format_command

FIELDS = sorted(set(Recipe.model_fields) - {"name", "title", "unverified"})


# Help -------------------------------------------------------------------------------------------------------


def test_help_lists_every_verb_and_what_the_software_is_not(cenet, capsys):
    assert cenet("--help") == 0
    printed = capsys.readouterr().out
    assert all(re.search(rf"\n  {verb}\s", printed) for verb in cli.VERBS)
    assert "not a medical device" in printed
    assert max(map(len, printed.splitlines())) <= 82


@pytest.mark.parametrize("verb", cli.VERBS)
def test_every_verb_has_help_of_80_columns(cenet, verb, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert cenet(verb, "--help") == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    usage, *lines = printed.out.splitlines()
    assert usage.startswith(f"usage: cenet {verb} ")
    assert [line for line in lines if len(line) > 80] == []


def test_every_field_of_a_recipe_is_in_one_group():
    assert sorted(name for names in GROUPS.values() for name in names) == FIELDS


@pytest.mark.parametrize("verb", ["plan", "train", "cross-validate", "ablate"])
def test_training_offers_every_field_of_a_recipe_in_its_group(cenet, verb, capsys):
    cenet(verb, "--help")
    printed = " ".join(capsys.readouterr().out.split())
    assert all(f"--{field.replace('_', '-')} " in printed for field in FIELDS)
    places = [printed.index(f" {title} options ") for title in (*GROUPS, "images", "machine")]
    assert places == sorted(places)


def test_the_help_shows_types_choices_and_the_values_of_the_named_recipe(cenet, capsys):
    helps = {}
    for name in ("folder", "drive"):
        cenet("train", name, "--help")
        helps[name] = " ".join(capsys.readouterr().out.replace("│", " ").split())
    for words in ("--epochs INT", "--learning-rate FLOAT", "--crop-px INT|none", "--optimiser {sgd,adamw}"):
        assert words in helps["drive"]
    assert "passes over the training images (default: 50)" in helps["folder"]
    assert "passes over the training images (default: 12)" in helps["drive"]
    cenet("train", "--help")
    assert "passes over the training images (default: planned)" in " ".join(
        capsys.readouterr().out.replace("│", " ").split()
    )


def test_the_version_says_what_the_software_is_not(cenet, capsys):
    assert cenet("--version") == 0
    assert "not a medical device" in capsys.readouterr().out


# Recipes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(RECIPES))
def test_the_command_of_a_recipe_makes_the_recipe(name):
    changes = {"seed": 7, "epochs": 2, "use_stem_skip": False, "encoder_weights": "none", "dac": None, "patience": None}
    recipe = RECIPES[name].replace(**changes, learning_rate=0.0025, validate_every=1)
    words = format_command(recipe).split()
    assert words[:2] == ["cenet", "train"]
    options = parse_options(Train, "train", words[2:])
    assert load_recipe(options.recipe).replace(**options.changes) == recipe


def test_a_folder_that_is_called_as_a_recipe_changes_nothing():
    options = parse_options(Train, "train", ["--data", "drive", "folder", "--lr", "0.1"])
    assert (options.recipe, options.data, options.changes) == ("folder", Path("drive"), {"learning_rate": "0.1"})


@pytest.mark.parametrize(
    ("alias", "field"),
    [("--lr", "learning_rate"), ("--bs", "batch_size"), ("--wd", "weight_decay"), ("--optimizer", "optimiser")],
)
def test_short_and_american_names_are_the_same_option(alias, field):
    assert parse_options(Train, "train", ["folder", alias, "1"]).changes == {field: "1"}


def said(*arguments):
    """What a command ends with: its status and its last word."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = cli.main(list(arguments))
        except SystemExit as stop:
            status = stop.code
    return status, errors.getvalue()


some_number = st.integers() | st.floats() | st.integers(10**300, 10**310)
some_text = st.text(max_size=20) | st.sampled_from(["none", "true", "nan", "-0", "1e999", "٣", "\0", "a\nb", "drive"])
some_json = st.recursive(
    st.none() | st.booleans() | some_number | some_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(some_text, inner, max_size=3),
    max_leaves=8,
)
some_fields = st.dictionaries(st.sampled_from(sorted(Recipe.model_fields)) | some_text, some_json, max_size=4)
a_nearly_sound_recipe = some_fields.map(lambda changes: load_recipe("folder").model_dump() | changes)
written = (some_json | some_fields | a_nearly_sound_recipe).map(lambda value: json.dumps(value).encode())


@settings(max_examples=15)
@given(st.binary(max_size=40) | written)
@example(b"[" * 100_000)
@example(b'{"name": "\\ud800"}')
@example(b'{"\\ud800": 1, "name": "x"}')
@example(b'{"two\\nlines": 1, "name": "x"}')
@example(b'{"name": "x", "epochs": ' + b"9" * 5000 + b"}")
def test_a_recipe_file_with_anything_in_it_is_printed_or_refused_in_one_sentence(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "recipe.json"
    path.write_bytes(content)
    status, errors = said("recipes", str(path))
    assert status == bool(errors)
    if errors:
        assert errors.startswith(f"cenet: {path}: ")
        assert len(errors.splitlines()) == 1


@settings(max_examples=20)
@given(st.sampled_from(FIELDS), some_text | some_number.map(str))
@example("encoder_weights", "\udcff")
@example("epochs", "\udcff")
@example("two", "two\nlines")
def test_a_field_with_anything_for_a_value_is_accepted_or_refused_in_one_sentence(field, value):
    """No image is named, so that a command whose recipe is sound ends there."""
    status, errors = said("train", "folder", f"--{field.replace('_', '-')}={value}")
    assert status in (1, 2)
    assert errors.startswith("cenet")
    assert len(errors.splitlines()) == 1


# Words without effect ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "answer"),
    [
        (
            ("cross-validate", "folder", "--data", "x", "--test-fraction", "0.3"),
            "--test-fraction: has no part in a cross-",
        ),
        (("ablate", "folder", "--data", "x", "--test-fraction", "0.3"), "--test-fraction: has no part in a cross-"),
        (
            ("ablate", "folder", "--data", "x", "--rmp", "no"),
            "--rmp: differs between the variants; leave it out",
        ),
        (
            ("evaluate", "src", "--ignore-value", "0"),
            "--ignore-value: a run's own labels are read as in its training; leave it out",
        ),
        (("predict", "run", "x.png", "--output", "y", "--max-pixels", "0"), "--max-pixels 0: is no size of an image"),
        (
            ("predict", "run", "x.png", "--output", "y", "--max-pixels", "-3"),
            "--max-pixels -3: is no size of an image; give a number such as",
        ),
        (("train", "folder", "--max-pixels", "9" * 30), "--max-pixels 9999"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused_in_one_sentence(arguments, answer):
    status, errors = said(*arguments)
    assert status == 1
    assert errors.startswith(f"cenet: {answer}")
    assert len(errors.splitlines()) == 1


# Slips ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "a command is missing"),
        (["trian"], "there is no command trian; did you mean train?"),
        (["train", "folder", "--learning-rat", "1"], "there is no --learning-rat; did you mean --learning-rate?"),
        (["train", "folder", "--epoch=3"], "there is no --epoch; did you mean --epochs?"),
        (["train", "folder", "--xyzzy"], "there is no --xyzzy; see cenet train --help"),
        (["train", "folder", "--gpu"], "did you mean --device cuda?"),
        (["train", "folder", "--img_size", "512"], "did you mean --size-px?"),
        (["train", "folder", "--val-split", "0.2"], "did you mean --validation-fraction?"),
        (["evaluate", "run", "--val"], "did you mean --split validation?"),
        (["evaluate", "run", "--weights", "x"], "there is no --weights"),
        (["cross-validate", "folder", "--data", "x", "--minutes", "3"], "there is no --minutes"),
        (["ablate", "folder", "--data", "x", "--tta"], "there is no --tta"),
        (["predict", "run", "image.png", "--outptu", "x", "--output", "x"], "did you mean --output?"),
        (["phantoms", "vessels", "x", "--size-px", "64"], "there is no --size-px; did you mean --size?"),
        (["predict", "run", "image.png", "-o", "x"], "there is no -o; did you mean --output?"),
        (["train", "--verbose"], "there is no --verbose; see cenet train --help"),
    ],
    ids=str,
)
def test_an_unknown_word_is_answered_with_the_right_one(cenet, arguments, words, capsys):
    assert cenet(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("cenet")
    assert words in printed.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "folder", "more"], "more"),
        (["train", "folder", "--workers", "many"], "--workers"),
        (["train", "folder", "--device", "gpu"], "--device"),
        (["train", "folder", "--precision", "8"], "--precision"),
        (["train", "folder", "--epochs"], "--epochs"),
        (["train", "folder", "--minutes", "soon"], "--minutes"),
        (["train", "folder", "--seeds", "some"], "--seeds"),
        (["train", "folder", "--ignore-value", "void"], "--ignore-value"),
        (["train", "folder", "--max-pixels", "many"], "--max-pixels"),
        (["cross-validate", "folder"], "--data"),
        (["cross-validate", "folder", "--data", "x", "--fold", "first"], "--fold"),
        (["ablate", "folder", "--data", "x", "--protocol", "authors"], "--protocol"),
        (["compare", "a", "b", "--protocol", "paper"], "--protocol"),
        (["doctor"], "DATA"),
        (["report", "a", "--cases", "all"], "--cases"),
        (["predict", "run", "image.png"], "--output"),
        (["evaluate", "run", "--protocol", "paper"], "--protocol"),
        (["evaluate", "run", "--split", "valid"], "--split"),
        (["weights", "resnet"], "resnet"),
        (["weights", "imagenet", "--encoder", "resnet50"], "--encoder"),
        (["import-official", "file.pth"], "--output"),
        (["phantoms"], "TASK"),
        (["phantoms", "somewhere"], "DIR"),
        (["phantoms", "vessels", "x", "--count", "a few"], "--count"),
        (["demo", "--seed", "now"], "--seed"),
    ],
    ids=str,
)
def test_a_value_that_an_option_cannot_have_is_refused_with_the_option(cenet, arguments, words, capsys):
    assert cenet(*arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert words in printed.err
    assert f"cenet {arguments[0]} --help" in " ".join(printed.err.split())


def test_a_meaning_precedes_a_spelling_and_names_an_existing_option():
    assert suggest_option("--model", ["--mode", "--network"]) == "--network"
    assert suggest_option("--model", ["--mode"]) == "--mode"
    assert suggest_option("--model", ["--epochs"]) is None


def test_the_names_of_options_are_those_of_all_groups():
    names = list(iterate_option_names(Train))
    assert {"--data", "--learning-rate", "--lr", "--device", "--max-pixels", "--size-px"} <= set(names)
    assert "--recipe" not in names
