"""The held-out test part: training cannot see it, and every evaluation of it is counted and reported."""

import json
import shutil

import pytest
from PIL import Image

from cenet.inference.operating_point import OperatingPoint
from cenet.inference.run import Run


@pytest.fixture(scope="module")
def undisturbed(cenet, small, images, keep):
    """A run on all images. Not to be changed."""
    folder = keep("undisturbed") / "run"
    assert cenet("train", "folder", "--data", images, "--output", folder, *small, "--keep-checkpoints") == 0
    return folder


@pytest.fixture
def run(undisturbed, tmp_path):
    """A copy of it that was never scored."""
    return shutil.copytree(undisturbed, tmp_path / "run")


@pytest.fixture
def data(images, tmp_path):
    return shutil.copytree(images, tmp_path / "images-of-eyes")


@pytest.fixture
def evaluate(cenet, run, tmp_path, capsys):
    """Scores the run, and gives what was said of it beside the progress bars."""

    def score(*options, status=0):
        capsys.readouterr()
        assert cenet("evaluate", run, "--device", "cpu", "--output", tmp_path / "scores", *options) == status
        return [line for line in capsys.readouterr().err.splitlines() if line and not line.endswith("/s]")]

    return score


def held_out(run):
    return Run(run).split.parts["test"]


def disturb(data, names, how, *parts):
    for name in names:
        for part in parts:
            path = data / part / f"{name}.png"
            if how == "gone":
                path.unlink()
            elif how == "no image":
                path.write_text("this is no image")
            else:
                Image.effect_noise((9, 7), 50).save(path)


def what_was_chosen(run):
    facts = Run(run).facts
    return facts.weights_sha256, facts.epoch, facts.operating_points, facts.validation_dice, facts.shares


# Training does not see it -----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["gone", "no image", "noise"])
def test_a_new_split_needs_no_label_of_the_images_it_holds_out(cenet, small, undisturbed, data, how, tmp_path):
    disturb(data, held_out(undisturbed), how, "masks")
    assert cenet("train", "folder", "--data", data, "--output", tmp_path / "run", *small) == 0
    assert what_was_chosen(tmp_path / "run") == what_was_chosen(undisturbed)
    for name in ("weights.safetensors", "splits.json", "recipe.json"):
        assert (tmp_path / "run" / name).read_bytes() == (undisturbed / name).read_bytes()


def test_held_out_images_without_label_are_noted(cenet, small, undisturbed, data, tmp_path, capsys):
    disturb(data, held_out(undisturbed), "gone", "masks")
    assert cenet("train", "folder", "--data", data, "--output", tmp_path / "run", *small) == 0
    assert f"{held_out(undisturbed)[0]}.png" in capsys.readouterr().err


def test_drive_is_learnt_from_without_what_is_held_out(cenet, small, images, tmp_path):
    """The manuals of the test part go before the split is made, its photographs after."""
    data = tmp_path / "DRIVE"
    places = {"images": "images/{}_training.tif", "masks": "1st_manual/{}_manual1.gif"}
    places["regions"] = "mask/{}_training_mask.gif"
    for part, place in places.items():
        for number, path in enumerate(sorted((images / part).iterdir()), start=21):
            target = data / "training" / place.format(number)
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.open(path).save(target)

    def trained(name, *options):
        options = ("--data", data, "--output", tmp_path / name, "--task", "drive", *small, *options)
        assert cenet("train", "folder", *options) == 0
        return what_was_chosen(tmp_path / name)

    before = trained("before")
    tests = [name.removesuffix("_training") for name in held_out(tmp_path / "before")]
    for place, name in (("masks", "without labels"), ("images", "without images")):
        for number in tests:
            (data / "training" / places[place].format(number)).unlink()
        splits = ("--splits", tmp_path / "before" / "splits.json") if place == "images" else ()
        assert trained(name, *splits) == before


