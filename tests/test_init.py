"""The public surface: complete, sorted, lazy."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import cenet


def test_all_is_sorted_as_ruff_sorts_it_and_has_no_duplicates():
    constants = sorted(name for name in cenet.__all__ if name.isupper())
    classes = sorted(name for name in cenet.__all__ if name[0].isupper() and not name.isupper())
    functions = sorted(name for name in cenet.__all__ if name[0].islower())
    assert cenet.__all__ == [*constants, *classes, *functions]
    assert len(set(cenet.__all__)) == len(cenet.__all__)


def test_all_holds_every_name_that_resolves_and_every_name_that_type_checkers_see():
    tree = ast.parse(Path(cenet.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname or alias.name: (node.module, alias.name) for node in block.body for alias in node.names}
    assert set(cenet.__all__) == set(seen)
    assert {name: getattr(import_module(module), there) for name, (module, there) in seen.items()} == {
        name: getattr(cenet, name) for name in cenet.__all__
    }


def test_a_function_stays_one_after_every_package_was_imported():
    """A package called as a function would take its place as an attribute of `cenet`."""
    packages = {path.name for path in Path(cenet.__file__).parent.iterdir() if path.is_dir()}
    assert not packages & set(cenet.__all__)
    import_module("cenet.training.train")
    assert callable(cenet.train)


def test_a_name_is_kept_once_it_was_used(monkeypatch):
    monkeypatch.delitem(vars(cenet), "Recipe", raising=False)
    resolved = cenet.Recipe
    assert vars(cenet)["Recipe"] is resolved


def test_dir_shows_the_public_names():
    assert dir(cenet) == sorted(cenet.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nothing"):
        _ = cenet.nothing
    assert not hasattr(cenet, "__wrapped__")


def test_importing_the_package_imports_nothing_heavy():
    code = "import cenet, sys; cenet.Recipe; print({'torch', 'monai', 'pytorch_lightning'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_predicting_imports_neither_monai_nor_matplotlib():
    code = "import sys, cenet.inference.predictor; print({'monai', 'matplotlib', 'torchmetrics'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
