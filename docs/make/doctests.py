"""An extension of Griffe, which reads docstrings for the site: examples become blocks of code."""

import re
from typing import Any

import griffe

EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
DIRECTIVE = re.compile(r" +# doctest: .*")


class Doctests(griffe.Extension):
    """Puts each example of a docstring, up to an empty line, into a block of code."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of an object once it is read."""
        if obj.docstring:
            obj.docstring.value = EXAMPLE.sub(fence, obj.docstring.value)


def fence(example: re.Match[str]) -> str:
    """A block of code without the directives of doctest."""
    return f"```pycon\n{DIRECTIVE.sub('', example[0])}\n```"
