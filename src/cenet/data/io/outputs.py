"""Folders that verbs write into: only files that a verb wrote there itself are replaced or removed.

What a verb writes is listed in `.cenet.jsonl` beside it, one JSON object on each line:

    {"cenet": "0.1.0", "verb": "doctor", "file": "doctor.md", "sha256": "..."}    a file, before it gets its name
    {"cenet": "0.1.0", "verb": "predict", "note": {...}}                          what a verb needs to resume

A file is a verb's own if its name and its checksum are in a line of that verb. So a file that somebody edited, or
that was there before, is not, and where the list is lost nothing is.

Several processes that write into one folder at once keep a list each, `.cenet-PART.jsonl`; all lists are read.
"""

import fnmatch
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import IO, Any

from pydantic import BaseModel, ConfigDict, TypeAdapter

from cenet.config.json_files import read_regular_file
from cenet.data.io.files import append_line, atomic_write, check_writable, encode_text, hash_file, remove_part_files
from cenet.errors import CenetError
from cenet.safe_text import format_names

MANIFEST = ".cenet.jsonl"
LISTS = re.compile(r"\.cenet(-[\w-]+)?\.jsonl")
MAX_BYTES = 2**30  # of a list; a line has some 200
Note = dict[str, str | bool]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    cenet: str
    verb: str


class _FileLine(_Line):
    file: str
    sha256: str


class _NoteLine(_Line):
    note: Note


_LINE: TypeAdapter[_FileLine | _NoteLine] = TypeAdapter(_FileLine | _NoteLine)


