"""Ablations: every row is trained alike on the same folds, nothing is trained twice, and slips leave nothing."""

import math
from pathlib import Path

import pytest
from tiny_network import Tiny, TinyCENet

from cenet.cli.fold_verbs import Ablate
from cenet.cli.parse import parse_options
from cenet.config.presets import RECIPES, load_recipe
from cenet.errors import CenetError
from cenet.evaluation.comparison_report import AblationReport
from cenet.evaluation.report import EvaluationReport
from cenet.experiments import ablation as workflow
from cenet.experiments.ablation import (
    CENET,
    RANDOM,
    REFERENCE,
    REFERENCES,
    VARIANTS,
    VIEWS,
    ablate,
    build_variant_recipes,
)
from cenet.inference.device import resolve_device
from cenet.inference.run import Run
from cenet.inference.run_metadata import RunMetadata
from cenet.networks import NETWORKS
from cenet.training import train as training

CPU = resolve_device(device="cpu", precision="32-true", workers=0)
CHANGES = {"crop_px": 32, "epochs": 1, "steps_per_epoch": 2, "batch_size": 2, "learning_rate": 0.01}
RECIPE = load_recipe("folder").replace(**CHANGES)
FOLDS = range(3)
TRAINED = {"ce-net": REFERENCE, "backbone": "backbone", "ce-net-random-start": RANDOM}


@pytest.fixture(scope="module", autouse=True)
def tiny_networks():
    """Both networks are of a few numbers; those of a CE-Net depend on what it is made of."""

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "cenet", TinyCENet)
        patch.setitem(NETWORKS, "unet", Tiny)
        yield


@pytest.fixture(scope="module")
def ablated(tiny_networks, images, keep):
    """Some rows, then one fold of the U-Net: the folder, and what was returned in the end. Not to be changed."""
    folder = keep("ablated") / "rows-of-eyes"
    ablate(RECIPE, images, output=folder, device=CPU, folds=3, variants=[REFERENCE, VIEWS, "backbone", RANDOM])
    return folder, ablate(RECIPE, images, output=folder, device=CPU, folds=3, variants=["u-net"], fold=[0])


@pytest.fixture
def calls(monkeypatch):
    """What is trained."""
    seen = []
    done = training.train

    def noted(*arguments, **options):
        seen.append("/".join(options["output"].parts[-2:]))
        return done(*arguments, **options)

    monkeypatch.setattr(training, "train", noted)
    return seen


def dice_of(folder):
    """The mean Dice of a report, at its first threshold."""
    return EvaluationReport.load(folder).classes[0].thresholds[0].per_image["dice"]


# The rows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["cenet", "cenet-lite"])
@pytest.mark.parametrize("name", RECIPES)
def test_every_row_is_a_sound_recipe_of_its_own(name, network):
    encoder = {"cenet": "resnet34-preact", "cenet-lite": "efficientnet-lite0"}[network]
    recipes = build_variant_recipes(RECIPES[name].replace(network=network, encoder=encoder, encoder_weights="bundled"))
    for title, recipe in recipes.items():
        same = recipe == recipes[REFERENCE]
        assert same == (title in (REFERENCE, VIEWS) or VARIANTS[title] == {"loss": RECIPES[name].loss}), title
        if title != "U-Net":
            start = "none" if title == RANDOM else "bundled"
            assert (recipe.network, recipe.encoder, recipe.encoder_weights) == (network, encoder, start)


def test_two_random_starts_stand_beside_each_other_and_all_else_beside_the_whole():
    assert list(REFERENCES) == list(VARIANTS)
    assert [title for title, reference in REFERENCES.items() if reference != REFERENCE] == ["U-Net"]
    assert VARIANTS[REFERENCES["U-Net"]] == {"encoder_weights": "none"}


def test_every_row_is_trained_as_it_says_on_the_same_folds(ablated):
    folder, _ = ablated
    for name, title in TRAINED.items():
        for fold in FOLDS:
            run = Run(folder / name / f"fold-{fold}")
            assert run.recipe == RECIPE.replace(**{**CENET, **VARIANTS[title]})
            assert run.split == Run(folder / "ce-net" / f"fold-{fold}").split
    assert Run(folder / "u-net" / "fold-0").recipe.network == "unet"
    assert not (folder / "u-net" / "fold-1").exists()
    assert (
        len({Run(folder / name / "fold-0").facts.weights_sha256 for name in TRAINED}) == len(TRAINED) - 1
    )  # no encoder


