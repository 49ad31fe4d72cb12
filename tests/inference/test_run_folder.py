"""A run folder is free, occupied or being trained, and only what is proven to be cenet's own is ever removed."""

import json

import pytest
from filelock import FileLock

from cenet.config.presets import load_recipe
from cenet.data.splits import Split
from cenet.errors import CenetError
from cenet.inference.run import Run
from cenet.inference.run_folder import check_not_occupied, check_resumable, is_unstarted, lock_run
from cenet.inference.run_metadata import RunMetadata

RECIPE = load_recipe("folder")
FACTS = RunMetadata(command="cenet train folder", started_from="random weights", in_channels=3)
PRINTS = {name: str(number) * 64 for number, name in enumerate("ab")}
SPLIT = Split({"train": ("a",), "validation": ("b",), "test": ()}, {"a": "a", "b": "b"}, PRINTS)
PART = ".cenet-0123456789abcdef.part"


@pytest.fixture
def unstarted(tmp_path):
    """A run whose process was killed while it wrote its first checkpoint."""
    path = tmp_path / "run"
    with lock_run(path):
        Run.create(path, RECIPE, FACTS, split=SPLIT)
    (path / "checkpoints").mkdir()
    for name in (PART, "checkpoints/new.ckpt", f"checkpoints/{PART}"):
        (path / name).write_bytes(b"half")
    return path


def names(path):
    return {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}


def test_an_unstarted_run_gives_way_to_a_new_one(unstarted):
    check_not_occupied(unstarted)
    with lock_run(unstarted):
        Run.create(unstarted, RECIPE.replace(seed=7), FACTS, split=SPLIT)
    assert Run(unstarted).recipe.seed == 7
    assert names(unstarted) == {"run.json", "recipe.json", "splits.json", ".lock", ".facts.lock"}


@pytest.mark.parametrize("lost", ["recipe.json", "splits.json"])
def test_a_run_that_was_killed_while_it_was_made_can_be_started_again(unstarted, lost):
    (unstarted / lost).unlink()
    with pytest.raises(CenetError) as error:
        check_resumable(unstarted)
    assert error.value.remedy == "give the command that started it again"
    check_not_occupied(unstarted)


def test_a_killed_process_that_had_only_its_lock_leaves_the_folder_free(tmp_path):
    for name in (".lock", ".facts.lock", PART):
        (tmp_path / name).touch()
    check_not_occupied(tmp_path)


@pytest.mark.parametrize(
    "name", ["notes.txt", "checkpoints/mine.ckpt", "checkpoints/epoch-0000-12345678.ckpt", "localiser/a", "a/b"]
)
def test_a_folder_with_anything_else_is_left_alone(unstarted, name):
    (unstarted / name).parent.mkdir(exist_ok=True)
    (unstarted / name).touch()
    before = names(unstarted)
    with pytest.raises(CenetError, match="already exists") as error:
        check_not_occupied(unstarted)
    assert f"--output {unstarted}-2" in error.value.remedy
    with pytest.raises(CenetError, match="already exists"):
        Run.create(unstarted, RECIPE, FACTS)
    assert names(unstarted) == before


def test_a_recipe_of_the_users_own_is_no_run(tmp_path):
    (tmp_path / "recipe.json").write_text(RECIPE.model_dump_json())
    assert not is_unstarted(tmp_path)


@pytest.mark.parametrize("changes", [{"finished": True}, {"epoch": 0}, {"format": 2}])
def test_a_run_that_has_learnt_something_is_no_free_place(unstarted, changes):
    facts = json.loads((unstarted / "run.json").read_text())
    (unstarted / "run.json").write_text(json.dumps({**facts, **changes}))
    assert not is_unstarted(unstarted)


def test_a_link_is_never_followed_and_never_removed(unstarted, tmp_path):
    (unstarted / "environment.json").symlink_to(tmp_path)
    assert not is_unstarted(unstarted)


def test_a_run_that_is_being_trained_is_said_to_be(unstarted):
    with FileLock(unstarted / ".lock"):
        for check in (check_not_occupied, check_resumable):
            with pytest.raises(CenetError) as error:
                check(unstarted)
            assert "is training" in error.value.cause
            assert "delete" not in error.value.remedy


def test_part_files_go_when_the_run_is_locked_and_only_then(unstarted):
    other = unstarted / "mine.part"
    other.touch()
    with FileLock(unstarted / ".lock"), pytest.raises(CenetError, match="another process"), lock_run(unstarted):
        pass
    assert (unstarted / PART).exists()
    with lock_run(unstarted):
        pass
    assert {name for name in names(unstarted) if "part" in name or "ckpt" in name} == {"mine.part"}


def test_a_run_with_a_checkpoint_is_offered_to_be_resumed(unstarted):
    (unstarted / "checkpoints" / "epoch-0000-12345678.ckpt").touch()
    with pytest.raises(CenetError) as error:
        check_not_occupied(unstarted)
    assert f"--resume {unstarted}" in error.value.remedy


def test_a_localiser_that_has_learnt_nothing_gives_way_with_its_run(unstarted):
    with lock_run(unstarted / "localiser"):
        Run.create(unstarted / "localiser", RECIPE, FACTS, split=SPLIT)
    assert is_unstarted(unstarted)
    with lock_run(unstarted):
        Run.create(unstarted, RECIPE.replace(seed=7), FACTS, split=SPLIT)
    assert not (unstarted / "localiser").exists()


def test_a_localiser_that_has_learnt_something_is_kept(unstarted):
    with lock_run(unstarted / "localiser"):
        Run.create(unstarted / "localiser", RECIPE, FACTS.model_copy(update={"epoch": 3}), split=SPLIT)
    assert not is_unstarted(unstarted)
    with pytest.raises(CenetError):
        check_not_occupied(unstarted)
