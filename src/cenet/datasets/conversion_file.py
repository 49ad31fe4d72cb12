"""`conversion.json`: where the files of a converted data set come from, with their groups and parts of the split."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from cenet.config.json_files import read_json
from cenet.data.sample import Sample
from cenet.data.splits import Part

CONVERSION = "conversion.json"
Text = Annotated[str, Field(max_length=10_000)]


class ConvertedSample(BaseModel):
    """One image of a converted data set.

    Args:
        name: Its new name.
        group: What a split keeps together.
        part: The part of the split that the source has it in, if the source says it.
        image: The file that it was, as seen from the source.
        label: The files that its label was; empty where it has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=10_000)]
    group: Annotated[str, Field(min_length=1, max_length=10_000)]
    part: Part | None = None
    image: Text
    label: tuple[Text, ...] = ()


class ConversionFile(BaseModel):
    """The content of a `conversion.json`.

    Args:
        format: Of this file.
        source: The name of the folder that was converted.
        layout: Its layout.
        evidence: What showed the layout.
        samples: The images.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    source: Text
    layout: Text
    evidence: Text
    samples: tuple[ConvertedSample, ...]


def read_conversion(folder: Path) -> ConversionFile | None:
    """Return the content of a folder's `conversion.json`, or None where it has none.

    Raises:
        CenetError: The file is no `conversion.json`.
    """
    path = folder / CONVERSION
    if not path.is_file():
        return None
    return read_json(path, ConversionFile, remedy="restore the file, or remove it to have a new split")


def apply_conversion(samples: Sequence[Sample], folder: Path, *, group_pattern: str | None) -> list[Sample]:
    """Return the samples of a folder with the groups and parts of the split that its `conversion.json` keeps, if any.

    Args:
        samples: The samples.
        folder: The folder.
        group_pattern: A pattern that found the groups, which then stay.

    Raises:
        CenetError: The file is no `conversion.json`.
    """
    conversion = read_conversion(folder)
    rows = {row.name: row for row in conversion.samples} if conversion else {}
    return [
        replace(
            sample,
            part=rows[sample.name].part,
            group=rows[sample.name].group if group_pattern is None else sample.group,
        )
        if sample.name in rows
        else sample
        for sample in samples
    ]
