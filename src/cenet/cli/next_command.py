"""The command that a verb suggests as the next one, with the options that it was given."""

import shlex
from collections.abc import Mapping, Sequence


def format_command(words: Sequence[object], options: Mapping[str, object]) -> str:
    """Write a command for a shell.

    Args:
        words: The verb and what follows it.
        options: Further options by their names in Python; those that are None are left out.

    >>> format_command(["train", "--data", "my eyes"], {"num_classes": 3, "ignore_value": None})
    "cenet train --data 'my eyes' --num-classes 3"
    """
    given = {name: value for name, value in options.items() if value is not None}
    pairs = [text for name, value in given.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    return shlex.join(["cenet", *map(str, words), *pairs])
