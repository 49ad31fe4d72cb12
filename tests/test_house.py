"""The rules of the house that no other tool proves."""

import ast
import os
import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "cenet"
SOURCES = sorted(PACKAGE.rglob("*.py"))
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.py"))
NOT_OURS = {
    ".git",
    ".venv",
    ".venv-floors",
    ".venv-ray",
    "site",
    ".hypothesis",
    "__pycache__",
    "runs",
    "cenet-demo",
    "dist",
    "build",
    "LICENSE",
    "client-zip",  # of npm
    "swagger-ui",
}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def our_texts() -> dict[str, str]:
    """Every text file of the repository, without what tools write."""
    texts = {}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in NOT_OURS and not name.endswith("_cache")]
        for path in (Path(folder, name) for name in files if name not in NOT_OURS):
            content = path.read_bytes()
            if b"\0" not in content[:8192]:
                texts[named(path)] = content.decode("utf-8")
    return texts


def test_every_test_file_of_a_package_names_its_module():
    paths = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").glob("*/**/test_*.py")]
    tests = [path for path in paths if path.parts[0] not in ("fuzz", "crash")]  # each attacks many modules
    modules = {path.relative_to(PACKAGE) for path in SOURCES}
    modules |= {path.with_name("init.py") for path in modules if path.name == "__init__.py"}
    assert {path.with_name(path.name.removeprefix("test_")) for path in tests} - modules == set()


def test_every_file_is_read_in_one_sitting():
    lengths = {named(path): path.read_text(encoding="utf-8").count("\n") for path in SOURCES + BENCHMARKS}
    assert {name: lines for name, lines in lengths.items() if lines > 300} == {}


def test_every_module_says_by_its_place_and_name_what_it_holds():
    for path in SOURCES:
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        assert len(parts) <= (3 if parts[0] in ("data", "datasets") else 2), path
        assert not {"utils", "util", "common", "helpers", "helper", "manager", "base", "misc"}.intersection(parts), path


def test_every_package_says_what_it_holds():
    for path in SOURCES:
        assert path.name != "__init__.py" or ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def private_names_of_others(path: Path) -> list[str]:
    """The names with a leading underscore that a file takes from a module of the package which is not its own."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported, offences = set(), []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                origin = getattr(node, "module", None) or alias.name
                if origin.split(".")[0] == "cenet":
                    imported.add(alias.asname or alias.name.split(".")[0])
                    offences.append(alias.name)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            if ast.unparse(node).split(".")[0] in imported:
                offences.append(node.attr)
        elif isinstance(node, ast.Constant) and str(node.value).startswith("cenet."):
            offences += str(node.value).split(".")
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "setattr" and len(node.args) > 1:
            target, name = ast.unparse(node.args[0]), ast.unparse(node.args[1]).strip("'")
            if target.split(".")[0] in imported:
                offences.append(name)
    return [name for name in offences if is_private(name)]


def is_private(name: str) -> bool:
    return bool(re.fullmatch(r"_[A-Za-z]\w*", name))


def test_no_file_takes_a_private_name_of_another():
    files = [*SOURCES, *BENCHMARKS, *(ROOT / "tests").rglob("*.py")]
    assert {named(path): names for path in files if (names := private_names_of_others(path))} == {}


@pytest.mark.parametrize(
    "line",
    [
        "from cenet.training.module import _loss",
        "from cenet.training import module\nmodule._loss()",
        "import cenet\ncenet.training.module._loss()",
        "from cenet import module\npatch.setattr(module, '_loss', None)",
        "patch.setattr('cenet.training.module._loss', None)",
    ],
)
def test_a_private_name_of_another_is_noticed(tmp_path, line):
    (tmp_path / "file.py").write_text(line)
    assert private_names_of_others(tmp_path / "file.py") == ["_loss"]


def test_the_package_says_that_it_is_typed():
    assert (PACKAGE / "py.typed").is_file()


def test_no_text_names_a_place_on_somebodys_machine():
    place = re.compile(r"(?<![\w./:~*-])/(work|home|root|tmp|Users)\b|[A-Z]:\\\\?Users")
    texts = our_texts()
    del texts["compose.yaml"]  # its paths are those of a container
    offences = {name: match[0] for name, text in texts.items() if (match := place.search(text))}
    assert offences == {}


def test_make_has_its_verbs_each_a_few_lines_long():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    recipes = dict(re.findall(r"^([a-z]+):.*\n((?:\t.*\n)*)", makefile, re.MULTILINE))
    verbs = {"setup", "demo", "test", "lint", "types", "bench", "docs", "build", "clean"}
    assert verbs <= recipes.keys()
    assert max(recipe.count("\n") for recipe in recipes.values()) <= 5
    assert verbs <= set(re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)[1].split())


def test_ci_runs_what_make_runs():
    assert "bash .ci/run" in (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    commands = re.findall(r"^make (.*)$", (ROOT / ".ci/run").read_text(encoding="utf-8"), re.MULTILINE)
    assert commands == ["setup", "-j2 lint types", "test"]


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.search(r"^version: (.*)$", citation, re.MULTILINE)[1] == PROJECT["version"]
    assert re.search(r"^license: (.*)$", citation, re.MULTILINE)[1] == PROJECT["license"]


def test_what_make_installs_satisfies_every_floor():
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    pins = dict(line.split("==") for line in constraints.splitlines() if line and not line.startswith("#"))
    models = tomllib.loads((ROOT / "models" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins[models["name"]] = models["version"]  # from this repository
    wanted = chain(PROJECT["dependencies"], *PROJECT["optional-dependencies"].values())
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pins[requirement.name]), requirement


def test_the_text_uses_the_standard_terms_of_the_field():
    dialect = r"\bnobody\b|\bno say\b|\btorn\b|\bmend(s|ed|ing)?\b|\bplace is taken\b|\bgo on\b|\btold\b|\btwins?\b"
    exempt = {"phantoms"}  # vessels go on to an edge
    sources = [source for source in SOURCES if source.relative_to(PACKAGE).parts[0] not in exempt]
    lines = [line for source in sources for line in source.read_text(encoding="utf-8").splitlines()]
    assert [line for line in lines if re.search(dialect, line)] == []
