"""Going on: a folder knows what it was started with, and refuses anything else."""

import json

import pytest

from cenet.config.presets import load_recipe
from cenet.errors import CenetError
from cenet.experiments.resume import matches_existing, resumable_experiment

RECIPE = load_recipe("drive")


def test_a_new_folder_is_not_gone_on_with(tmp_path):
    (tmp_path / "empty").mkdir()
    assert not matches_existing(tmp_path / "new", RECIPE)
    assert not matches_existing(tmp_path / "empty", RECIPE)


@pytest.mark.parametrize("name", ["mine", "folder"])
def test_a_place_with_something_else_in_it_is_refused(tmp_path, name):
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "mine").write_text("mine")
    with pytest.raises(
        CenetError, match=f"^{tmp_path / name}: already exists and is no experiment; choose another --output$"
    ):
        matches_existing(tmp_path / name, RECIPE)


@pytest.mark.parametrize(
    ("recipe", "options", "words"),
    [
        (RECIPE.replace(seed=3), {}, "seed 0, not 3"),
        (RECIPE, {"group": None}, "group ^[0-9]+, not None"),
        (RECIPE, {"ignore": 0}, "ignore None, not 0"),
    ],
)
def test_other_settings_than_it_was_started_with_are_refused(tmp_path, recipe, options, words):
    noted = {"group": "^[0-9]+", "ignore": None}
    with resumable_experiment(tmp_path, RECIPE, **noted):
        assert matches_existing(tmp_path, RECIPE, **noted)
    with pytest.raises(CenetError) as error, resumable_experiment(tmp_path, recipe, **noted | options):
        pytest.fail("it was begun")
    assert str(error.value) == f"{tmp_path}: was started with {words}; choose another --output, or the same values"


def test_a_title_that_was_reworded_does_not_refuse_the_experiment(tmp_path):
    with resumable_experiment(tmp_path, RECIPE):
        assert matches_existing(tmp_path, RECIPE.replace(title="another title"))


@pytest.mark.parametrize("content", [b"{", b"\xff", json.dumps([1]).encode()])
def test_a_corrupted_note_is_reported(tmp_path, content):
    with resumable_experiment(tmp_path, RECIPE, group=None):
        pass
    (tmp_path / "options.json").write_bytes(content)
    with pytest.raises(CenetError, match=r"options\.json: is corrupted; copy the folder again$"):
        matches_existing(tmp_path, RECIPE, group=None)


# What is refused --------------------------------------------------------------------------------------------


def half_write(folder, *, others=()):
    """What stands in a folder when the first training is refused, and maybe others."""
    for file in others:
        file.parent.mkdir(parents=True)
        file.write_text("{}")
    (folder / "row" / "folds").mkdir(parents=True)
    (folder / "row" / "folds" / "0.json").write_text("{}")
    (folder / "row" / ".fold-0.lock").touch()
    raise CenetError("recipe folder", "crop_px 32 is too small", "use 192 or more")


def test_of_a_refused_first_training_nothing_is_left(tmp_path):
    folder = tmp_path / "runs" / "rows"
    with pytest.raises(CenetError, match="too small"), resumable_experiment(folder, RECIPE):
        half_write(folder)
    assert list(tmp_path.iterdir()) == []
    with resumable_experiment(folder, RECIPE.replace(crop_px=192)):
        assert matches_existing(folder, RECIPE.replace(crop_px=192))


def test_an_empty_folder_that_was_there_stays_empty(tmp_path):
    with pytest.raises(CenetError, match="too small"), resumable_experiment(tmp_path, RECIPE):
        half_write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_beside_what_somebody_else_has_made_meanwhile_is_removed_alone(tmp_path):
    with pytest.raises(CenetError, match="too small"), resumable_experiment(tmp_path / "runs" / "rows", RECIPE):
        half_write(tmp_path / "runs" / "rows", others=[tmp_path / "runs" / "another" / "run.json"])
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["another"]


def test_a_training_that_was_started_stays(tmp_path):
    with pytest.raises(CenetError, match="too small"), resumable_experiment(tmp_path, RECIPE):
        half_write(tmp_path, others=[tmp_path / "row" / "fold-1" / "run.json"])
    assert matches_existing(tmp_path, RECIPE)
    assert (tmp_path / "row" / "fold-1" / "run.json").exists()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, ValueError])
def test_what_is_stopped_otherwise_can_be_resumed(tmp_path, stop):
    with pytest.raises(stop), resumable_experiment(tmp_path, RECIPE):
        raise stop
    assert matches_existing(tmp_path, RECIPE)


def test_a_folder_that_was_started_before_stays_when_it_is_refused(tmp_path):
    with resumable_experiment(tmp_path, RECIPE):
        pass
    with pytest.raises(CenetError, match="too small"), resumable_experiment(tmp_path, RECIPE):
        half_write(tmp_path)
    assert matches_existing(tmp_path, RECIPE)


def test_what_a_killed_process_left_before_it_began_is_no_obstacle_and_goes(tmp_path):
    parts = [tmp_path / ".cenet-0123456789abcdef.part", tmp_path / "folds" / ".cenet-0123456789abcdef.part"]
    (tmp_path / "folds").mkdir()
    parts[0].touch()
    with pytest.raises(CenetError, match="no experiment"):  # a folder with something unknown in it
        matches_existing(tmp_path, RECIPE, group=None)
    (tmp_path / "folds").rmdir()
    assert not matches_existing(tmp_path, RECIPE, group=None)
    (tmp_path / "options.json").write_text('{"group": null}')
    assert not matches_existing(tmp_path, RECIPE, group=None)
    with pytest.raises(CenetError, match="no experiment"):  # another's, or the user's
        matches_existing(tmp_path, RECIPE, group="a")
    with resumable_experiment(tmp_path, RECIPE, group=None):
        (tmp_path / "folds").mkdir()
        parts[1].touch()
    with resumable_experiment(tmp_path, RECIPE, group=None):
        assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["folds", "options.json", "recipe.json"]
