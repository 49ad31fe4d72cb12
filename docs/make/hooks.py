"""Hooks of mkdocs: pages from the root and of notebooks, links that leave docs/, and the output of the commands shown.

The lines of a `console` block begin with `$ cenet`. They are run when the site is built, and the output of each is put
below it. All blocks share one folder, which `SETUP` prepares.
"""

import contextlib
import io
import json
import os
import posixpath
import re
import shlex
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = {  # of the repository's root, by the name of the page
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
}
NETWORK = "docs/make/small_network.py"
SMALL = {  # the recipe small.json
    "network": "small",
    "encoder_weights": "none",
    "crop_px": 96,
    "learning_rate": 0.02,
    "batch_size": 2,
    "epochs": 2,
    "test_fraction": 0.4,
}
TRAIN = 'cenet train small.json --data scans --group-pattern "^[^_]+" --plugin small_network.py'
SETUP = [
    "cenet phantoms lung scans --count 20 --size 96",
    f"{TRAIN} --epochs 6 --output runs/a",
    f"{TRAIN} --output runs/b",
    "cenet evaluate runs/a --plugin small_network.py",
    "cenet evaluate runs/b --plugin small_network.py",
]
REPORT = "<!-- example report -->"
RECIPES = "<!-- table of recipes -->"
INTERVAL = re.compile(r"\((range )?[\d.]+ to [\d.]+\)")  # whose numbers stay on one line
INLINE_CODE = re.compile(r"<code>[^<\n]*</code>")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")  # which stays on one line: browsers break lines after its hyphens


def on_files(files: "Files", config: "MkDocsConfig") -> "Files":
    """Add the pages that are no Markdown in docs/: of the root, the reports of results/, and the notebooks."""
    from mkdocs.structure.files import File

    sources = {**PAGES, **{named(path): named(path) for path in sorted((ROOT / "results").rglob("*.md"))}}
    for page, source in sources.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    for notebook in sorted((ROOT / "docs" / "notebooks").glob("*.ipynb")):
        page = f"notebooks/{notebook.stem}.md"
        files.append(File.generated(config, page, content=format_notebook(notebook)))
    return files


def on_page_markdown(markdown: str, *, page: "Page", config: "MkDocsConfig", files: "Files") -> str:
    """Point the links into the site, run the commands that are shown, and fill in what is generated."""
    if page.parent is None:  # it has a tab of its own, and needs no list of pages beside it
        page.meta["hide"] = ["navigation"]
    elif page.file.src_uri.startswith("reference/commands/"):  # output is wide, and the contents are one line
        page.meta["hide"] = ["toc"]
    markdown = rewrite_links(markdown, page.file.src_uri, config, files)
    markdown = INTERVAL.sub(lambda match: match[0].replace(" ", "\N{NO-BREAK SPACE}"), markdown)
    if RECIPES in markdown:
        markdown = markdown.replace(RECIPES, tabulate_recipes())
    if REPORT in markdown:
        markdown = markdown.replace(REPORT, add_example_report(page.file.src_uri, config, files))
    return re.sub(r"^```console\n(.*?)^```", run_block, markdown, flags=re.MULTILINE | re.DOTALL)


def on_page_content(html: str, *, page: "Page", config: "MkDocsConfig", files: "Files") -> str:  # noqa: ARG001
    """Mark the names of options, which the style sheet keeps on one line."""
    return INLINE_CODE.sub(lambda code: OPTION.sub(r'<span class="option">\g<0></span>', code[0]), html)


def on_post_build(config: "MkDocsConfig") -> None:  # noqa: ARG001  # mkdocs passes it
    """Remove the folder in which commands were run."""
    if sandbox.cache_info().currsize:
        shutil.rmtree(sandbox())


def format_notebook(path: Path) -> str:
    """A notebook as a page: its text, its code, and a link to the file, which the site holds too."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells]
    blocks = [
        text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
        for cell, text in zip(cells, texts, strict=True)
    ]
    link = f'<a href="{path.name}" download>Download the notebook</a>'
    return "\n\n".join([blocks[0], link, *blocks[1:]])


def named(path: Path) -> str:
    """The path as seen from the repository's root."""
    return path.relative_to(ROOT).as_posix()


