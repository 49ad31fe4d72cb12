"""Files that are whole or as they were: written beside their place, then moved into it."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from cenet.errors import CenetError


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file beside `path` that takes its place when all is written, and vanishes if anything fails.

    Args:
        path: The file to write or replace; its folder is made where it is missing.

    Raises:
        CenetError: The place cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "note.txt")) as file:
    ...         _ = file.write(b"whole")
    ...     Path(folder, "note.txt").read_text()
    'whole'
    """
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise CenetError(f"{path}: the file cannot be written ({reason}); choose another place") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
