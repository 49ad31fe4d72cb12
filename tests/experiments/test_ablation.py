"""Ablations: every row is trained alike on the same folds, nothing is trained twice, and slips leave nothing."""

import json
from pathlib import Path

import pytest
from torch import nn

from cenet.cli.parser import parser
from cenet.config.presets import RECIPES, load_recipe
from cenet.errors import CenetError
from cenet.experiments import ablation as workflow
from cenet.experiments import resume as going_on
from cenet.experiments.ablation import BESIDE, CENET, RANDOM, REFERENCE, ROWS, VIEWS, ablate
from cenet.experiments.ablation_table import format_ablation
from cenet.inference.device import resolve_device
from cenet.inference.run import Run
from cenet.networks import NETWORKS

CPU = resolve_device(device="cpu", precision="32-true", workers=0)
CHANGES = {"crop_px": 32, "epochs": 1, "steps_per_epoch": 2, "batch_size": 2, "learning_rate": 0.01}
RECIPE = load_recipe("folder").replace(**CHANGES)
FOLDS = range(3)
TRAINED = {"ce-net": REFERENCE, "backbone": "backbone", "ce-net-random-start": RANDOM}


@pytest.fixture(scope="module", autouse=True)
def thin_cenet(thin):
    """Both networks are of a few numbers; those of a CE-Net depend on what it is made of."""

    class ThinCENet(NETWORKS["unet"]):
        def __init__(self, *arguments, encoder, dac, rmp, shared, use_stem_skip, **options):
            super().__init__(*arguments, **options)
            nn.init.normal_(self.head.weight, std=0.1 + 0.2 * (dac is None) + 0.1 * rmp)

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NETWORKS, "cenet", ThinCENet)
        yield


@pytest.fixture(scope="module")
def ablated(thin_cenet, images, keep):
    """Some rows, then one fold of the U-Net: the folder, and what was returned in the end. Not to be changed."""
    folder = keep("ablated") / "rows-of-eyes"
    ablate(RECIPE, images, output=folder, machine=CPU, folds=3, rows=[REFERENCE, VIEWS, "backbone", RANDOM])
    return folder, ablate(RECIPE, images, output=folder, machine=CPU, folds=3, rows=["u-net"], only=[0])


@pytest.fixture
def calls(monkeypatch):
    """What is trained."""
    seen = []
    done = going_on.train

    def noted(*arguments, **options):
        seen.append("/".join(options["output"].parts[-2:]))
        return done(*arguments, **options)

    monkeypatch.setattr(going_on, "train", noted)
    return seen


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


# The rows ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECIPES)
def test_every_row_is_a_sound_recipe_of_its_own(name):
    recipes = {title: RECIPES[name].replace(**{**CENET, **changes}) for title, changes in ROWS.items()}
    for title, recipe in recipes.items():
        same = recipe == recipes[REFERENCE]
        assert same == (title in (REFERENCE, VIEWS) or ROWS[title] == {"loss": RECIPES[name].loss}), title
        if recipe.network == "cenet":
            start = "none" if title == RANDOM else "bundled"
            assert (recipe.encoder, recipe.encoder_weights) == ("resnet34-preact", start)


def test_two_random_starts_stand_beside_each_other_and_all_else_beside_the_whole():
    assert list(BESIDE) == list(ROWS)
    assert [title for title, beside in BESIDE.items() if beside != REFERENCE] == ["U-Net"]
    assert ROWS[BESIDE["U-Net"]] == {"encoder_weights": "none"}


def test_every_row_is_trained_as_it_says_on_the_same_folds(ablated):
    folder, _ = ablated
    for name, title in TRAINED.items():
        for fold in FOLDS:
            run = Run(folder / name / f"fold-{fold}")
            assert run.recipe == RECIPE.replace(**{**CENET, **ROWS[title]})
            assert run.split == Run(folder / "ce-net" / f"fold-{fold}").split
    assert Run(folder / "u-net" / "fold-0").recipe.network == "unet"
    assert not (folder / "u-net" / "fold-1").exists()
    assert (
        len({Run(folder / name / "fold-0").facts.weights_sha256 for name in TRAINED}) == len(TRAINED) - 1
    )  # no encoder


def test_views_are_an_evaluation_of_networks_that_are_there(ablated):
    folder, ablation = ablated
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == sorted([*TRAINED, "u-net"])
    rows = {row["row"]: row for row in ablation["rows"]}
    assert (rows[REFERENCE]["views"], rows[VIEWS]["views"]) == ("1", "8")
    views = report_of(folder / "ce-net" / "evaluation-out-of-fold-region-tta")["classes"]["foreground"]
    expected = next(iter(views["cuts"].values()))["per_image"]["dice"]
    assert rows[VIEWS]["figures"][0]["value"] == pytest.approx(expected["value"])


