import errno
import hashlib
import io
import os
import re
import resource
import stat
from pathlib import Path

import pytest

from cenet.data.io.files import append_line, atomic_write, hash_file
from cenet.errors import CenetError


class FullDisk(io.FileIO):
    """A file on a disk that takes no byte."""

    def write(self, _):
        raise OSError(errno.ENOSPC, "No space left on device")


def write(path, content=b"newer", *, failure=None):
    with atomic_write(path) as file:
        file.write(content)
        if failure:
            raise failure


def refusal(path, reason, remedy="choose another place"):
    """The one sentence for a place that cannot be written."""
    return re.escape(f"{path}: the file cannot be written ({reason}); {remedy}")


@pytest.fixture(params=["older", "none"])
def before(request, tmp_path):
    """The file to write and what its folder holds, both with an older file and without."""
    path = tmp_path / "note.txt"
    if request.param == "older":
        path.write_bytes(b"older")
    return path, held(tmp_path)


def held(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_file_holds_what_was_written_and_nothing_else_is_left(before):
    path, _ = before
    write(path, b"new\r\n\0er")
    assert held(path.parent) == {"note.txt": b"new\r\n\0er"}


def test_until_the_end_the_place_is_as_it_was_and_the_new_file_lies_beside_it(before):
    path, whole = before
    with atomic_write(path) as file:
        file.write(b"newer")
        file.flush()
        (part,) = path.parent.glob(".*.part")
        assert held(path.parent) == {**whole, part.name: b"newer"}


def test_all_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    steps, sync, replace = [], os.fsync, Path.replace

    def noted_sync(number):
        status = os.fstat(number)
        steps.append(("sync", "folder" if stat.S_ISDIR(status.st_mode) else status.st_size))
        sync(number)

    def noted_replace(part, path):
        steps.append(("replace", part.stat().st_size))
        return replace(part, path)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    write(tmp_path / "note.txt")
    assert steps == [("sync", 5), ("replace", 5), ("sync", "folder")]


def test_an_empty_file_may_be_written(before):
    path, _ = before
    write(path, b"")
    assert held(path.parent) == {"note.txt": b""}


def test_missing_folders_are_made(tmp_path):
    write(tmp_path / "new" / "folders" / "note.txt")
    assert held(tmp_path / "new" / "folders") == {"note.txt": b"newer"}


def test_a_name_without_a_folder_is_written_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(Path("note.txt"))
    assert held(tmp_path) == {"note.txt": b"newer"}


def test_two_who_write_one_file_at_once_do_not_mix(before):
    path, _ = before
    with atomic_write(path) as first:
        first.write(b"first")
        with atomic_write(path) as second:
            second.write(b"second")
        assert path.read_bytes() == b"second"
    assert held(path.parent) == {"note.txt": b"first"}


@pytest.mark.parametrize(
    "failure",
    [KeyboardInterrupt(), SystemExit(1), MemoryError(), ValueError("odd"), CenetError("a.png", "odd", "fix it")],
    ids=repr,
)
def test_a_failure_leaves_all_as_it_was_and_is_passed_on(before, failure):
    path, whole = before
    with pytest.raises(type(failure)) as error:
        write(path, failure=failure)
    assert error.value is failure
    assert held(path.parent) == whole


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
        (PermissionError(errno.EACCES, "Permission denied"), "Permission denied"),
        (OSError("the encoder broke"), "the encoder broke"),
    ],
)
def test_a_failure_of_the_system_leaves_all_as_it_was_and_is_reported(before, failure, reason):
    path, whole = before
    with pytest.raises(CenetError, match=refusal(path, reason)) as error:
        write(path, failure=failure)
    assert error.value.__cause__ is failure
    assert held(path.parent) == whole


@pytest.mark.parametrize("size", [5, 10_000_000], ids=["found at the end", "found while writing"])
def test_a_full_disk_leaves_all_as_it_was_and_is_reported(before, monkeypatch, size):
    path, whole = before
    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", lambda part, mode: io.BufferedWriter(FullDisk(part, mode.replace("b", ""))))
        with pytest.raises(CenetError, match=refusal(path, "No space left on device", "free some space")):
            write(path, bytes(size))
    assert held(path.parent) == whole


@pytest.mark.parametrize("room", [0, 1, 5])
def test_a_line_that_finds_no_room_leaves_the_file_as_it_was(tmp_path, room):
    path, limit = tmp_path / "list", 2**26
    with path.open("wb") as file:
        file.truncate(limit - room)  # holds nothing, and takes no space
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(CenetError, match=refusal(path, "File too large", "free some space")):
            append_line(path, "ten letters")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.stat().st_size == limit - room


def test_a_line_that_a_disk_takes_in_parts_is_whole(tmp_path, monkeypatch):
    class SlowFile(io.FileIO):
        def write(self, content):
            return super().write(content[:3])

    monkeypatch.setattr("builtins.open", lambda path, mode, **_: SlowFile(path, mode.replace("b", "")))
    for line in ("first", "the second"):
        append_line(tmp_path / "list", line)
    assert (tmp_path / "list").read_bytes() == b"first\nthe second\n"


def test_a_line_that_is_not_flushed_does_not_stay(before, monkeypatch):
    def fail(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    path, _ = before
    size = path.stat().st_size if path.exists() else 0
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(CenetError):
        append_line(path, "newer")
    assert path.stat().st_size == size


@pytest.mark.parametrize(("owner", "step"), [(os, "fsync"), (Path, "replace"), (Path, "open"), (Path, "mkdir")])
def test_a_disk_that_fails_at_any_step_leaves_all_as_it_was(before, monkeypatch, owner, step):
    def fail(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    path, whole = before
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, fail)
        with pytest.raises(CenetError, match=refusal(path, "No space left on device", "free some space")):
            write(path)
    assert held(path.parent) == whole


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_of_what_is_full_the_remedy_is_space(tmp_path, number):
    path = tmp_path / "note.txt"
    with pytest.raises(CenetError, match=refusal(path, os.strerror(number), "free some space") + "$"):
        write(path, failure=OSError(number, os.strerror(number)))


@pytest.mark.parametrize("place", ["file/note.txt", "file/deeper/note.txt", "folder", "n" * 300])
def test_a_place_that_cannot_be_written_is_reported_and_left_alone(tmp_path, place):
    (tmp_path / "file").write_bytes(b"older")
    (tmp_path / "folder").mkdir()
    path = tmp_path / place
    with pytest.raises(CenetError, match=refusal(path, "@").replace("@", "[^)]+")):
        write(path)
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "file", tmp_path / "folder"]
    assert (tmp_path / "file").read_bytes() == b"older"


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_written_files_have_the_usual_permissions(before):
    path, _ = before
    (path.parent / "usual").touch()
    write(path)
    assert path.stat().st_mode == (path.parent / "usual").stat().st_mode


def test_a_checksum_is_that_of_the_bytes_and_of_nothing_else(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert hash_file(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    with pytest.raises(CenetError, match="cannot be read") as caught:
        hash_file(tmp_path)
    assert caught.value.subject == str(tmp_path)
