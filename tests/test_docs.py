"""The documentation is complete: contents of the site, verbs, public names, links."""

import re
from pathlib import Path

import pytest
import yaml

import cenet
from cenet.cli.main import VERBS

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SITE = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
FROM_THE_ROOT = {"index.md", "contributing.md", "changelog.md", "security.md"}  # docs/make/hooks.py adds them
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]


def list_pages(entry):
    if isinstance(entry, str):
        return [entry]
    values = entry if isinstance(entry, list) else entry.values()
    return [page for value in values for page in list_pages(value)]


def test_every_page_is_in_the_contents_once():
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    pages |= {path.relative_to(DOCS).with_suffix(".md").as_posix() for path in DOCS.rglob("*.ipynb")}
    assert sorted(list_pages(SITE["nav"])) == sorted(pages | FROM_THE_ROOT)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_page_with_its_help(verb):
    text = (DOCS / "reference" / "commands" / f"{verb}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# cenet {verb}\n")
    assert re.search(rf"^\$ cenet {verb}( \w+)? --help$", text, re.MULTILINE)


def test_every_public_name_is_in_the_reference():
    text = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^::: cenet\.(\w+)$", text, re.MULTILINE)) == sorted(cenet.__all__)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_within_the_repository_leads_to_a_file(page):
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)\s]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_to_a_heading_finds_it(page):
    """A heading's anchor is its text in lower case, without punctuation, and with dashes for spaces."""
    for target, anchor in re.findall(r"\]\(([^)#:\s]*\.md)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
        headings = re.findall(r"^#+ (.*)$", (page.parent / target).read_text(encoding="utf-8"), re.MULTILINE)
        anchors = [re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]
        assert anchor in anchors, f"{target}#{anchor}"
