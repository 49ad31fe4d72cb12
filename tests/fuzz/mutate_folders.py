"""Mutations of the files of a run folder: JSON as values, others as bytes; a number always gives the same mutant."""

import copy
import json
import random

ODD_VALUES = (
    None,
    True,
    -1,
    0,
    2**31,
    10**30,
    -1e308,
    float("nan"),
    float("inf"),
    "",
    "x",
    "../../etc/passwd",
    "\x1b[2J\n| = <script>",
    "9" * 5000,
    [],
    {},
    [[[[]]]],
    {"a": {"b": 1}},
)


def mutate_json(text, number):
    """A JSON text with one to three values deleted, replaced, repeated, or moved, or cut off, or nested deeply."""
    rng = random.Random(number)
    how = rng.random()
    if how < 0.05:
        return text[: rng.randrange(len(text))]
    if how < 0.08:
        depth = 10 ** rng.randrange(2, 6)
        return "[" * depth + "]" * rng.choice((0, depth))
    value = json.loads(text)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        _mutate_value(value, rng)
    return json.dumps(value)


def _mutate_value(value, rng):
    places = list(_places(value))
    if not places:
        return
    parent, key = rng.choice(places)
    how = rng.randrange(7)
    if how == 0:
        del parent[key]
    elif how in (1, 2):
        parent[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    elif how == 3 and isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), copy.deepcopy(parent[key]))
    elif how == 3:
        parent[f"{key}2"] = parent[key]
    elif how == 4:
        other, place = rng.choice(places)
        parent[key] = copy.deepcopy(other[place])
    elif how == 5 and isinstance(parent[key], int | float) and not isinstance(parent[key], bool):
        parent[key] = parent[key] * rng.choice((-1, 0, 0.5, 2, 1e6)) + rng.choice((0, 1, -1))
    elif how == 6 and isinstance(parent[key], list):
        parent[key] = parent[key][:1] * rng.choice((0, 2, 300))
    else:
        parent[key] = [parent[key]]


def _places(value):
    """Every place in a value that can be changed: its list or dictionary, and the index or key."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in list(items):
        yield value, key
        yield from _places(item)


def mutate_bytes(content, number):
    """Bytes with some flipped, cut off, or repeated."""
    rng = random.Random(number)
    changed = bytearray(content)
    how = rng.randrange(4)
    if how == 0:
        return bytes(changed[: rng.randrange(len(changed))])
    if how == 1:
        start = rng.randrange(len(changed))
        changed[start:start] = changed[start : start + rng.randrange(1, 64)]
    else:
        for _ in range(rng.choice((1, 3, 10))):
            changed[rng.randrange(min(len(changed), rng.choice((64, 10**9))))] = rng.randrange(256)
    return bytes(changed)
