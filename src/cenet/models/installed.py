"""Which released models are installed, and which folder a name stands for."""

import os
from importlib.util import find_spec
from pathlib import Path

from cenet.errors import CenetError, nearest
from cenet.models.model_info import FOLD, MODEL, ModelInfo, Reproduction

PACKAGE = "cenet_models"  # of the distribution cenet-models, which holds the models whose data are for research only


def search_folders() -> list[Path]:
    """The folders that hold models: the one in this package, and the package `cenet_models` where it is installed."""
    folders = [Path(__file__).parent / "bundled"]
    spec = find_spec(PACKAGE)
    if spec is not None and spec.submodule_search_locations is not None:
        folders += [Path(location) for location in spec.submodule_search_locations]
    return folders


def list_installed_models() -> dict[str, Path]:
    """The folder of each installed model by its name, in the order of names."""
    paths = [path for folder in search_folders() for path in folder.glob(f"*/{MODEL}")]
    return {path.parent.name: path.parent for path in sorted(paths, key=lambda path: path.parent.name)}


def find_model(name: str) -> Path:
    """The folder of an installed model.

    Raises:
        CenetError: There is none of this name; the nearest name is offered.
    """
    models = list_installed_models()
    if name not in models:
        raise CenetError(name, "there is no installed model of this name", _suggest(name, list(models)))
    return models[name]


def find_fold(name: str) -> tuple[Path, ModelInfo, Reproduction]:
    """The folder of the fold that a model stores to be trained again, the model, and the fold.

    Raises:
        CenetError: There is no such model, or it stores no fold; the models that store one are named.
    """
    folder = find_model(name)
    model = ModelInfo.load(folder)
    if model.reproduction is None:
        models = [ModelInfo.load(path) for path in list_installed_models().values()]
        with_fold = [model.name for model in models if model.reproduction is not None]
        remedy = f"cross-validate its recipe instead: cenet cross-validate {folder / 'recipe.json'} --data DATA"
        if with_fold:
            remedy = f"name a model that stores one ({', '.join(with_fold)}), or {remedy}"
        raise CenetError(name, "stores no fold to train again", remedy)
    return folder / FOLD, model, model.reproduction


def resolve_run(run: str | Path) -> Path:
    """The folder that a run or a released model stands for.

    Args:
        run: A name without a separator stands for an installed model, or else for a folder here; text such as
            `./vessels` or `runs/vessels` and a `Path` always stand for a folder.

    Raises:
        CenetError: The name stands for a model and for a folder here, or for neither.

    >>> resolve_run("runs/vessels").as_posix()
    'runs/vessels'
    """
    if isinstance(run, Path) or run != os.path.basename(run) or run in ("", ".", ".."):  # noqa: PTH119
        return Path(run)
    models = list_installed_models()
    if run in models and Path(run).exists():
        remedy = f"write ./{run} for the folder, or rename it to use the model"
        raise CenetError(run, "is a released model and also a folder here", remedy)
    if run in models:
        return models[run]
    if Path(run).is_dir():
        return Path(run)
    raise CenetError(run, "is no run folder, and no installed model has this name", _suggest(run, list(models)))


def format_run_argument(run: Path) -> str:
    """How a command names a run: a released model by its name, another run as `runs/NAME`.

    >>> format_run_argument(Path("somewhere/eyes"))
    'runs/eyes'
    """
    return run.name if (run / MODEL).is_file() else f"runs/{run.name}"


def show_run(run: Path) -> str:
    """How a message names a run: a released model by its name, another run by its path.

    >>> show_run(Path("somewhere/eyes"))
    'somewhere/eyes'
    """
    return run.name if (run / MODEL).is_file() else str(run)


def evaluations_root(run: Path) -> Path:
    """The folder of a run's evaluations: its own; for a released model `runs/NAME-VERSION`.

    Raises:
        CenetError: It is a model whose `model.json` is corrupted.

    >>> evaluations_root(Path("runs/eyes")).as_posix()
    'runs/eyes'
    """
    if not (run / MODEL).is_file():
        return run
    model = ModelInfo.load(run)
    return Path("runs") / f"{model.name}-{model.version}"


def _suggest(name: str, models: list[str]) -> str:
    """What to do about a name that is unknown."""
    near = nearest(name, models)
    if near is not None:
        return f"did you mean {near}? `cenet models` lists the installed models"
    return "name a folder that `cenet train` has written, or a model of `cenet models`"
