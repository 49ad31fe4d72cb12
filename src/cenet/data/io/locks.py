"""Locks between processes: a file that the system releases when the process that holds it dies."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from cenet.errors import CenetError


@contextmanager
def file_lock(file: Path, busy: CenetError) -> Iterator[None]:
    """Hold a lock, which the system releases when its process dies.

    Args:
        file: The lock file; its folder is made if it is missing.
        busy: The error that is raised if another process holds the lock.

    Raises:
        CenetError: Another process holds it, or the file cannot be made.

    >>> import tempfile
    >>> busy = CenetError("runs/eyes", "it is in use", "wait")
    >>> with tempfile.TemporaryDirectory() as folder, file_lock(Path(folder, ".lock"), busy):
    ...     Path(folder, ".lock").exists()
    True
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        lock.acquire(timeout=0)
    except Timeout:
        raise busy from None
    except OSError as error:
        reason = error.strerror or error
        raise CenetError(file.parent, f"cannot be written ({reason})", "choose another --output") from error
    try:
        yield
    finally:
        lock.release()


def is_locked(file: Path) -> bool:
    """Tell whether another process holds a lock; a lock file that is missing is not made.

    Args:
        file: The lock file.

    >>> is_locked(Path("nowhere.lock"))
    False
    """
    if not file.is_file():
        return False
    busy = CenetError(file, "it is held by another process", "wait until it is released")
    try:
        with file_lock(file, busy):
            return False
    except CenetError as error:
        return error is busy
