"""The verbs that train one run, or several seeds of it, and the demo."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from tyro.conf import Positional, arg

from cenet.cli.options import ClusterDeviceOptions, DeviceOptions, Flag, LabelledImageOptions, LoggerOption
from cenet.cli.paths import check_file, check_folder, check_run, find_run
from cenet.cli.process_settings import reuse_freed_memory
from cenet.cli.recipe_options import PLANNED, RecipeOptions
from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.errors import CenetError
from cenet.networks.names import check_network_name
from cenet.safe_text import print_line

if TYPE_CHECKING:
    from cenet.inference.run import Run

SAME_COMMAND = "give the same command again"

OptionalRun = Annotated[Path | None, arg(metavar="RUN", help_behavior_hint="")]
InitialRun = Annotated[str | None, arg(metavar="RUN", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Segment a photograph, then train on drawings: four minutes."""

    output: Annotated[Path, arg(metavar="DIR")] = Path("cenet-demo")
    """folder to make"""
    seed: int = 0
    """seed of phantoms and training"""
    machine: DeviceOptions = field(default_factory=DeviceOptions)

    def execute(self) -> None:
        """Run the demo, which prints its steps."""
        reuse_freed_memory()
        from cenet.experiments.demo import demo

        demo(self.output, seed=self.seed, device=self.machine.resolve())


@dataclass(frozen=True, kw_only=True)
class Train(RecipeOptions):
    """Train a network on a folder of images.

    - Without RECIPE one is planned for images and machine, as by `cenet plan`.
    - Many options (data, network, image size, training, augmentation) change one
      value of the recipe each; `cenet train drive --help` shows those of `drive`.

    Examples:
      cenet train --data eyes
      cenet train --data eyes --minutes 30
      cenet train drive --data DRIVE --output runs/wide --lr 3e-4 --dac none
      cenet train --resume runs/wide
      cenet train drive --data DRIVE --init-from runs/wide --epochs 20
    """

    unnamed_recipe: ClassVar[None] = None

    recipe: Annotated[
        Positional[str | None], arg(metavar="[RECIPE]", help_behavior_hint="(default: one is planned)")
    ] = None
    """a name (see `cenet recipes`), or a JSON file"""
    data: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(required without --resume)")] = None
    """the images, laid out as the recipe's task says (see `cenet tasks`)"""
    output: Annotated[Path | None, arg(metavar="RUN", help_behavior_hint="(default: runs/RECIPE)")] = None
    """run folder to make"""
    resume: OptionalRun = None
    """continue a run from its last finished epoch"""
    init_from: InitialRun = None
    """start from the weights of a trained run, or of a released model"""
    splits: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: a new split)")] = None
    """use the splits.json of another run"""
    minutes: Annotated[float | None, arg(metavar="MINUTES", help_behavior_hint="(default: as long as it takes)")] = None
    """time budget, to which the number of steps is fitted"""
    seeds: Annotated[int, arg(metavar="N")] = 1
    """train N times with different seeds, and print how much they differ"""
    keep_checkpoints: Flag = False
    """keep the last two checkpoints when training is finished"""
    logger: LoggerOption = None
    """log the curves for TensorBoard or MLflow too; needs cenet[tensorboard] or cenet[mlflow]"""
    images: LabelledImageOptions = field(default_factory=LabelledImageOptions)
    machine: ClusterDeviceOptions = field(default_factory=ClusterDeviceOptions)

    def execute(self) -> None:
        """Train, resume, or train several seeds."""
        if self.resume:
            check_run(self.resume)
            if self.data:
                check_folder(self.data)
            from cenet.inference.run_folder import check_resumable

            if not self.machine.is_shared:  # else the first of its processes may hold its lock
                check_resumable(self.resume)
            self._check_resume_options(self.resume)
            self._resume(self.resume)
            return
        from cenet.datasets.resolve import resolve_dataset

        recipe = load_recipe(self.recipe).replace(**self.changes) if self.recipe else None
        task = resolve_dataset(recipe.task if recipe else self.changes.get("task", "folder"))
        if not self.data:
            raise CenetError(
                f"recipe {recipe.name}" if recipe else "train",
                "no images are named",
                "add --data DIR (`cenet tasks` shows the layout, `cenet phantoms TASK DIR` draws some)",
            )
        check_folder(self.data)
        if self.splits:
            check_file(self.splits)
        init_from = find_run(self.init_from) if self.init_from else None
        output = self.output or Path("runs") / (recipe.name if recipe else PLANNED)
        if self.seeds != 1 and self.machine.is_shared:
            cause = "trains one run after another"
            raise CenetError(f"--seeds {self.seeds}", cause, "start a job for each with --seed, or use one device")
        if self.seeds == 1 and not self.machine.is_shared:
            from cenet.inference.run_folder import check_not_occupied

            check_not_occupied(output)
        check_network_name(recipe.network if recipe else self.changes.get("network", "cenet"))
        task.read(self.data, group_pattern=self.images.group_pattern)  # refuses another layout
        self._train(recipe, self.data, output, init_from)

    def _train(self, recipe: Recipe | None, data: Path, output: Path, init_from: Path | None) -> None:
        options: dict[str, Any] = {
            "output": output,
            "device": self.machine.resolve(),
            "group_pattern": self.images.group_pattern,
            "ignore_value": self.images.ignore_value,
            "splits": self.splits,
            "init_from": init_from,
            "minutes": self.minutes,
            "keep_checkpoints": self.keep_checkpoints,
            "logger": self.logger,
            "deterministic": self.machine.deterministic,
        }
        if self.seeds != 1:
            from cenet.experiments.seeds import format_seed_spread, train_seeds

            recipe = recipe or self._plan(data, init_from)
            with print_resume_hint(SAME_COMMAND):
                runs = train_seeds(recipe, data, seeds=self.seeds, **options)
            print(format_seed_spread(runs))
            print_line(f"next: cenet {suggest_next_verb(runs[0], self.plugin)}, and so on")
            return
        from cenet.training.train import train

        with print_resume_hint(f"cenet train --resume {shlex.quote(str(output))}", output):
            run = train(recipe, data, changes=None if recipe else self.changes, **options)
        print_trained_run(run, self.plugin)

    def _plan(self, data: Path, init_from: Path | None) -> Recipe:
        """Plan a recipe, and print it."""
        from cenet.training.plan import plan, print_plan

        planned = plan(
            data,
            device=self.machine.resolve(),
            minutes=self.minutes,
            group_pattern=self.images.group_pattern,
            ignore_value=self.images.ignore_value,
            splits=self.splits,
            init_from=init_from,
            changes=self.changes,
        )
        print_plan(planned)
        return planned.recipe

    def _resume(self, path: Path) -> None:
        from cenet.training.train import resume

        with print_resume_hint(f"cenet train --resume {shlex.quote(str(path))}", path):
            run = resume(
                path,
                data=self.data,
                device=self.machine.resolve(),
                keep_checkpoints=self.keep_checkpoints,
                logger=self.logger,
                deterministic=self.machine.deterministic,
            )
        print_trained_run(run, self.plugin)

    def _check_resume_options(self, path: Path) -> None:
        """Refuse options with which a run cannot be resumed, as it was started with others."""
        if self.changes:
            given = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in self.changes.items())
            raise CenetError(
                path,
                f"is resumed as it was started, without {given}",
                f"leave it out, or train on into a new run: "
                f"cenet train RECIPE --data DIR --init-from {path} {given} --output ANOTHER",
            )
        fixed = {
            "RECIPE": self.recipe,
            "--output": self.output,
            "--init-from": self.init_from,
            "--splits": self.splits,
            "--group-pattern": self.images.group_pattern,
            "--minutes": self.minutes,
            "--ignore-value": self.images.ignore_value,
            "--seeds": None if self.seeds == 1 else self.seeds,
        }
        given = ", ".join(name for name, value in fixed.items() if value is not None)
        if given:
            raise CenetError(
                path,
                f"is resumed as it was started, without {given}",
                "give only --data and the options of the machine",
            )
        from cenet.inference.run import Run

        facts = Run(path).facts
        for option, asked, recorded in (
            ("--precision", self.machine.precision, facts.precision),
            ("--memory-format", self.machine.memory_format, facts.memory_format),
        ):
            if asked != "auto" and recorded not in (None, asked):
                raise CenetError(
                    f"--resume {path}", f"was started with {option} {recorded}, not {asked}", f"leave {option} out"
                )
        if self.machine.deterministic and facts.deterministic is False:
            raise CenetError(path, "was started without --deterministic", "leave it out")


