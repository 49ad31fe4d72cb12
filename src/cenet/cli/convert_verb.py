"""The verb that converts a data set of any layout that is read."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from tyro.conf import Positional, arg

from cenet.cli.options import Flag, LabelledImageOptions, Plugin
from cenet.cli.paths import check_folder
from cenet.safe_text import format_count, print_line

if TYPE_CHECKING:
    from cenet.datasets.contents import Note
    from cenet.datasets.convert import Conversion

MAX_SEPARATE = 3  # more notes with the same cause become one line


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Convert a data set into a plain folder, or to COCO.

    Layouts and formats of other tools are recognised. Nothing is overwritten.

    Examples:
      cenet convert coco-export eyes
      cenet convert export eyes --task label-studio
      cenet convert eyes eyes-coco --to coco
    """

    data: Annotated[Positional[Path], arg(metavar="IN", help_behavior_hint="")]
    """the folder"""
    output: Annotated[Positional[Path], arg(metavar="OUT", help_behavior_hint="")]
    """folder to make"""
    task: Annotated[str, arg(metavar="TASK")] = "folder"
    """layout of the files, see `cenet tasks`; folder: the one that is recognised"""
    to: Literal["plain", "coco"] = "plain"
    """what to write"""
    num_classes: Annotated[int | None, arg(metavar="K", help_behavior_hint="(default: what the labels show)")] = None
    """1: foreground; K: with the background"""
    nested: Annotated[
        Literal["true", "false"] | None,
        arg(metavar="{true,false}", help_behavior_hint="(default: what the labels say)"),
    ] = None
    """class k lies inside class k-1"""
    objects: Flag = False
    """every value but 0 is the number of an object of one class"""
    plugin: Plugin = None
    """module or file with code of your own, which is imported first"""
    images: LabelledImageOptions = field(default_factory=LabelledImageOptions)

    def execute(self) -> int:
        """Convert, and print what became of what; the status is 1 where an image could not be converted."""
        check_folder(self.data)
        from cenet.datasets.convert import convert_dataset

        conversion = convert_dataset(
            self.data,
            self.output,
            task=self.task,
            target=self.to,
            num_classes=self.num_classes,
            nested=None if self.nested is None else self.nested == "true",
            ignore_value=self.images.ignore_value,
            objects=self.objects,
            group_pattern=self.images.group_pattern,
        )
        print_conversion(conversion)
        return int(bool(conversion.failures))


def summarise_notes(notes: Sequence["Note"]) -> list[str]:
    """Return each note in a line; of many with the same cause the first names.

    Args:
        notes: The notes.
    """
    subjects: dict[tuple[str, str], list[str]] = {}
    for note in notes:
        subjects.setdefault((note.cause, note.remedy), []).append(note.subject)
    lines = []
    for (cause, remedy), names in subjects.items():
        if len(names) > MAX_SEPARATE:
            shown = ", ".join(names[:MAX_SEPARATE])
            lines.append(f"{len(names)} files: {cause}; {remedy} ({shown}, ...)")
        else:
            lines += [f"{name}: {cause}; {remedy}" for name in names]
    return lines


def print_conversion(conversion: "Conversion") -> None:
    """Print the layout, the classes with their values, the split, and what was left out."""
    evidence = f" ({conversion.evidence})" if conversion.evidence else ""
    print_line(f"layout: {conversion.layout}{evidence}")
    print_line(f"labels: {conversion.source_labels}")
    for text in summarise_notes(conversion.notes):
        print_line(f"note: {text}")
    for failure in conversion.failures:
        print_line(f"not converted: {failure}")
    if conversion.written_labels:
        values = ", ".join(f"{value} -> {name}" for value, name in conversion.written_labels.items())
        print_line(f"written as: {values}")
    if conversion.parts:
        parts = ", ".join(f"{count} {part}" for part, count in conversion.parts.items())
        print_line(f"split: {parts}, as the source has it")
    else:
        print_line("split: the source has none")
    print_line(
        f"converted: {format_count(conversion.images, 'image')}, {conversion.masks} with a label: {conversion.output}"
    )
    print_line(f"next: cenet doctor {conversion.output}")