@pytest.mark.parametrize("how", ["gone", "no image", "noise"])
def test_a_split_that_is_made_needs_nothing_of_the_images_it_holds_out(cenet, small, undisturbed, data, how, tmp_path):
    disturb(data, held_out(undisturbed), how, "images", "masks", "regions")
    places = ("--data", data, "--output", tmp_path / "run", "--splits", undisturbed / "splits.json")
    assert cenet("train", "folder", *places, *small) == 0
    assert what_was_chosen(tmp_path / "run") == what_was_chosen(undisturbed)
    for name in ("weights.safetensors", "splits.json"):
        assert (tmp_path / "run" / name).read_bytes() == (undisturbed / name).read_bytes()


def test_resuming_needs_nothing_of_it_either(cenet, run, data, undisturbed):
    disturb(data, held_out(run), "gone", "images", "masks", "regions")
    Run(run).update(finished=False, operating_points=(OperatingPoint(thresholds=(0.1,)),))
    assert cenet("train", "--resume", run, "--data", data, "--device", "cpu", "--workers", 0) == 0
    assert what_was_chosen(run) == what_was_chosen(undisturbed)


@pytest.mark.parametrize("part", ["train", "validation"])
def test_what_is_learnt_from_does_matter(cenet, small, undisturbed, data, part, tmp_path):
    """Else the tests above could not fail."""
    for name in Run(undisturbed).split.parts[part]:
        Image.open(data / "masks" / f"{name}.png").rotate(180).save(data / "masks" / f"{name}.png")
    assert cenet("train", "folder", "--data", data, "--output", tmp_path / "run", *small) == 0
    assert what_was_chosen(tmp_path / "run") != what_was_chosen(undisturbed)


# Every evaluation is counted --------------------------------------------------------------------------------------


def test_every_evaluation_of_the_test_part_is_counted_and_reported(run, evaluate, tmp_path):
    assert Run(run).facts.test_scored == 0
    for number, word in enumerate(("1st", "2nd", "3rd"), start=1):
        (notice,) = evaluate()
        assert str(run) in notice
        assert word in notice
        assert json.loads((run / "run.json").read_text())["test_scored"] == number
        report = json.loads((tmp_path / "scores" / "report.json").read_text())
        assert report["runs"][0]["test_scored"] == number


def test_every_way_to_score_it_counts(run, evaluate):
    for number, options in enumerate((("--protocol", "frame"), ("--tta",), ("--split", "test")), start=1):
        evaluate(*options)
        assert Run(run).facts.test_scored == number
    assert [notice for notice in evaluate("--split", "all") if "4th" in notice]


@pytest.mark.parametrize("part", ["train", "validation"])
def test_an_evaluation_of_another_part_is_not_counted(run, evaluate, part):
    assert evaluate("--split", part) == []
    assert Run(run).facts.test_scored == 0


def test_a_test_image_among_other_images_is_counted_under_whatever_name(run, evaluate, images, draw, tmp_path):
    other = draw(tmp_path / "other", count=3, seed=9)
    assert evaluate("--data", other) == []
    assert Run(run).facts.test_scored == 0
    for part in ("images", "masks", "regions"):
        shutil.copy(images / part / f"{held_out(run)[1]}.png", other / part / "patient-x.png")
    assert len(evaluate("--data", other, "--split", "all")) == 1
    assert Run(run).facts.test_scored == 1


def test_the_whole_test_part_elsewhere_is_counted(run, evaluate, data):
    assert len(evaluate("--data", data)) == 1
    assert Run(run).facts.test_scored == 1


def test_an_evaluation_that_is_refused_is_not_counted(run, evaluate, data, draw):
    disturb(data, held_out(run), "gone", "masks")
    (answer,) = evaluate("--data", data, status=1)
    assert f"{held_out(run)[0]}.png" in answer
    evaluate("--protocol", "authors", status=1)
    assert Run(run).facts.test_scored == 0


def test_the_count_stays_when_the_run_is_resumed(cenet, run, evaluate):
    evaluate()
    assert cenet("train", "--resume", run, "--device", "cpu", "--workers", 0) == 0
    assert Run(run).facts.test_scored == 1
