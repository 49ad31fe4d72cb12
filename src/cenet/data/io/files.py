"""Files that are whole or as they were: written beside their place, then moved into it."""

import errno
import hashlib
import json
import math
import os
import re
import secrets
import sys
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from cenet.errors import CenetError

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
PART_FILE = re.compile(r"\.cenet-[0-9a-f]{16}\.part")  # a file that was not written to its end


@contextmanager
def atomic_write(path: Path, *, before_replacing: Callable[[Path], None] | None = None) -> Iterator[IO[bytes]]:
    """Open a file beside `path` that takes its place when all is written, and vanishes if anything fails.

    Args:
        path: The file to write or replace; its folder is made where it is missing. Of a link the link is replaced.
        before_replacing: What is done with the finished file just before it takes its place.

    Raises:
        CenetError: The place cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_write(Path(folder, "note.txt")) as file:
    ...         _ = file.write(b"whole")
    ...     Path(folder, "note.txt").read_text()
    'whole'
    """
    temporary = path.with_name(f".cenet-{secrets.token_hex(8)}.part")
    try:
        with translate_write_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                with suppress(OSError):  # a disk in the network may have no locks
                    _lock(file)
                yield file
                file.flush()
                os.fsync(file.fileno())
            if before_replacing is not None:
                before_replacing(temporary)
            temporary.replace(path)
            flush_folder(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


def append_line(path: Path, line: str) -> None:
    """Add a line to a text file, which is made where it is missing; it is on the disk when this returns.

    A last line that was left without its end stays a line of its own. If the line cannot be written whole, nothing of
    it stays.

    Args:
        path: The file; a link is not followed.
        line: The text, without the end of the line.

    Raises:
        CenetError: The file cannot be written.
    """
    with translate_write_errors(path), open(path, "a+b", buffering=0, opener=_open_without_following) as file:
        before = written = file.tell()
        if before:
            file.seek(-1, os.SEEK_END)
            line = line if file.read(1) == b"\n" else f"\n{line}"
        rest = f"{line}\n".encode()
        try:
            while rest:  # a disk that is nearly full takes a part
                taken = file.write(rest)
                written, rest = written + taken, rest[taken:]
            os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                if os.fstat(file.fileno()).st_size == written:  # no other process has added a line
                    file.truncate(before)
            raise


def flush_folder(folder: Path) -> None:
    """Wait until the names of the files in a folder are on disk, where the system can say so."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network drives cannot
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_part_files(folder: Path) -> None:
    """Remove what `atomic_write` leaves in a folder when its process is killed.

    A file that another process is writing is locked, and stays.

    Args:
        folder: The folder; those inside it are left as they are. It may be missing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in (".cenet-0123456789abcdef.part", "mine.part"):
    ...         Path(folder, name).touch()
    ...     remove_part_files(Path(folder))
    ...     [path.name for path in Path(folder).iterdir()]
    ['mine.part']
    """
    for path in find_part_files(folder):
        with suppress(OSError), path.open("r+b") as file:
            _lock(file)
            path.unlink()


def find_part_files(folder: Path) -> list[Path]:
    """Return the files in a folder that `atomic_write` has not written to their end."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return [path for path in paths if PART_FILE.fullmatch(path.name) and path.is_file() and not path.is_symlink()]


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, as hexadecimal digits.

    Raises:
        CenetError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CenetError(path, f"the file cannot be read ({error.strerror or error})", "check it") from error


def write_text(path: Path, content: str | dict[str, Any]) -> None:
    """Write text, or JSON, so that the file is whole or as it was.

    NaN and infinity, which JSON lacks, become null.

    Raises:
        CenetError: The place cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(Path(folder, "scores.json"), {"dice": float("nan")})
    ...     json.loads(Path(folder, "scores.json").read_text())
    {'dice': None}
    """
    with atomic_write(path) as file:
        file.write(encode_text(content))


def encode_text(content: str | dict[str, Any]) -> bytes:
    r"""Text, or JSON, as the bytes of a file that ends with one line break.

    >>> encode_text("Dice"), encode_text({"dice": float("nan")})
    (b'Dice\n', b'{\n "dice": null\n}\n')
    """
    text = content if isinstance(content, str) else json.dumps(_plain(content), indent=1, allow_nan=False)
    return (text.rstrip("\n") + "\n").encode()


def _plain(value: Any) -> Any:
    """What JSON can hold."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def list_once(files: Iterable[Path]) -> list[Path]:
    """List files without those that an earlier one is, however its path is spelt.

    >>> [path.as_posix() for path in list_once([Path("b"), Path("a"), Path("c/../b")])]
    ['b', 'a']
    """
    once: dict[Path, Path] = {}
    for file in files:
        once.setdefault(file.resolve(), file)
    return list(once.values())


def check_regular_file(path: Path) -> None:
    """Refuse what no file is, such as a pipe or a device, of which reading may never end.

    Raises:
        CenetError: It is a folder or another thing that is no file; one that is missing passes.

    >>> check_regular_file(Path("gone.png"))
    """
    if path.is_dir():
        raise CenetError(path, "this is a folder", "name a file")
    if path.exists() and not path.is_file():
        raise CenetError(path, "this is not a regular file", "name a file")


def check_writable(folder: Path) -> None:
    """Refuse, before any work is done, a folder that cannot be made or written into.

    Raises:
        CenetError: It cannot.

    >>> check_writable(Path("results"))
    """
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        raise CenetError(
            folder, f"cannot be written, {nearest} is no folder that takes files", "choose another --output"
        )


@contextmanager
def translate_write_errors(path: Path) -> Iterator[None]:
    """Turn what goes wrong while a file is written, such as a full disk, into one sentence.

    Args:
        path: What the sentence names.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        remedy = "free some space" if error.errno in FULL else "choose another place"
        raise CenetError(path, f"the file cannot be written ({reason})", remedy) from error


def _open_without_following(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _lock(file: IO[bytes]) -> None:
    """Lock a file for as long as it is open; the lock dies with the process.

    Raises:
        OSError: Another process has locked it.
    """
    if sys.platform != "win32":  # which does not remove a file that is open
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def compose_accents(name: str) -> str:
    """Write letters with accents as one character (NFC): macOS stores two, so that equal names differ.

    >>> compose_accents("mu\u0308ller.png") == "m\u00fcller.png"
    True
    """
    return unicodedata.normalize("NFC", name)
