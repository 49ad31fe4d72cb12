"""Names of images that look as if several were of one patient."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cenet.data.sample import Sample
from cenet.datasets.contents import Note

MIN_PATIENTS = 3  # fewer beginnings of names are rather kinds of images
ENDINGS = r"(?i:[a-z]*[0-9]+|od|os|l|r|left|right|ap|pa|lat|lateral|cc|mlo)"  # a number, an eye, a side or a view


def note_shared_beginnings(samples: Sequence[Sample], folder: Path) -> Note | None:
    """Note beginnings that several names share, as those of a patient's images, where each image is its own group.

    Images of one patient in two parts of a split would make scores better than they are.

    Args:
        samples: All samples of a set.
        folder: Its folder.

    >>> names = ["ann_1", "ann_2", "bob_1", "bob_2", "eve_1", "eve_2"]
    >>> note = note_shared_beginnings([Sample(name, Path(f"{name}.png")) for name in names], Path("eyes"))
    >>> note.remedy
    'if it names a patient, add --group-pattern "^[^_]+" (3 groups)'
    """
    names = [sample.name for sample in samples]
    if any(sample.group != sample.name or sample.page is not None for sample in samples):
        return None
    for separator in ("_", "-", " "):
        matches = [re.fullmatch(f"(.+){separator}{ENDINGS}", name) for name in names]
        beginnings = [match[1] for match in matches if match]
        of_each = Counter(beginnings)
        if len(beginnings) < len(names) or len(of_each) < MIN_PATIENTS or min(of_each.values()) < 2:
            continue
        first, second = [name for name, start in zip(names, beginnings, strict=True) if start == beginnings[0]][:2]
        pattern = f"^(.+){separator}" if any(separator in start for start in of_each) else f"^[^{separator}]+"
        cause = f"names such as {first} and {second} share a beginning"
        return Note(
            str(folder), cause, f'if it names a patient, add --group-pattern "{pattern}" ({len(of_each)} groups)'
        )
    return None
