"""Trained runs by their folder: one, or the folds of a cross-validation as an ensemble."""

import json
from collections.abc import Sequence
from pathlib import Path

from cenet.config.recipe import Recipe
from cenet.data.splits import Part
from cenet.errors import CenetError
from cenet.inference.predictor import AnyPredictor, EnsemblePredictor
from cenet.inference.run import Run, RunMetadata

MEMBERS = "ensemble.json"


class Ensemble:
    """Runs that answer together; they share recipe (but for the seed), classes and kind of images.

    Args:
        path: The folder, in which `ensemble.json` lists the folders of its members.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        listing = self.path / MEMBERS
        try:
            names = json.loads(listing.read_text(encoding="utf-8"))["members"]
            self.members = [Run(self.path / name) for name in names]
            self.recipe: Recipe = self.members[0].recipe
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise CenetError(
                listing, "lists no runs", "name a folder that `cenet cross-validate` has written"
            ) from error
        if unfinished := [run for run in self.members if not run.facts.finished]:
            raise CenetError(
                unfinished[0].path, "its training has not come to its end", "give the command that began it again"
            )

    @property
    def facts(self) -> RunMetadata:
        """What the members have in common, as the first knows it."""
        return self.members[0].facts

    def part_of(self, fingerprint: str) -> Part | None:
        """The part in which any member has met an image, training before all others."""
        parts = {member.part_of(fingerprint) for member in self.members}
        known: Sequence[Part] = ("train", "validation", "test")
        return next((part for part in known if part in parts), None)

    def predictor(self, *, device: str = "cpu", tta: bool = False) -> EnsemblePredictor:
        """The engine that averages the members' probabilities."""
        return EnsemblePredictor([member.predictor(device=device, tta=tta) for member in self.members])


def open_run(path: str | Path) -> Run | Ensemble:
    """A run, or an ensemble of runs, by its folder.

    Raises:
        CenetError: The folder is neither, or is not whole.
    """
    return Ensemble(path) if (Path(path) / MEMBERS).exists() else Run(path)


def load(run: str | Path, *, device: str = "cpu", tta: bool = False) -> AnyPredictor:
    """A trained run or ensemble, ready to predict: `cenet.load(run)(image)`.

    Args:
        run: The run folder, or that of a cross-validation.
        device: Where it computes: `cpu`, `cuda`, `mps`.
        tta: Average the eight flips and turns.

    Raises:
        CenetError: The folder is no run, or is not whole.
    """
    return open_run(run).predictor(device=device, tta=tta)