def test_a_row_that_is_the_reference_by_another_name_is_not_trained_again(images, monkeypatch, tmp_path):
    places = {}
    monkeypatch.setattr(workflow, "cross_validate", lambda *_, output, tta, **__: places.setdefault(output.name, tta))
    ablate(RECIPE.replace(loss="dice"), images, output=tmp_path / "rows", machine=CPU)
    folders = [workflow._slug(title) for title in ROWS if title not in (VIEWS, "CE-Net, Dice loss")]
    assert list(places) == folders


# The table --------------------------------------------------------------------------------------------------


def test_a_row_is_what_its_report_says_and_what_it_differs_by(ablated):
    folder, ablation = ablated
    rows = {row["row"]: row for row in ablation["rows"]}
    assert list(rows) == [REFERENCE, VIEWS, "backbone", RANDOM, "U-Net"]
    values = {}
    for name, title in TRAINED.items():
        report = report_of(folder / name / "evaluation-out-of-fold-region")
        expected = next(iter(report["classes"]["foreground"]["cuts"].values()))["per_image"]["dice"]
        (dice,) = rows[title]["figures"]
        assert (dice["class"], dice["metric"]) == ("foreground", "dice_per_image")
        assert dice["value"] == values.setdefault(title, pytest.approx(expected["value"]))
        ends = [expected[end] for end in ("low", "high", "how")]
        assert [dice["interval"][end] for end in ("low", "high", "how")] == ends
        assert rows[title]["parameters"] == report["cost"]["parameters"]
        assert rows[title]["training_seconds"] == pytest.approx(report["cost"]["training_seconds"] / 3)
        assert rows[title]["steps"] == 2
    (backbone,), (whole,) = rows["backbone"]["figures"], rows[REFERENCE]["figures"]
    assert backbone["difference"] == pytest.approx(backbone["value"] - whole["value"])
    assert backbone["difference"] != 0
    assert backbone["beside"] == whole["value"]
    assert 2 / 2**6 <= backbone["p"] <= 1
    assert (rows["backbone"]["beside"], rows[REFERENCE]["beside"]) == (REFERENCE, None)


def test_a_row_of_one_fold_is_compared_on_the_images_of_that_fold_without_a_test(ablated):
    folder, ablation = ablated
    row = next(row for row in ablation["rows"] if row["row"] == "U-Net")
    (figure,) = row["figures"]
    reports = [report_of(folder / name / "fold-0/evaluation-test-region") for name in ("u-net", "ce-net-random-start")]
    ours, theirs = (
        next(iter(report["classes"]["foreground"]["cuts"].values()))["per_image"]["dice"]["value"] for report in reports
    )
    assert (row["beside"], row["folds"], row["images"]) == (RANDOM, [0], 2)
    assert (figure["value"], figure["beside"]) == (pytest.approx(ours), pytest.approx(theirs))
    assert figure["difference"] == pytest.approx(ours - theirs)
    assert figure["p"] != figure["p"]
    assert "- U-Net: 1 of 3 folds; its figures are those of 2 images, no test.\n" in format_ablation(ablation)


def test_the_files_say_what_was_returned(ablated, images):
    folder, ablation = ablated
    assert (folder / "ablation.md").read_text() == format_ablation(ablation) + "\n"
    written = (folder / "ablation.json").read_text()
    assert [row["row"] for row in json.loads(written)["rows"]] == [row["row"] for row in ablation["rows"]]
    assert str(folder.parent) not in written
    assert str(images.parent) not in written


def test_the_table_says_what_its_numbers_rest_on(ablated):
    text = format_ablation(ablated[1])
    assert "images-of-eyes: 6 images in 6 groups, dealt into 3 folds with seed 0;" in text
    assert "Recipe folder: 2 steps a model, each of 2 crops of 32 px. The budget is short:" in text
    assert "- To be done: backbone + DAC; backbone + RMP; DAC without atrous;" in text


def test_the_command_in_the_table_does_the_same(ablated):
    verb, *words = ablated[1]["command"].split()[1:]
    given = vars(parser().parse_args([verb, *words]))
    fields = {key.removeprefix("field:"): value for key, value in given.items() if key.startswith("field:")}
    assert (verb, given["folds"], given["output"]) == ("ablate", 3, Path("runs/rows-of-eyes"))
    assert load_recipe(given["recipe"]).replace(**fields) == RECIPE


