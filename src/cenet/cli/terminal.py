"""What a verb prints: nothing in it controls the terminal, and no encoding of the terminal ends a run."""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

from cenet.safe_text import replace_unprintable


def print_what_encodings_lack() -> None:
    """Print what an encoding lacks as an escape, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def printable_output() -> Iterator[None]:
    """Within a `with` block, replace what is printed and is not printable, wherever it comes from."""
    output, errors = cast(TextIO, _PrintableStream(sys.stdout)), cast(TextIO, _PrintableStream(sys.stderr))
    with redirect_stdout(output), redirect_stderr(errors):
        yield


class _PrintableStream:
    """A stream that writes line breaks, a return to the start of the line (of a progress bar), and printable text."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        start = "\r" if text.startswith("\r") else ""
        lines = text[len(start) :].split("\n")
        self.stream.write(start + "\n".join(map(replace_unprintable, lines)))
        return len(text)
