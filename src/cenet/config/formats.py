"""Which version of cenet opens a file of another format: what a refusal of an old run or model says."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from cenet.config.json_files import read_regular_file
from cenet.errors import CenetError

OPENED_BY: Mapping[str, Mapping[int, str]] = {"run.json": {4: "0.1.0"}, "model.json": {1: "0.1.0"}}
"""For each file the last released version that opens a format; earlier formats were never released."""


class _FormatField(BaseModel):
    """The one field that every version of a file has."""

    model_config = ConfigDict(extra="ignore")

    format: int


def check_format(path: Path, current: int) -> None:
    """Refuse a file of another format with the name of the version that opens it; other mistakes are not looked for.

    Args:
        path: The file, one of `OPENED_BY`.
        current: The format that this version opens.

    Raises:
        CenetError: Its format is another.
    """
    try:
        content = read_regular_file(path, remedy="check the path")
        number = _FormatField.model_validate_json(content).format
    except (CenetError, ValidationError, ValueError, RecursionError, OverflowError):
        return
    if number == current:
        return
    cause = f"is of format {number}, and this version of cenet opens format {current}"
    if number > current:
        raise CenetError(path, cause, "install a newer version: pip install --upgrade cenet")
    version = OPENED_BY[path.name].get(number)
    if version is None:
        raise CenetError(path, cause, "train it again: only unreleased versions before 0.1.0 open it")
    raise CenetError(path, cause, f"install the version that opens it: pip install 'cenet=={version}'")
