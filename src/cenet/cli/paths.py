"""Paths are checked before anything heavy is imported, so that a mistyped one is reported at once."""

from pathlib import Path

from cenet.errors import CenetError
from cenet.inference.model_file import is_model_file
from cenet.models.installed import resolve_run


def check_folder(folder: Path) -> None:
    """Check that a folder of images exists.

    Raises:
        CenetError: It does not.
    """
    if not folder.exists():
        raise CenetError(folder, "there is no such folder", "check the name")


def check_run(run: Path) -> None:
    """Check that a run folder exists; what is in it is checked where it is read.

    Raises:
        CenetError: It does not.
    """
    if not run.is_dir():
        raise CenetError(run, "is no run folder", "name one that `cenet train` has written")


def find_run(run: str) -> Path:
    """The folder of a run or a released model; what is in it is checked where it is read.

    Args:
        run: A path, or the name of an installed model.

    Raises:
        CenetError: There is none.
    """
    folder = resolve_run(run)
    check_run(folder)
    return folder


def find_runs(runs: tuple[str, ...]) -> list[Path]:
    """The folders of runs or released models.

    Raises:
        CenetError: None is named, or there is no such run.
    """
    if not runs:
        raise CenetError("RUN", "no run is named", "name at least one run folder")
    return [find_run(run) for run in runs]


def find_model_or_run(run: str) -> Path:
    """The folder of a run or a released model, or the file of an exported model.

    Args:
        run: A path, or the name of an installed model.

    Raises:
        CenetError: There is none.
    """
    if is_model_file(run) and not Path(run).is_dir():
        check_file(Path(run))
        return Path(run)
    return find_run(run)


def check_file(file: Path) -> None:
    """Check that a file, or a folder of files, exists.

    Raises:
        CenetError: It does not.
    """
    if not file.exists():
        raise CenetError(file, "there is no such file", "check the name")
