"""The split of a data set into training, validation and test part, and the file that holds it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cenet.config.json_files import read_json
from cenet.errors import CenetError

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")


class SplitRow(BaseModel):
    """An image in a `splits.json`; the fields are those of `Split`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=10_000)]
    group: Annotated[str, Field(max_length=10_000)]
    fingerprint: Annotated[str, Field(min_length=1, max_length=200)]
    label_fingerprint: Annotated[str, Field(min_length=1, max_length=200)] | None = None


class SplitFile(BaseModel):
    """The content of a `splits.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: tuple[SplitRow, ...]
    validation: tuple[SplitRow, ...]
    test: tuple[SplitRow, ...]

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        names = [row.name for row in (*self.train, *self.validation, *self.test)]
        if len(set(names)) < len(names):
            raise ValueError("an image is in it twice")
        return self


@dataclass(frozen=True)
class Split:
    """Which samples are for training, for validation, and held out for the test.

    Args:
        parts: The names in each part.
        groups: The group of each sample by name.
        fingerprints: SHA-256 of each image's pixels by name, which reveals a leak under another name.
        label_fingerprints: SHA-256 of the label files of training and validation by name, so that no resumed training
            continues on other labels; those of the test part are never opened.

    Raises:
        CenetError: A group, or the same image, is in two parts, or training is empty.
    """

    parts: dict[Part, tuple[str, ...]]
    groups: dict[str, str]
    fingerprints: dict[str, str]
    label_fingerprints: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        part_of_group: dict[str, Part] = {}
        first_with_pixels: dict[str, tuple[Part, str]] = {}
        for part, names in self.parts.items():
            for name in names:
                group = self.groups[name]
                if part_of_group.setdefault(group, part) != part:
                    cause = f"the split has it in {part_of_group[group]} and in {part}"
                    raise CenetError(f"group {group}", cause, "keep every group in one part")
                other_part, other_name = first_with_pixels.setdefault(self.fingerprints[name], (part, name))
                if other_part != part:
                    cause = f"they are the same image, one in {other_part} and one in {part}"
                    remedy = "remove one, or give them one group with --group-pattern"
                    raise CenetError(f"{other_name} and {name}", cause, remedy)
        if not self.parts["train"]:
            raise CenetError("split", "it has no image for train", "give it at least one group")

    def part_of(self, fingerprint: str) -> Part | None:
        """Return the part that an image with these pixels belongs to, under whatever name.

        Args:
            fingerprint: As of `cenet.data.io.read.fingerprint`.
        """
        names = {name for name, other in self.fingerprints.items() if other == fingerprint}
        return next((part for part, members in self.parts.items() if names & set(members)), None)

    def duplicates(self) -> Iterator[tuple[Part, str, str]]:
        """Yield every image that is in two groups of one part: the part, and its two names."""
        for part, names in self.parts.items():
            name_of: dict[str, str] = {}
            for name in names:
                first_name = name_of.setdefault(self.fingerprints[name], name)
                if self.groups[first_name] != self.groups[name]:
                    yield part, first_name, name

    def to_json(self) -> str:
        """Return the content of a `splits.json`."""
        rows = {part: [self._describe(name) for name in names] for part, names in self.parts.items()}
        return json.dumps(rows, indent=1)

    def _describe(self, name: str) -> dict[str, str]:
        row = {"name": name, "group": self.groups[name], "fingerprint": self.fingerprints[name]}
        if name in self.label_fingerprints:
            row["label_fingerprint"] = self.label_fingerprints[name]
        return row

    @classmethod
    def from_json(cls, path: Path) -> "Split":
        """Read a `splits.json`.

        Args:
            path: The file.

        Raises:
            CenetError: The file is missing, is not a split, or has a group in two parts.
        """
        remedy = "name a run's splits.json"
        content = read_json(path, SplitFile, cause="it is not a split", remedy=remedy, strict=True)
        parts: dict[Part, tuple[SplitRow, ...]] = {
            "train": content.train,
            "validation": content.validation,
            "test": content.test,
        }
        learnt, rows = (*content.train, *content.validation), (*content.train, *content.validation, *content.test)
        try:
            return cls(
                {part: tuple(row.name for row in members) for part, members in parts.items()},
                {row.name: row.group for row in rows},
                {row.name: row.fingerprint for row in rows},
                {row.name: row.label_fingerprint for row in learnt if row.label_fingerprint is not None},
            )
        except CenetError as error:
            raise CenetError(path, f"{error.subject}: {error.cause}", error.remedy) from error


def open_split(splits: Path | str | Split | None) -> Split | None:
    """Return the split that is to be used, if one was given; its labels may differ from those of a file.

    Args:
        splits: A split, or a `splits.json`.

    Raises:
        CenetError: The file is no split.

    >>> open_split(None)
    """
    if splits is None or isinstance(splits, Split):
        return splits
    return replace(Split.from_json(Path(splits)), label_fingerprints={})
