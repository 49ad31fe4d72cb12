"""The Dockerfile installs what the service needs, and nothing of what an exported model does without."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def read_names(name):
    """The packages of a list of requirements, with their floors, and of those that it includes."""
    requirements = {}
    for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
        if included := re.fullmatch(r"-r (.+)", line):
            requirements |= read_names(included[1])
        elif line and not line.startswith("#"):
            package, floor = line.split(">=")
            requirements[package] = floor
    return requirements


def test_the_image_has_the_extras_of_the_service_and_no_torch():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    wanted = dict(item.split(">=") for extra in ("serve", "medical") for item in extras[extra])
    installed = read_names("requirements-serve.txt")
    assert installed.items() >= wanted.items()
    assert not installed.keys() & {"torch", "monai", "pytorch-lightning", "matplotlib"}


def test_the_image_runs_as_an_unprivileged_user_and_gets_only_what_it_needs():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert re.search(r"^USER 10001:10001$", text, re.M)
    copied = {name for line in re.findall(r"^COPY (?!--)(.+) \S+$", text, re.M) for name in line.split()}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied <= allowed
    assert all((ROOT / name).exists() for name in copied)
    compose = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert "read_only: true" in compose
    assert "cap_drop: [ALL]" in compose