def rewrite_links(markdown: str, page: str, config: "MkDocsConfig", files: "Files") -> str:
    """Point every link to a file of the repository at its page in the site, or at a copy of the file."""
    from mkdocs.structure.files import File

    source = PAGES.get(page) or (page if page.startswith("results/") else f"docs/{page}")
    pages = {path: name for name, path in PAGES.items()}

    def rewrite(match: re.Match[str]) -> str:
        target, anchor = match["target"], match["anchor"] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if not (ROOT / path).is_file():
            return match[0]  # mkdocs reports it
        if path in pages:
            uri = pages[path]
        elif path.startswith("docs/"):
            uri = path.removeprefix("docs/")
            if uri.endswith(".ipynb"):
                uri = f"{uri.removesuffix('.ipynb')}.md"
        else:
            uri = path if path.startswith("results/") else f"repository/{path}.txt"
            if files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, content=(ROOT / path).read_bytes()))
        return f"]({posixpath.relpath(uri, posixpath.dirname(page) or '.')}{anchor})"

    return re.sub(r"\]\((?P<target>[^)#:\s]+)(?P<anchor>#[^)\s]*)?\)", rewrite, markdown)


@cache
def sandbox() -> Path:
    """The folder in which commands are run, with a set of phantoms and two scored runs."""
    from cenet.config.presets import load_recipe

    folder = Path(tempfile.mkdtemp(prefix="cenet-docs-"))
    shutil.copy(ROOT / NETWORK, folder)
    recipe = load_recipe("folder").replace(**SMALL)
    (folder / "small.json").write_text(recipe.model_dump_json(), encoding="utf-8")
    for command in SETUP:
        run_command(command, folder)
    return folder


def run_block(block: re.Match[str]) -> str:
    """A block of commands with the output of each below it."""
    shown = []
    for line in block[1].splitlines():
        command = line.removeprefix("$ ")
        needs_files = not command.endswith("--help") and command not in ("cenet tasks", "cenet recipes")
        shown += [line, run_command(command, sandbox() if needs_files else ROOT)]
    return "```console\n{}\n```".format("\n".join(shown))


def run_command(command: str, folder: Path) -> str:
    """What a command prints, run in a folder.

    Raises:
        RuntimeError: It does not start with `cenet`.
    """
    from cenet.cli.main import main

    name, *words = shlex.split(command)
    if name != "cenet":
        raise RuntimeError(f"the page shows a command that is not ours: {command}")
    output = io.StringIO()
    os.environ["COLUMNS"] = "88"
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(io.StringIO()),
        contextlib.suppress(SystemExit),  # of --help
    ):
        main(words)
    return output.getvalue().rstrip()


def add_example_report(page: str, config: "MkDocsConfig", files: "Files") -> str:
    """Add the report of the two small runs to the site, and return a link to it."""
    from mkdocs.structure.files import File

    run_command("cenet report runs/a runs/b --output report.html", sandbox())
    uri = posixpath.join(posixpath.dirname(page), "example-report.html")
    files.append(File.generated(config, uri, content=(sandbox() / "report.html").read_text(encoding="utf-8")))
    return "[The page of the two runs](example-report.html), as it was made with this site."


def tabulate_recipes() -> str:
    """A table of each field of a recipe: what it is, its default, and the recipes that have another value."""
    from cenet.config.presets import RECIPES
    from cenet.config.recipe import Recipe

    lines = ["| field | what | default | otherwise in |", "|---|---|---|---|"]
    for name, field in Recipe.model_fields.items():
        if name in ("name", "title", "unverified"):
            continue
        others: dict[str, list[str]] = {}
        for recipe in RECIPES.values():
            if getattr(recipe, name) != field.default:
                others.setdefault(format_value(getattr(recipe, name)), []).append(f"`{recipe.name}`")
        otherwise = "; ".join(f"{value}: {', '.join(recipes)}" for value, recipes in others.items())
        description = OPTION.sub(r"`\g<0>`", field.description or "")
        lines.append(f"| `{name}` | {description} | {format_value(field.default)} | {otherwise} |")
    return "\n".join(lines)


def format_value(value: Any) -> str:
    """A value as the command line takes it."""
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
