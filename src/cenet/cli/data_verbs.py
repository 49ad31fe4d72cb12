"""The verbs about data sets, recipes and weights: none of them needs a network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from cenet.cli.next_command import format_command
from cenet.cli.options import LabelledImageOptions, Overwrite, Plugin
from cenet.cli.paths import check_folder
from cenet.safe_text import print_line

TASKS_OF_THEIR_OWN = ("disc", "lung", "cells", "oct")  # of phantoms; the others are plain folders


@dataclass(frozen=True, kw_only=True)
class Tasks:
    """List the tasks: layout, source and groups of their images."""

    def execute(self) -> None:
        """Print every task."""
        from cenet.datasets.registry import TASKS

        for name, task in TASKS.items():
            tree = "\n".join(f"    {line}" for line in task.layout.splitlines())
            paper = f"\n  the paper: {task.published}" if task.published else ""
            groups = task.describe_grouping_rule()
            print(f"{name}: {task.title}\n  source: {task.source}\n  groups: {groups}{paper}\n  layout:\n{tree}\n")
        print("`cenet doctor DATA --task TASK` reports what is missing from a layout.")
        print("Other data sets: put images and masks into the layout of `folder`, or of the task that they belong to.")


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """List the recipes, or print one as JSON.

    Examples:
      cenet recipes
      cenet recipes drive > my-recipe.json
    """

    recipe: Annotated[Positional[str | None], arg(metavar="[RECIPE]", help_behavior_hint="(default: list all)")] = None
    """a name, or a JSON file"""

    def execute(self) -> None:
        """Print the list, or the recipe."""
        from cenet.config.presets import RECIPES, load_recipe

        if self.recipe:
            print(load_recipe(self.recipe).model_dump_json(indent=1))
        else:
            for recipe in RECIPES.values():
                print(f"{recipe.name:16} {recipe.title}")


@dataclass(frozen=True, kw_only=True)
class Phantoms:
    """Draw images with exact labels, in the layout of a task.

    Examples:
      cenet phantoms vessels eyes --count 20
      cenet train phantom-vessels --data eyes
    """

    task: Annotated[Positional[str], arg(metavar="TASK", help_behavior_hint="")]
    """vessels, disc, lung, cells, oct or nuclei (in four stains, for the task folder)"""
    output: Annotated[Positional[Path], arg(metavar="DIR", help_behavior_hint="")]
    """folder to make"""
    count: Annotated[int | None, arg(metavar="N", help_behavior_hint="(default: 8, of cells 25 slices)")] = None
    """number of images or patients, or of slices of cells"""
    seed: int = 0
    """seed of the drawing"""
    size: Annotated[int, arg(metavar="PX")] = 512
    """side of an image, pixels"""

    def execute(self) -> None:
        """Draw them."""
        from cenet.phantoms import write_phantoms

        write_phantoms(self.output, task=self.task, count=self.count, seed=self.seed, size_px=self.size)
        print_line(f"phantoms: {self.output}")
        task = self.task if self.task in TASKS_OF_THEIR_OWN else None
        print_line(f"next: {format_command(['doctor', self.output], {'task': task})}")


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """Check a folder of images and labels before training.

    Examples:
      cenet doctor eyes
      cenet doctor DRIVE --task drive --output checked
    """

    data: Annotated[Positional[Path], arg(metavar="DATA", help_behavior_hint="")]
    """the folder"""
    task: Annotated[str, arg(metavar="TASK")] = "folder"
    """layout of the files, see `cenet tasks`"""
    num_classes: Annotated[int | None, arg(metavar="K", help_behavior_hint="(default: what the labels show)")] = None
    """1: foreground; K: with the background"""
    nested: Annotated[
        Literal["true", "false"] | None,
        arg(metavar="{true,false}", help_behavior_hint="(default: what the labels say)"),
    ] = None
    """class k lies inside class k-1"""
    splits: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """a splits.json to check against the images"""
    output: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="(default: print only)")] = None
    """write the report and a contact sheet there"""
    overwrite: Overwrite = False
    """replace files that are there and that `cenet doctor` did not write"""
    plugin: Plugin = None
    """module or file with code of your own, which is imported first"""
    images: LabelledImageOptions = field(default_factory=LabelledImageOptions)

    def execute(self) -> int:
        """Print the diagnosis; the status is 1 where there is an error in it."""
        from cenet.datasets.resolve import resolve_dataset

        check_folder(self.data)
        resolve_dataset(self.task)
        from cenet.doctor.examine import examine
        from cenet.doctor.format import format_diagnosis

        diagnosis = examine(
            self.data,
            task=self.task,
            num_classes=self.num_classes,
            nested=None if self.nested is None else self.nested == "true",
            ignore_value=self.images.ignore_value,
            group_pattern=self.images.group_pattern,
            splits=self.splits,
            output=self.output,
            overwrite=self.overwrite,
        )
        print(format_diagnosis(diagnosis))
        if not diagnosis.errors:
            print_line(f"next: {self._next_command()}")
        return int(diagnosis.errors > 0)

    def _next_command(self) -> str:
        """The training of this folder, read with the same options."""
        options = {
            "task": None if self.task == "folder" else self.task,
            "num_classes": self.num_classes,
            "nested": self.nested,
            "splits": self.splits,
            "group_pattern": self.images.group_pattern,
            "ignore_value": self.images.ignore_value,
            "max_pixels": self.images.max_pixels,
            "plugin": self.plugin,
        }
        return format_command(["train", "--data", self.data], options)


@dataclass(frozen=True, kw_only=True)
class ImportOfficial:
    """Make a run of a checkpoint of the authors' code.

    Examples:
      cenet import-official weights.th --output runs/official
      cenet predict runs/official photographs --output masks --tta
    """

    file: Annotated[Positional[Path], arg(metavar="FILE", help_behavior_hint="")]
    """the checkpoint"""
    output: Annotated[Path, arg(metavar="RUN", help_behavior_hint="(required)")]
    """run folder to make"""

    def execute(self) -> None:
        """Import it."""
        from cenet.inference.import_authors import import_authors_checkpoint

        print_line(f"run: {import_authors_checkpoint(self.file, output=self.output).path}")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Download ImageNet weights of resnet34 or resnet18.

    The other encoders have theirs in the package.

    Examples:
      cenet weights imagenet
      cenet train folder --data eyes --encoder resnet34 --encoder-weights imagenet
    """

    name: Annotated[Positional[Literal["imagenet"]], arg(help_behavior_hint="")]
    """which weights"""
    encoder: Literal["resnet18", "resnet34"] = "resnet34"
    """the encoder"""
    from_: Annotated[str | None, arg(name="from", metavar="URL", help_behavior_hint="(default: the official one)")] = (
        None
    )
    """a mirror; the checksum stays the same"""

    def execute(self) -> None:
        """Download them."""
        from cenet.networks.pretrained import download_weights

        print_line(f"weights: {download_weights(self.encoder, address=self.from_)}")