def test_views_are_an_evaluation_of_networks_that_are_there(ablated):
    folder, report = ablated
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted([*TRAINED, "u-net"])
    rows = {row.variant: row for row in report.rows}
    assert (rows[REFERENCE].cost.views, rows[VIEWS].cost.views) == ((1,), (8,))
    expected = dice_of(folder / "ce-net" / "evaluation-out-of-fold-region-tta")
    assert rows[VIEWS].scores[0].score.value == pytest.approx(expected.value)


def test_a_row_that_is_the_reference_by_another_name_is_not_trained_again(images, monkeypatch, tmp_path):
    places = {}
    monkeypatch.setattr(workflow, "cross_validate", lambda *_, output, tta, **__: places.setdefault(output.name, tta))
    ablate(RECIPE.replace(loss="dice"), images, output=tmp_path / "rows", device=CPU)
    assert "ce-net-dice-loss" not in places
    assert len(places) == len(VARIANTS) - 2  # nor are the views


# The table --------------------------------------------------------------------------------------------------


def test_a_row_is_what_its_report_says_and_what_it_differs_by(ablated):
    folder, report = ablated
    rows = {row.variant: row for row in report.rows}
    assert list(rows) == [REFERENCE, VIEWS, "backbone", RANDOM, "U-Net"]
    values = {}
    for name, title in TRAINED.items():
        folder_of_report = folder / name / "evaluation-out-of-fold-region"
        expected, cost = dice_of(folder_of_report), EvaluationReport.load(folder_of_report).cost
        (dice,) = rows[title].scores
        assert (dice.class_name, dice.metric.key, dice.metric.average) == ("foreground", "dice", "per_image")
        assert dice.score.value == values.setdefault(title, pytest.approx(expected.value))
        assert (dice.score.low, dice.score.high, dice.score.method) == (expected.low, expected.high, expected.method)
        assert rows[title].cost.parameters == cost.parameters
        assert rows[title].cost.training_seconds == pytest.approx(cost.training_seconds / 3)
        assert rows[title].steps == 2
    (backbone,), (whole,) = rows["backbone"].scores, rows[REFERENCE].scores
    assert backbone.difference.value == pytest.approx(backbone.score.value - whole.score.value)
    assert backbone.difference.value != 0
    assert backbone.reference_value == whole.score.value
    assert 2 / 2**6 <= backbone.p <= 1
    assert (rows["backbone"].reference, rows[REFERENCE].reference) == (REFERENCE, None)


def test_a_variant_of_one_fold_is_compared_on_the_images_of_that_fold_without_a_test(ablated):
    folder, report = ablated
    row = next(row for row in report.rows if row.variant == "U-Net")
    (dice,) = row.scores
    ours, theirs = (
        dice_of(folder / name / "fold-0/evaluation-test-region").value for name in ("u-net", "ce-net-random-start")
    )
    assert (row.reference, row.folds, row.data.images) == (RANDOM, (0,), 2)
    assert (dice.score.value, dice.reference_value) == (pytest.approx(ours), pytest.approx(theirs))
    assert dice.difference.value == pytest.approx(ours - theirs)
    assert math.isnan(dice.p)


def test_the_files_say_what_was_returned(ablated, images):
    folder, report = ablated
    assert report.folder == folder
    assert AblationReport.load(folder).model_dump_json() == report.model_dump_json()
    written = (folder / "ablation.json").read_text()
    assert str(folder.parent) not in written
    assert str(images.parent) not in written
    assert (folder / "ablation.md").exists()
    assert report.missing[:3] == ("backbone + DAC", "backbone + RMP", "DAC without atrous")


def test_the_command_in_the_table_does_the_same(ablated):
    verb, *words = ablated[1].command.split()[1:]
    options = parse_options(Ablate, verb, words)
    assert (verb, options.folds, options.output) == ("ablate", 3, Path("runs/rows-of-eyes"))
    assert load_recipe(options.recipe).replace(**options.changes) == RECIPE


# Going on ---------------------------------------------------------------------------------------------------


def test_what_is_done_is_not_done_again_and_counted(cenet, ablated, images, calls, capsys):
    folder, report = ablated
    words = report.command.split()[2:]
    words[words.index("--data") + 1], words[words.index("--output") + 1] = images, folder
    options = ("--variants", "backbone", "CE-Net, with views", "--device", "cpu", "--precision", "32-true")
    assert cenet("ablate", *words, *options) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("6 trainings for 2 variants, of which 6 are done\n\nbackbone\n")
    assert printed.endswith(f"report: {folder / 'ablation.md'}\n")
    assert calls == []