@contextmanager
def print_resume_hint(command: str, run: Path | None = None) -> Iterator[None]:
    """Where a training is stopped by Ctrl-C or SIGTERM, print how to resume it; for a run, once it has a checkpoint."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        from cenet.inference.run_folder import has_named_checkpoint

        if run is None or has_named_checkpoint(run):
            print(file=sys.stderr)
            print_line(f"to resume: {command}", file=sys.stderr)
        raise


def print_trained_run(run: "Run", plugin: str | None = None) -> None:
    """Print where a run is, what it reached, and what to do next."""
    from cenet.inference.run import format_thresholds

    facts = run.facts
    if not facts.finished:  # the first of several processes finishes it, and prints this
        return
    threshold = f" at {format_thresholds(facts.thresholds)}" if facts.thresholds else ""
    print_line(f"run: {run.path}")
    weights = f"weights of epoch {(facts.epoch or 0) + 1} of {run.recipe.epochs}"
    if facts.validation_dice is None:
        print(f"no validation images: {weights}, masks{threshold or ' by the largest probability'}")
    else:
        print(f"Dice on the validation images: {facts.validation_dice:.3f}{threshold} ({weights})")
    print_line(f"next: cenet {suggest_next_verb(run, plugin)}")


def suggest_next_verb(run: "Run", plugin: str | None = None) -> str:
    """Suggest what to do with a trained run: score it where it has a test part, or use it; with the same plugin."""
    option = f" --plugin {shlex.quote(plugin)}" if plugin else ""
    if run.split is not None and run.split.parts["test"]:
        return f"evaluate {shlex.quote(str(run.path))}{option}"
    return f"predict {shlex.quote(str(run.path))} IMAGE --output DIR{option}"