# Going on ---------------------------------------------------------------------------------------------------


def test_what_is_done_is_not_done_again_and_counted(cenet, ablated, images, calls, capsys):
    folder, ablation = ablated
    words = ablation["command"].split()[2:]
    words[words.index("--data") + 1], words[words.index("--output") + 1] = images, folder
    before = (folder / "ablation.md").read_text()
    options = ("--variants", "backbone", "CE-Net, with views", "--device", "cpu", "--precision", "32-true")
    assert cenet("ablate", *words, *options) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("6 trainings for 2 rows, of which 6 are done\n\nbackbone\n")
    assert printed.endswith(f"{before}\nreport: {folder / 'ablation.md'}\n")
    assert calls == []


def test_only_some_folds_and_rows_are_trained(images, calls, capsys, tmp_path):
    ablation = ablate(RECIPE, images, output=tmp_path, machine=CPU, folds=3, rows=["Backbone", "U-Net"], only=[2, 0])
    assert calls == ["backbone/fold-2", "backbone/fold-0", "u-net/fold-2", "u-net/fold-0"]
    assert capsys.readouterr().out.startswith("4 trainings for 2 rows\n")
    told = [(row["row"], row["beside"], row["folds"]) for row in ablation["rows"]]
    assert told == [("backbone", None, [0, 2]), ("U-Net", None, [0, 2])]  # what they stand beside is missing


# Slips ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"rows": ["backbon"]}, "--variants backbon: there is no such row; did you mean backbone?"),
        ({"rows": ["backbone", "U-Nets"]}, "--variants U-Nets: there is no such row; did you mean u-net?"),
        (
            {"rows": ["xyzzy"]},
            "--variants xyzzy: there is no such row; choose from ce-net, ce-net-with-views, backbone",
        ),
        ({"only": [3]}, "--fold 3: there is no such fold; number them from 0 to 2"),
        ({"folds": 7}, "6 groups cannot make 7 folds"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_refused_and_leaves_nothing(images, options, words, tmp_path):
    with pytest.raises(CenetError) as error:
        ablate(RECIPE, images, output=tmp_path / "new", machine=CPU, **{"folds": 3, **options})
    assert words in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_a_fold_that_there_is_not_is_refused_before_anything_is_said(images, capsys, tmp_path):
    with pytest.raises(CenetError, match=r"^--fold 7: there is no such fold; number them from 0 to 3$"):
        ablate(RECIPE, images, output=tmp_path / "new", machine=CPU, only=[7])
    assert capsys.readouterr().out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_refused_recipe_leaves_nothing_and_may_be_corrected(images, monkeypatch, tmp_path):
    options = {"output": tmp_path / "new", "machine": CPU, "folds": 3, "rows": ["backbone"], "only": [0]}
    monkeypatch.setattr(NETWORKS["cenet"], "min_size", 64)
    with pytest.raises(CenetError, match="crop_px 32 is too small; use 64 or more"):
        ablate(RECIPE, images, **options)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    ablate(RECIPE, images, **options)
    assert (tmp_path / "new" / "backbone" / "fold-0" / "run.json").exists()


def test_images_that_are_not_there_leave_nothing(tmp_path):
    with pytest.raises(CenetError, match="there is no such folder"):
        ablate(RECIPE, tmp_path / "nowhere", output=tmp_path / "new", machine=CPU)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"epochs": 2}, {}, "was begun with epochs 1, and this is 2; choose another --output, or the same values"),
        ({}, {"folds": 2}, "was begun with folds 3, and this is 2; choose another --output, or the same values"),
    ],
    ids=str,
)
def test_a_table_of_something_else_is_refused(ablated, images, changes, options, words):
    with pytest.raises(CenetError, match=f"^{ablated[0]}: {words}"):
        ablate(RECIPE.replace(**changes), images, output=ablated[0], machine=CPU, **{"folds": 3, **options})


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (("--dac", "none"), "--dac: is for the rows of the table to say; leave it out"),
        (("--encoder-weights", "none"), "--encoder-weights: is for the rows of the table to say; leave it out"),
        (("--test-fraction", 0.3), "--test-fraction: has no part in a cross-validation"),
    ],
)
def test_what_the_rows_decide_cannot_be_given(cenet, images, capsys, tmp_path, option, words):
    assert cenet("ablate", "folder", "--data", images, "--output", tmp_path / "new", "--device", "cpu", *option) == 1
    assert capsys.readouterr().err.startswith(f"cenet: {words}")
    assert list(tmp_path.iterdir()) == []