class OutputFolder:
    """A folder that a verb writes into, and in which files of others never change.

    A file there that is not the verb's own is refused, unless `overwrite`; folders and links in the way always are.

    Args:
        path: The folder; made with the first file.
        verb: What writes, such as `predict`.
        overwrite: Also replace files of others.
        part: Which of several processes this is, that write into the folder at once; none for the only one.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     output = OutputFolder(Path(folder), verb="doctor")
    ...     output.write_text("doctor.md", "2 images")
    ...     output.write_text("doctor.md", "3 images")
    ...     _ = Path(folder, "doctor.md").write_text("my notes")
    ...     output.check(["doctor.md"])
    Traceback (most recent call last):
    cenet.errors.CenetError: /...: holds files that `cenet doctor` did not write, or that were changed since: ...
    """

    def __init__(self, path: Path, *, verb: str, overwrite: bool = False, part: str = "") -> None:
        self.path, self.verb, self.overwrite, self.part = path, verb, overwrite, part
        self._checksums: dict[str, set[str]] = defaultdict(set)
        self._notes: list[Note] = []
        self._cleaned: set[Path] = set()
        self._read_lists()

    @property
    def notes(self) -> tuple[Note, ...]:
        """What the verb noted in this folder, the oldest first."""
        return tuple(self._notes)

    def check(self, names: Iterable[str]) -> None:
        """Refuse, before any work is done, to write files where others are.

        Args:
            names: The files, as seen from the folder, with `/` between folders.

        Raises:
            CenetError: A name is occupied, or the folder cannot be written.
        """
        check_writable(self.path)
        names = list(names)
        if blocked := [name for name in names if self._is_blocked(name)]:
            cause = f"{format_names(blocked)} cannot be written, as a folder or a link is in the way"
            raise CenetError(self.path, cause, "choose another --output, or move it away")
        if self.overwrite:
            return
        if occupied := [name for name in names if self._is_occupied(name)]:
            cause = f"holds files that `cenet {self.verb}` did not write, or that were changed since: "
            remedy = "choose another --output, or replace them with --overwrite"
            raise CenetError(self.path, cause + format_names(occupied), remedy)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file that gets its name, and its line in the list, when all is written.

        Args:
            name: As for `check`.

        Raises:
            CenetError: The name is occupied, or cannot be written.
        """
        self.check([name])
        path = self.path / name
        if path.parent not in self._cleaned and not self.part:  # a network drive may not show what others are writing
            remove_part_files(path.parent)
            self._cleaned.add(path.parent)
        with atomic_write(path, before_replacing=lambda part: self._record(name, part)) as file:
            yield file

    def write_text(self, name: str, content: str | dict[str, Any]) -> None:
        """Write text, or JSON, as `cenet.data.io.files.write_text` does.

        Args:
            name: As for `check`.
            content: The text, or what becomes JSON.

        Raises:
            CenetError: As for `open`.
        """
        with self.open(name) as file:
            file.write(encode_text(content))

    def add_note(self, note: Note) -> None:
        """Note something that the verb needs to resume its work; nothing of a patient.

        Raises:
            CenetError: It cannot be written.
        """
        note = {name: to_unicode(value) if isinstance(value, str) else value for name, value in note.items()}
        self._append(_NoteLine(cenet=metadata.version("cenet"), verb=self.verb, note=note))
        self._notes.append(note)

    def remove_earlier(self, pattern: str, *, keep: Collection[str] = ()) -> None:
        """Remove the verb's own files of an earlier call; what was edited since stays.

        Args:
            pattern: Which, such as `*_overlay.png`.
            keep: Those to leave alone.
        """
        for name in fnmatch.filter(self._checksums, pattern):
            if name not in keep and self.is_intact(name):
                (self.path / name).unlink(missing_ok=True)

    def is_intact(self, name: str) -> bool:
        """Whether a file is there as the verb wrote it.

        Args:
            name: As for `check`.
        """
        path = self.path / name
        if self._is_blocked(name) or path.is_symlink() or not path.is_file():
            return False
        checksums = self._checksums.get(to_unicode(name), set())
        return bool(checksums) and hash_file(path) in checksums

    def exists(self, name: str) -> bool:
        """Whether anything has a name, be it a link that leads nowhere."""
        return os.path.lexists(self.path / name)

    def _is_blocked(self, name: str) -> bool:
        """Whether a name leads out of the folder or through a link, or belongs to a folder."""
        relative = PurePosixPath(name)
        if relative.is_absolute() or ".." in relative.parts or LISTS.fullmatch(name):
            return True
        inside = [self.path / parent for parent in relative.parents if parent.parts]
        if any(folder.is_symlink() or (folder.exists() and not folder.is_dir()) for folder in inside):
            return True
        path = self.path / name
        return path.is_dir() and not path.is_symlink()

    def _is_occupied(self, name: str) -> bool:
        """Whether there is a file that is not the verb's own, by the list as it is now."""
        if not self.exists(name) or self.is_intact(name):
            return False
        self._read_lists()  # another process may have written it meanwhile
        return not self.is_intact(name)

    def _record(self, name: str, part: Path) -> None:
        line = _FileLine(cenet=metadata.version("cenet"), verb=self.verb, file=to_unicode(name), sha256=hash_file(part))
        self._append(line)
        self._checksums[line.file].add(line.sha256)

    def _append(self, line: _Line) -> None:
        name = f".cenet-{self.part}.jsonl" if self.part else MANIFEST
        append_line(self.path / name, line.model_dump_json())

    def _read_lists(self) -> None:
        paths = sorted(self.path.iterdir()) if self.path.is_dir() else []
        lines = [line for path in paths if LISTS.fullmatch(path.name) for line in self._read_list(path)]
        self._checksums.clear()
        self._notes.clear()
        for line in lines:
            if line.verb != self.verb:
                continue
            if isinstance(line, _FileLine):
                self._checksums[line.file].add(line.sha256)
            else:
                self._notes.append(line.note)

    def _read_list(self, path: Path) -> list[_FileLine | _NoteLine]:
        lines: list[_FileLine | _NoteLine] = []
        foreign = CenetError(path, "is not a list of files that cenet wrote", "choose another --output")
        if path.is_symlink():
            raise foreign
        texts = read_regular_file(path, remedy="choose another --output", max_bytes=MAX_BYTES).splitlines()
        for text in texts:
            with suppress(ValueError, RecursionError):  # a line that was not finished proves nothing
                lines.append(_LINE.validate_json(text))
        if texts and not lines and path.name == MANIFEST:  # another's may be read while its first line is written
            raise foreign
        return lines


def to_unicode(name: str) -> str:
    r"""A file's name as JSON can hold it, also where its bytes are not UTF-8.

    >>> to_unicode("\u00e9.png") == "\u00e9.png", to_unicode("\udce9.png")
    (True, '\\udce9.png')
    """
    return name.encode("utf-8", "backslashreplace").decode()
