"""The verbs about released models."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from cenet.cli.options import Flag, TrainingDeviceOptions
from cenet.cli.paths import check_folder
from cenet.cli.training_verbs import SAME_COMMAND, print_resume_hint
from cenet.errors import CenetError
from cenet.safe_text import print_line


@dataclass(frozen=True, kw_only=True)
class Models:
    """List the installed released models, or show the card of one.

    Examples:
      cenet models
      cenet models vessels-open
      cenet models vessels-open --check
    """

    model: Annotated[Positional[str | None], arg(metavar="[NAME]", help_behavior_hint="(default: list all)")] = None
    """a model's name"""
    check: Flag = False
    """predict the image whose prediction was stored at the release, and say whether it is the same here"""

    def execute(self) -> int:
        """Print the table, the card, or whether the model computes the same here."""
        from cenet.models.installed import find_model, list_installed_models
        from cenet.models.model_info import ModelInfo
        from cenet.reporting.models_text import format_model_card, format_models

        if self.check:
            if not self.model:
                raise CenetError("--check", "no model is named", "name one of `cenet models`")
            return self._check(find_model(self.model))
        if self.model:
            print(format_model_card(ModelInfo.load(find_model(self.model)), "terminal"))
        else:
            print(format_models([ModelInfo.load(folder) for folder in list_installed_models().values()]))
        return 0

    def _check(self, folder: Path) -> int:
        from cenet.inference.check_model import TOLERANCE, measure_deviation
        from cenet.inference.run import Run

        run = Run(folder)
        if run.model is None or run.model.check is None:
            raise CenetError(folder.name, "stores no prediction to compare with", "name another of `cenet models`")
        deviation = measure_deviation(run)
        same = deviation < TOLERANCE
        verdict = "computes here what it computed at its release" if same else "computes here something else"
        print_line(f"{folder.name} {verdict}: the largest difference is {deviation:.5f}, allowed is {TOLERANCE}")
        return int(not same)


@dataclass(frozen=True, kw_only=True)
class Reproduce:
    """Train one fold of a released model again, to check its score.

    - It trains a fold that the model stores, with its recipe and split, and
      compares the score of the images held out with that of the release.
    - The card says whether there is a fold, and how long it takes.
    - The status is 1 where the score lies outside the expected interval.
    - After an interruption the same command resumes.

    Examples:
      cenet models NAME
      cenet reproduce NAME --data DATA
    """

    model: Annotated[Positional[str], arg(metavar="NAME", help_behavior_hint="")]
    """a released model, see `cenet models`"""
    data: Annotated[Path, arg(metavar="DIR", help_behavior_hint="(required)")]
    """the images that its card names, laid out as its task says (see `cenet tasks`)"""
    output: Annotated[Path | None, arg(metavar="RUN", help_behavior_hint="(default: runs/NAME-VERSION-fold-N)")] = None
    """run folder to make or to resume"""
    seed: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: the release's)")] = None
    """another seed, which the default folder's name then ends with"""
    machine: TrainingDeviceOptions = field(default_factory=TrainingDeviceOptions)

    def execute(self) -> int:
        """Train and score the fold, and print the verdict."""
        from cenet.models.installed import find_fold

        find_fold(self.model)
        check_folder(self.data)
        from cenet.experiments.reproduce import format_reproduction, reproduce

        with print_resume_hint(SAME_COMMAND):
            result = reproduce(self.model, self.data, output=self.output, seed=self.seed, device=self.machine.resolve())
        print(format_reproduction(result))
        return int(not result.agrees)
