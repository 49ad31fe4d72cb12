"""`--plugin`: code of the user's own, which may add networks and kinds of data."""

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from cenet.errors import CenetError


def load_plugin(name: str) -> None:
    """Import a Python module or file that the user names.

    On import it registers what it adds, such as `cenet.NETWORKS["mine"] = MyNet`. Nothing else imports code that is
    not part of an installed package: a run folder holds the name of its network, never its code.

    Args:
        name: A module, also one in the current folder, or a `.py` file.

    Raises:
        CenetError: There is no such module or file, or it cannot be imported.
    """
    try:
        if name.endswith(".py"):
            _import_file(Path(name))
        else:
            sys.path.append(str(Path.cwd()))  # last, so that nothing there takes the place of an installed module
            import_module(name)
    except CenetError:
        raise
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            remedy = "name a .py file, or a module that is installed or in this folder"
            raise CenetError(f"--plugin {name}", "there is no such module", remedy) from error
        raise CenetError(f"--plugin {name}", f"imports {error.name}, which is not installed", "install it") from error
    except Exception as error:  # whatever the user's code does
        cause = f"cannot be imported ({type(error).__name__}: {error})"
        raise CenetError(f"--plugin {name}", cause, f"try `python {name}`, which shows where") from error


def _import_file(path: Path) -> None:
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise CenetError(f"--plugin {path}", "there is no such file", "check the path")
    module = sys.modules[path.stem] = module_from_spec(spec)
    spec.loader.exec_module(module)
