"""The verb that plans a recipe, and shows why each of its values was chosen."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

from tyro.conf import Positional, arg

from cenet.cli.next_command import format_command
from cenet.cli.options import LabelledImageOptions, Overwrite, TrainingDeviceOptions
from cenet.cli.paths import check_folder
from cenet.cli.recipe_options import RecipeOptions
from cenet.errors import CenetError
from cenet.networks.names import check_network_name
from cenet.safe_text import print_line


@dataclass(frozen=True, kw_only=True)
class PlanVerb(RecipeOptions):
    """Plan a recipe for your images and this machine, and say why.

    - Nothing is trained.
    - An option fixes one value of the recipe; the rest is planned around it.

    Examples:
      cenet plan eyes
      cenet plan eyes --minutes 30 --output recipe.json
      cenet train recipe.json --data eyes
    """

    unnamed_recipe: ClassVar[None] = None

    data: Annotated[Positional[Path], arg(metavar="DATA", help_behavior_hint="")]
    """the folder"""
    output: Annotated[Path | None, arg(metavar="FILE.json", help_behavior_hint="(default: print only)")] = None
    """write the recipe there, to edit and to train"""
    overwrite: Overwrite = False
    """replace a file that is there"""
    minutes: Annotated[float | None, arg(metavar="MINUTES", help_behavior_hint="(default: what the data need)")] = None
    """time budget of the training"""
    images: LabelledImageOptions = field(default_factory=LabelledImageOptions)
    machine: TrainingDeviceOptions = field(default_factory=TrainingDeviceOptions)

    def execute(self) -> None:
        """Print the plan, and write the recipe."""
        from cenet.data.io.files import check_writable, write_text
        from cenet.datasets.resolve import resolve_dataset

        check_folder(self.data)
        resolve_dataset(self.changes.get("task", "folder"))
        check_network_name(self.changes.get("network", "cenet"))
        if self.output is not None:
            if self.output.suffix != ".json":
                raise CenetError(self.output, "a recipe is a .json file", "name it so")
            if self.output.exists() and not self.overwrite:
                raise CenetError(self.output, "already exists", "choose another --output, or add --overwrite")
            check_writable(self.output.parent)
        from cenet.training.plan import plan, print_plan

        planned = plan(
            self.data,
            device=self.machine.resolve(),
            minutes=self.minutes,
            group_pattern=self.images.group_pattern,
            ignore_value=self.images.ignore_value,
            changes=self.changes,
        )
        print_plan(planned)
        if self.output is not None:
            write_text(self.output, planned.recipe.model_dump_json(indent=1))
            print_line(f"recipe: {self.output}")
        print_line(f"next: {self._next_command()}")

    def _next_command(self) -> str:
        """The training of this plan: of the file that holds it, or planned again with the same options."""
        words = ["train", *([str(self.output)] if self.output else []), "--data", str(self.data)]
        options: dict[str, Any] = {} if self.output else dict(self.changes)
        options |= {
            "minutes": None if self.minutes is None else f"{self.minutes:g}",
            "group_pattern": self.images.group_pattern,
            "ignore_value": self.images.ignore_value,
            "plugin": self.plugin,
        }
        return format_command(words, options)
