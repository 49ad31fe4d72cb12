"""Other programs that can follow a training: TensorBoard and MLflow, through the trainer's own loggers.

They are given the loss, the learning curve and the name of the recipe: no image, no name of a file, no path.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger

from cenet.config.recipe import Recipe
from cenet.errors import CenetError

LoggerName = Literal["tensorboard", "mlflow"]
TRACKING_SERVER = "MLFLOW_TRACKING_URI"


def check_logger(name: LoggerName | None) -> None:
    """Refuse, before anything is trained, a logger that cannot be used.

    Args:
        name: The logger; None for none.

    Raises:
        CenetError: It is not installed, or no server of MLflow is named.
    """
    if name is None:
        return
    if not _is_installed(name):
        raise CenetError(f"--logger {name}", f"{name} is not installed", f"pip install 'cenet[{name}]'")
    if name == "mlflow" and not os.environ.get(TRACKING_SERVER):
        cause = f"no tracking server is named in {TRACKING_SERVER}"
        raise CenetError("--logger mlflow", cause, f"start one with `mlflow server`, and set {TRACKING_SERVER}")


def build_logger(name: LoggerName | None, folder: Path, recipe: Recipe) -> Logger | None:
    """What logs a training for another program.

    Args:
        name: The logger; None for none.
        folder: The run folder, into which TensorBoard writes.
        recipe: Its name is the name of the run in MLflow.

    Raises:
        CenetError: The tracking server of MLflow cannot be reached, or refuses.
    """
    if name is None:
        return None
    if name == "tensorboard":
        return TensorBoardLogger(folder, name="tensorboard")
    private_by_default = {"mlflow.user": "", "mlflow.source.name": "cenet"}  # else the account's name, and a path
    server = os.environ.get(TRACKING_SERVER)
    with _translate_server_errors():
        logger = MLFlowLogger("cenet", run_name=recipe.name, tracking_uri=server, tags=private_by_default)
        logger.experiment  # noqa: B018  # asks the server for a run
    return logger


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ValueError:  # of a module that only stands in for a missing one
        return False


@contextmanager
def _translate_server_errors() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        cause = f"cannot be used ({type(error).__name__})"
        server = os.environ.get(TRACKING_SERVER, "")
        raise CenetError(f"{TRACKING_SERVER}={server}", cause, "start the server, or leave --logger out") from error
