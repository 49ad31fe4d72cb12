"""Which images each fold of a cross-validation trains on, validates on and scores."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cenet.config.recipe import Recipe
from cenet.data.io.files import write_text
from cenet.data.make_splits import drop_own_split, make_folds, make_split
from cenet.data.splits import Split
from cenet.errors import CenetError
from cenet.safe_text import print_line
from cenet.training.prepare import list_samples, read_labelled_samples


def check_folds(fold: Sequence[int], folds: int) -> None:
    """Refuse numbers of folds that there are not.

    Raises:
        CenetError: There is one.

    >>> check_folds([0, 3], 4)
    """
    if wrong := [number for number in fold if not 0 <= number < folds]:
        raise CenetError(f"--fold {wrong[0]}", "there is no such fold", f"number them from 0 to {folds - 1}")


def load_or_make_splits(
    recipe: Recipe, data: Path, output: Path, *, folds: int, group_pattern: str | None, ignore_value: int | None
) -> list[Split]:
    """The split of each fold: made once, then read back.

    Each takes its inner validation part from the fold after it, so that no image validates two folds; where a fold has
    fewer groups than the part needs, from others too.
    """
    paths = [output / "folds" / f"{number}.json" for number in range(folds)]
    if paths and all(path.exists() for path in paths):
        return [Split.from_json(path) for path in paths]
    listed = list_samples(recipe, data, group_pattern)
    samples = drop_own_split(listed)
    if len(samples) < len(listed):
        remark = f"the {len(listed) - len(samples)} images of the data set's own test part stay held out"
        print_line(f"note: {remark}", file=sys.stderr)
    if unlabelled := [sample for sample in samples if not sample.label]:
        raise CenetError(
            unlabelled[0].image,
            "has no label, and in a cross-validation every image is scored",
            "add a label, or remove the image",
        )
    _, statistics = read_labelled_samples(recipe, samples, ignore_value, data)
    held_out = make_folds(samples, folds, seed=recipe.seed, statistics=statistics)
    splits = [
        make_split(
            samples,
            recipe,
            tests=tests,
            fingerprints=statistics.fingerprints,
            statistics=statistics,
            validate_first=held_out[(number + 1) % folds],
        )
        for number, tests in enumerate(held_out)
    ]
    for path, split in zip(paths, splits, strict=True):
        write_text(path, split.to_json())
    return splits
