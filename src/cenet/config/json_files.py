"""The one door through which JSON files become typed values: regular files only, of bounded size and depth."""

import os
import stat
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from cenet.errors import CenetError

Model = TypeVar("Model", bound=BaseModel)

MAX_BYTES = 64 * 1024 * 1024
"""The largest file that is read; pydantic's parser itself refuses more than 200 nested lists and objects."""
READ_WITHOUT_WAITING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # as the system has them
MAX_REASON = 200  # characters of a file's first mistake that are shown


def read_json(
    path: Path,
    model: type[Model],
    *,
    remedy: str,
    cause: str | None = None,
    max_bytes: int = MAX_BYTES,
    strict: bool = False,
) -> Model:
    """Read a JSON file as a model.

    Args:
        path: The file.
        model: The model of its content.
        remedy: What the user can do about a file that is missing or wrong.
        cause: What an error says of a file that does not fit the model; by default its first mistake.
        max_bytes: The size above which it is refused.
        strict: Refuse a value of another type, such as "3" for 3.

    Raises:
        CenetError: It cannot be read, is no regular file, is too large, or does not fit the model.

    >>> from cenet.config.recipe import Recipe
    >>> read_json(Path("nowhere.json"), Recipe, remedy="check the path")
    Traceback (most recent call last):
    cenet.errors.CenetError: nowhere.json: the file cannot be read (No such file or directory); check the path
    """
    content = read_regular_file(path, remedy=remedy, max_bytes=max_bytes)
    try:
        return model.model_validate_json(content, strict=strict or None)
    except ValidationError as error:
        raise CenetError(path, cause or _describe_first_mistake(error), remedy) from None
    except (ValueError, RecursionError, OverflowError) as error:
        raise CenetError(path, cause or "it is not JSON that can be read", remedy) from error


def read_regular_file(path: Path, *, remedy: str, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a whole file without ever waiting: no pipe, socket or device is read.

    Args:
        path: The file.
        remedy: What the user can do about a file that cannot be read.
        max_bytes: The size above which it is refused.

    Raises:
        CenetError: It cannot be read, is no regular file, or is too large.
    """
    try:
        descriptor = os.open(path, READ_WITHOUT_WAITING)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise CenetError(path, "it is no regular file", remedy)
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                content = file.read(max_bytes + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CenetError(path, f"the file cannot be read ({error.strerror or error})", remedy) from error
    except ValueError as error:  # a name with a null character
        raise CenetError(path, "no file can have this name", remedy) from error
    if len(content) > max_bytes:
        raise CenetError(path, f"the file is larger than {max_bytes / 2**20:g} MiB", remedy)
    return content


def _describe_first_mistake(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    reason = str(first.get("ctx", {}).get("error") or first["msg"])
    text = f"{field}: {reason}" if field else reason
    return text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]} ..."
