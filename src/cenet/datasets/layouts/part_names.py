"""The names that data sets have for the parts of a split."""

import re

from cenet.data.splits import Part

_PARTS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}


def part_from_name(name: str) -> Part | None:
    """Return the part that a folder is named after, if it is.

    >>> part_from_name("val"), part_from_name("Test"), part_from_name("train2017"), part_from_name("patient01")
    ('validation', 'test', 'train', None)
    """
    return _PARTS.get(re.sub(r"[-_]?(?:\d{4}|set|data)$", "", name.lower()))


def part_in_words(name: str) -> Part | None:
    """Return the part that is a word of a file's name, if exactly one is.

    >>> part_in_words("instances_train2017"), part_in_words("annotations"), part_in_words("train_val")
    ('train', None, None)
    """
    parts = {part for word in re.split(r"[^A-Za-z0-9]+", name) if (part := part_from_name(word))}
    return parts.pop() if len(parts) == 1 else None