def test_only_some_folds_and_rows_are_trained(images, calls, capsys, tmp_path):
    report = ablate(RECIPE, images, output=tmp_path, device=CPU, folds=3, variants=["Backbone", "U-Net"], fold=[2, 0])
    assert calls == ["backbone/fold-2", "backbone/fold-0", "u-net/fold-2", "u-net/fold-0"]
    assert capsys.readouterr().out.startswith("4 trainings for 2 variants\n")
    rows = [(row.variant, row.reference, row.folds) for row in report.rows]
    assert rows == [("backbone", None, (0, 2)), ("U-Net", None, (0, 2))]  # their references are missing


# Slips ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"variants": ["backbon"]}, "--variants backbon: there is no such variant; did you mean backbone?"),
        ({"variants": ["backbone", "U-Nets"]}, "--variants U-Nets: there is no such variant; did you mean u-net?"),
        (
            {"variants": ["xyzzy"]},
            "--variants xyzzy: there is no such variant; choose from ce-net, ce-net-with-views, backbone",
        ),
        ({"fold": [3]}, "--fold 3: there is no such fold; number them from 0 to 2"),
        ({"folds": 7}, "6 groups cannot make 7 folds"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_refused_and_leaves_nothing(images, options, words, tmp_path):
    with pytest.raises(CenetError) as error:
        ablate(RECIPE, images, output=tmp_path / "new", device=CPU, **{"folds": 3, **options})
    assert words in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_fold_that_there_is_not_is_refused_before_anything_is_said(images, capsys, tmp_path):
    with pytest.raises(CenetError, match=r"^--fold 7: there is no such fold; number them from 0 to 3$"):
        ablate(RECIPE, images, output=tmp_path / "new", device=CPU, fold=[7])
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_refused_recipe_leaves_nothing_and_may_be_corrected(images, monkeypatch, tmp_path):
    options = {"output": tmp_path / "new", "device": CPU, "folds": 3, "variants": ["backbone"], "fold": [0]}
    monkeypatch.setattr(NETWORKS["cenet"], "min_size", 64)
    with pytest.raises(CenetError, match="crop_px 32 is too small; use 64 or more"):
        ablate(RECIPE, images, **options)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    ablate(RECIPE, images, **options)
    assert (tmp_path / "new" / "backbone" / "fold-0" / "run.json").exists()


def test_images_that_are_not_there_leave_nothing(tmp_path):
    with pytest.raises(CenetError, match="there is no such folder"):
        ablate(RECIPE, tmp_path / "nowhere", output=tmp_path / "new", device=CPU)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"epochs": 2}, {}, "was started with epochs 1, not 2; choose another --output, or the same values"),
        ({}, {"folds": 2}, "was started with folds 3, not 2; choose another --output, or the same values"),
    ],
    ids=str,
)
def test_a_table_of_something_else_is_refused(ablated, images, changes, options, words):
    with pytest.raises(CenetError, match=f"^{ablated[0]}: {words}"):
        ablate(RECIPE.replace(**changes), images, output=ablated[0], device=CPU, **{"folds": 3, **options})


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--dac", "none"), "--dac: differs between the variants; leave it out"),
        (("--encoder-weights", "none"), "--encoder-weights: differs between the variants; leave it out"),
        (("--network", "unet"), "--network: differs between the variants; leave it out"),
        (("--network", "cenet-lite", "--fold", 9), "--fold 9: there is no such fold"),  # a CE-Net as well
        (("--test-fraction", 0.3), "--test-fraction: has no part in a cross-validation"),
    ],
)
def test_what_the_rows_decide_cannot_be_given(cenet, images, capsys, tmp_path, option, words):
    assert cenet("ablate", "folder", "--data", images, "--output", tmp_path / "new", "--device", "cpu", *option) == 1
    assert capsys.readouterr().err.startswith(f"cenet: {words}")
    assert list(tmp_path.iterdir()) == []


def test_a_fold_that_was_killed_while_its_folder_was_made_is_no_obstacle(images, monkeypatch, tmp_path):
    monkeypatch.setattr(workflow, "cross_validate", lambda *_, **__: [])
    call = {"output": tmp_path / "rows", "device": CPU, "variants": ["ce-net"], "fold": [0]}
    ablate(RECIPE, images, **call)
    fold = tmp_path / "rows" / "ce-net" / "fold-0"
    Run.create(fold, RECIPE, RunMetadata(command="x", started_from="x", in_channels=3))
    (fold / "recipe.json").unlink()  # which is written last
    assert ablate(RECIPE, images, **call).rows == ()
