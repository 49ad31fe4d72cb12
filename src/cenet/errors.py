"""The one exception that means: the user can fix this, and how its sentence is made."""

import difflib
from collections.abc import Iterable

from cenet.safe_text import replace_unprintable


class CenetError(Exception):
    """A mistake that the user can fix, as three fields: what it is about, what is wrong, and what to do.

    The command line prints it as one sentence, without a traceback, and exits with status 1.

    Args:
        subject: The file, folder, option or value that it is about.
        cause: What is wrong with it.
        remedy: What the user can do.

    >>> error = CenetError("eye.png", "the file is empty", "copy it again")
    >>> str(error)
    'eye.png: the file is empty; copy it again'
    >>> error.remedy
    'copy it again'
    """

    def __init__(self, subject: object, cause: str, remedy: str) -> None:
        super().__init__(subject, cause, remedy)  # so that it travels between processes
        self.subject, self.cause, self.remedy = str(subject), cause, remedy

    def __str__(self) -> str:
        return replace_unprintable(f"{self.subject}: {self.cause}; {self.remedy}")


def nearest(word: str, words: Iterable[str]) -> str | None:
    """Return the most similar of some words, or None where none is similar.

    >>> nearest("drvie", ["drive", "chase"])
    'drive'
    """
    return next(iter(difflib.get_close_matches(word, words, n=1)), None)
