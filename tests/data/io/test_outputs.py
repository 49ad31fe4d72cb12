"""Whatever the user has in an output folder stays as it is; a verb replaces and removes its own files alone."""

import json

import pytest

from cenet.data.io.outputs import MANIFEST, OutputFolder
from cenet.errors import CenetError


def write(folder, name="report.md", content="scores", **options):
    OutputFolder(folder, verb=options.pop("verb", "evaluate"), **options).write_text(name, content)


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_a_verb_wrote_it_replaces(tmp_path):
    write(tmp_path / "new" / "out", content="first")
    write(tmp_path / "new" / "out", content="second")
    assert (tmp_path / "new" / "out" / "report.md").read_text() == "second\n"


@pytest.mark.parametrize("case", ["before", "edited", "another verb", "list lost"])
def test_a_file_that_is_not_its_own_is_refused_until_the_user_says_yes(tmp_path, case):
    if case == "before":
        (tmp_path / "report.md").write_text("mine")
    else:
        write(tmp_path, verb="doctor" if case == "another verb" else "evaluate")
    if case == "edited":
        (tmp_path / "report.md").write_text("my notes")
    if case == "list lost":
        (tmp_path / MANIFEST).unlink()
    before = contents(tmp_path)
    with pytest.raises(CenetError) as error:
        OutputFolder(tmp_path, verb="evaluate").check(["report.json", "report.md"])
    assert (error.value.subject, "report.md" in error.value.cause) == (str(tmp_path), True)
    with pytest.raises(CenetError):
        write(tmp_path)
    assert contents(tmp_path) == before
    write(tmp_path, overwrite=True)
    assert (tmp_path / "report.md").read_text() == "scores\n"


def test_only_own_unchanged_files_are_removed(tmp_path):
    for name in ("a_overlay.png", "b_overlay.png", "c_overlay.png", "report.md"):
        write(tmp_path, name)
    write(tmp_path, "d_overlay.png", verb="predict")
    (tmp_path / "b_overlay.png").write_text("mine")
    (tmp_path / "e_overlay.png").write_text("mine")
    OutputFolder(tmp_path, verb="evaluate").remove_earlier("*_overlay.png", keep=["c_overlay.png"])
    left = {f"{name}_overlay.png" for name in "bcde"} | {"report.md", MANIFEST}
    assert contents(tmp_path).keys() == left


def test_links_are_neither_followed_nor_written_through(tmp_path):
    mine, out = tmp_path / "mine", tmp_path / "out"
    write(out, "cases/eye.npz")
    mine.mkdir()
    (out / "cases").rename(mine / "cases")
    (out / "cases").symlink_to(mine / "cases")
    (mine / "notes.md").write_text("mine")
    (out / "report.md").symlink_to(mine / "notes.md")
    before = contents(mine)
    OutputFolder(out, verb="evaluate").remove_earlier("*")
    for name in ("cases/eye.npz", "report.md"):
        with pytest.raises(CenetError):
            write(out, name)
    with pytest.raises(CenetError):
        write(out, "cases/eye.npz", overwrite=True)
    write(out, "report.md", overwrite=True)  # the link is replaced, not what it leads to
    assert not (out / "report.md").is_symlink()
    assert contents(mine) == before


@pytest.mark.parametrize("name", ["../mine", "/mine", MANIFEST, "folder"])
def test_a_name_that_is_no_file_of_the_folder_is_refused(tmp_path, name):
    (tmp_path / "out" / "folder").mkdir(parents=True)
    with pytest.raises(CenetError):
        write(tmp_path / "out", name, overwrite=True)
    assert not contents(tmp_path)


@pytest.mark.parametrize("content", [b"my list\n", None])
def test_a_list_that_is_not_ours_is_left_alone(tmp_path, content):
    if content is None:
        (tmp_path / MANIFEST).symlink_to(tmp_path / "mine")
    else:
        (tmp_path / MANIFEST).write_bytes(content)
    before = contents(tmp_path)
    with pytest.raises(CenetError):
        write(tmp_path)
    assert contents(tmp_path) == before
    assert not (tmp_path / "mine").exists()


def test_after_a_kill_at_any_moment_the_verb_can_write_again(tmp_path, monkeypatch):
    write(tmp_path, content="first")
    with monkeypatch.context() as patch:  # killed between the line in the list and the file
        patch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path, content="second")
    with (tmp_path / MANIFEST).open("ab") as file:
        file.write(b'{"cenet": "0.1')  # killed while it wrote a line
    (tmp_path / ".cenet-0123456789abcdef.part").write_bytes(b"half")
    write(tmp_path, content="third")
    write(tmp_path, content="fourth")
    assert contents(tmp_path).keys() == {MANIFEST, "report.md"}


def test_two_processes_may_write_into_one_folder(tmp_path):
    first, second = (OutputFolder(tmp_path, verb="predict") for _ in range(2))
    first.write_text("ensemble.json", "same")
    second.write_text("ensemble.json", "same")
    first.write_text("ensemble.json", "same")


def test_the_list_holds_names_and_checksums_alone(tmp_path):
    write(tmp_path)
    (line,) = (tmp_path / MANIFEST).read_text().splitlines()
    assert json.loads(line).keys() == {"cenet", "verb", "file", "sha256"}
