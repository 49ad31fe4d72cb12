"""A folder of images in shards, which several machines predict into one output folder.

Each shard keeps two files in the output folder: `.cenet-2-of-8.json` says which images are its own, with which model
and options, and `.cenet-2-of-8.jsonl` lists what it has written, see `cenet.data.io.outputs`.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from cenet.config.json_files import read_json
from cenet.data.io.files import translate_write_errors, write_text
from cenet.data.io.outputs import Note, OutputFolder, to_unicode
from cenet.errors import CenetError

MAX_SHARDS = 100_000
_SHARD_FILE = re.compile(r"\.cenet-\d+-of-(\d+)\.json")
ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class Shard:
    """One of the equal parts into which a list of images is divided.

    Args:
        number: Which one, from 1.
        count: How many there are.

    >>> shard = Shard.parse("2/3")
    >>> shard.select("abcdefg"), shard.name, str(shard)
    (['b', 'e'], '2-of-3', '2/3')
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read a shard as the command line writes it, such as `2/8`.

        Raises:
            CenetError: It is none.
        """
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if match is None:
            raise CenetError(f"--shard {text}", "is no shard", "write which of how many, such as 2/8")
        number, count = int(match[1]), int(match[2])
        if not 1 <= number <= count <= MAX_SHARDS:
            remedy = f"number the shards from 1 to {count}" if 1 <= count <= MAX_SHARDS else "write such as 2/8"
            raise CenetError(f"--shard {text}", "there is no such shard", remedy)
        return cls(number, count)

    @property
    def name(self) -> str:
        """As its files are called."""
        return f"{self.number}-of-{self.count}"

    def select(self, items: Sequence[ItemT]) -> list[ItemT]:
        """Every `count`-th item: neighbours, which are often of like size, go to different shards."""
        return list(items[self.number - 1 :: self.count])

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"


class ShardFile(BaseModel):
    """The content of `.cenet-2-of-8.json`: which images a shard predicts, and how.

    Args:
        shard: Which one, from 1.
        shards: How many there are.
        list_sha256: The SHA-256 of the list of the images of all shards.
        settings: What predictions of the same images differ by, such as the run.
        files: The images of this shard, in order, each with the files that its prediction becomes, by what they hold.
        failed: Why images of it could not be predicted, when it was last given.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    shard: Annotated[int, Field(ge=1, le=MAX_SHARDS)]
    shards: Annotated[int, Field(ge=1, le=MAX_SHARDS)]
    list_sha256: str
    settings: Note
    files: dict[str, dict[str, str]]
    failed: dict[str, str] = {}

    def __str__(self) -> str:
        return f"{self.shard}/{self.shards}"


def declare_shard(
    output: OutputFolder,
    shard: Shard,
    titles: Sequence[str],
    files: Mapping[str, Mapping[str, str]],
    settings: Note,
) -> ShardFile:
    """Write which images a shard predicts, and refuse one that does not belong to the shards in its output folder.

    Args:
        output: The output folder.
        shard: The shard.
        titles: What the images of all shards are called.
        files: Of each image of this shard the names of its files, by what they hold.
        settings: What predictions of the same images differ by, such as the run.

    Raises:
        CenetError: Another shard there has other images, another model or other options; or it cannot be written.
    """
    own = ShardFile(
        shard=shard.number,
        shards=shard.count,
        list_sha256=hash_titles(titles),
        settings=settings,
        files={to_unicode(title): {k: to_unicode(name) for k, name in names.items()} for title, names in files.items()},
    )
    if output.overwrite:
        _remove_other_divisions(output.path, shard.count)
    others = [] if output.overwrite else read_shards(output.path)
    if output.notes and not others and not output.overwrite:
        cause = "holds predictions that were made without --shard"
        raise CenetError(output.path, cause, "choose another --output, or leave --shard out")
    for other in others:
        check_alike(output.path, own, other)
    _write(output.path, own)
    return own


def note_failures(output: OutputFolder, shard: ShardFile, failed: Mapping[str, str]) -> None:
    """Write why images of a shard could not be predicted, so that the shards can be joined without them.

    Args:
        output: The output folder.
        shard: The shard.
        failed: The reasons, by what the images are called.

    Raises:
        CenetError: It cannot be written.
    """
    reasons = {to_unicode(title): to_unicode(reason) for title, reason in failed.items()}
    _write(output.path, shard.model_copy(update={"failed": reasons}))


def read_shards(path: Path) -> list[ShardFile]:
    """The shards that were begun in an output folder, in order.

    Args:
        path: The folder; it may be missing.

    Raises:
        CenetError: One of their files is corrupted.
    """
    files = _list_files(path)
    remedy = "give the command of that shard again with --overwrite"
    shards = [read_json(file, ShardFile, cause="is no shard of predictions", remedy=remedy) for file in files]
    return sorted(shards, key=lambda shard: (shard.shards, shard.shard))


def check_alike(path: Path, shard: ShardFile, other: ShardFile) -> None:
    """Refuse two shards that are not of one division, of the same images, by the same model with the same options.

    Raises:
        CenetError: They differ.
    """
    what = None
    if shard.shards != other.shards:
        what = "number of shards"
    elif shard.list_sha256 != other.list_sha256:
        what = "list of images"
    else:
        names = [*shard.settings, *other.settings]
        what = next((name for name in names if not is_same_setting(name, shard.settings, other.settings)), None)
        what = "model" if what == "run" else what and f"--{what}"
    if what is not None:
        cause = f"shard {shard} was given another {what} than shard {other}"
        raise CenetError(path, cause, "predict all shards alike, or choose another --output")


def is_same_setting(name: str, settings: Note, other: Note) -> bool:
    """Whether two predictions have the same value of an option; off where it is not noted, as before there was one.

    >>> is_same_setting("measure", {"measure": ""}, {}), is_same_setting("tta", {"tta": True}, {})
    (True, False)
    """
    return (settings.get(name) or "") == (other.get(name) or "")


def find_shard_file(folder: Path, shard: ShardFile) -> Path:
    """The file in an output folder that says what a shard predicts.

    >>> shard = ShardFile(shard=2, shards=8, list_sha256="", settings={}, files={})
    >>> find_shard_file(Path("masks"), shard).name
    '.cenet-2-of-8.json'
    """
    return folder / f".cenet-{shard.shard}-of-{shard.shards}.json"


def _write(folder: Path, shard: ShardFile) -> None:
    write_text(find_shard_file(folder, shard), shard.model_dump_json())


def _list_files(folder: Path) -> list[Path]:
    return [path for path in folder.glob(".cenet-*-of-*.json") if _SHARD_FILE.fullmatch(path.name)]


def _remove_other_divisions(folder: Path, count: int) -> None:
    """Remove what was said of the shards of a division into another number, all of which are predicted anew."""
    for path in _list_files(folder):
        match = _SHARD_FILE.fullmatch(path.name)
        if match is not None and int(match[1]) != count:
            with translate_write_errors(path):
                path.unlink(missing_ok=True)  # another shard may have removed it


def hash_titles(titles: Sequence[str]) -> str:
    """The SHA-256 of the names of images, in order."""
    return hashlib.sha256("\n".join(map(to_unicode, titles)).encode()).hexdigest()
