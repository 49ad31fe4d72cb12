"""The verbs that train folds: cross-validation, and the table of ablations."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from cenet.cli.options import LabelledImageOptions, LoggerOption, Overwrite, ScoringOptions, TrainingDeviceOptions
from cenet.cli.paths import check_folder, find_run
from cenet.cli.recipe_options import RecipeOptions
from cenet.cli.training_verbs import SAME_COMMAND, InitialRun, print_resume_hint
from cenet.config.presets import load_recipe
from cenet.errors import CenetError
from cenet.networks.names import check_network_name
from cenet.safe_text import print_line


@dataclass(frozen=True, kw_only=True)
class FoldsVerb(RecipeOptions):
    """What the verbs that train folds have in common."""

    recipe: Annotated[Positional[str], arg(metavar="RECIPE", help_behavior_hint="")]
    """a name (see `cenet recipes`), or a JSON file"""
    data: Annotated[Path, arg(metavar="DIR", help_behavior_hint="(required)")]
    """the images, laid out as the recipe's task says (see `cenet tasks`)"""
    folds: Annotated[int, arg(metavar="K")] = 4
    """number of folds"""
    fold: Annotated[tuple[int, ...], arg(metavar="FOLD [FOLD ...]", help_behavior_hint="(default: all)")] = ()
    """train these folds now, numbered from 0"""
    overwrite: Overwrite = False
    """replace reports that are there and were changed; trainings stay"""
    images: LabelledImageOptions = field(default_factory=LabelledImageOptions)
    machine: TrainingDeviceOptions = field(default_factory=TrainingDeviceOptions)

    def prepare(self) -> dict[str, Any]:
        """The options that both verbs hand on."""
        if "test_fraction" in self.changes:
            cause = "has no part in a cross-validation, which tests every image"
            raise CenetError("--test-fraction", cause, "leave it out")
        from cenet.datasets.resolve import resolve_dataset

        recipe = load_recipe(self.recipe).replace(**self.changes)
        task = resolve_dataset(recipe.task)
        check_folder(self.data)
        check_network_name(recipe.network)
        task.read(self.data, group_pattern=self.images.group_pattern)  # refuses another layout
        return {
            "recipe": recipe,
            "data": self.data,
            "folds": self.folds,
            "fold": self.fold,
            "overwrite": self.overwrite,
            "group_pattern": self.images.group_pattern,
            "ignore_value": self.images.ignore_value,
            "device": self.machine.request(),
            "deterministic": self.machine.deterministic,
        }


@dataclass(frozen=True, kw_only=True)
class CrossValidate(FoldsVerb):
    """Train and score every fold; the same command resumes.

    Examples:
      cenet cross-validate drive --data DRIVE
      cenet cross-validate folder --data eyes --folds 5 --fold 0 --lr 3e-4
    """

    output: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: runs/RECIPE-folds)")] = None
    """folder to make or to continue"""
    init_from: InitialRun = None
    """start from the weights of a trained run, or of a released model"""
    seeds: Annotated[int, arg(metavar="N")] = 1
    """train N networks for each fold"""
    logger: LoggerOption = None
    """log the curves for TensorBoard or MLflow too; needs cenet[tensorboard] or cenet[mlflow]"""
    scoring: ScoringOptions = field(default_factory=ScoringOptions)

    def execute(self) -> None:
        """Train and score the folds, and print the scores."""
        init_from = find_run(self.init_from) if self.init_from else None
        options = self.prepare()
        from cenet.experiments.cross_validation import cross_validate
        from cenet.reporting.evaluation_text import format_evaluation

        options["output"] = self.output or Path("runs") / f"{options['recipe'].name}-folds"
        with print_resume_hint(SAME_COMMAND):
            reports = cross_validate(
                **options,
                logger=self.logger,
                protocol=self.scoring.protocol,
                tta=self.scoring.tta,
                seeds=self.seeds,
                init_from=init_from,
            )
        for report in reports:
            print(f"{format_evaluation(report)}\n")
            print_line(f"report: {report.folder}")


@dataclass(frozen=True, kw_only=True)
class Ablate(FoldsVerb):
    """Cross-validate CE-Net without its parts, and compare.

    What is finished is skipped, so the same command resumes.

    Examples:
      cenet ablate drive --data DRIVE
      cenet ablate drive --data DRIVE --variants ce-net u-net --fold 0
    """

    output: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: runs/RECIPE-ablation)")] = None
    """folder to make or to continue"""
    variants: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]", help_behavior_hint="(default: all)")] = ()
    """train these variants now"""
    protocol: Literal["region", "frame"] = "region"
    """what is scored: the pixels of the region of interest, or of the whole frame"""

    def execute(self) -> None:
        """Train and score the variants, and print the table."""
        from cenet.experiments.ablation import CENET, CENET_NETWORKS, ablate
        from cenet.reporting.comparison_text import format_ablation

        fixed = [name for name, value in self.changes.items() if name in CENET and value not in CENET_NETWORKS]
        if fixed:
            raise CenetError(f"--{fixed[0].replace('_', '-')}", "differs between the variants", "leave it out")
        options = self.prepare()
        output = self.output or Path("runs") / f"{options['recipe'].name}-ablation"
        with print_resume_hint(SAME_COMMAND):
            ablation = ablate(**options, output=output, protocol=self.protocol, variants=self.variants)
        print(f"{format_ablation(ablation)}\n")
        print_line(f"report: {output / 'ablation.md'}")
