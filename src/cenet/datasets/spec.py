"""What a kind of data set is: `DatasetSpec`."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cenet.data.labels.encoding import LabelEncoding
from cenet.data.sample import Sample
from cenet.datasets.contents import DatasetContents
from cenet.measurements.measure import Kind


@dataclass(frozen=True)
class ContentsReader:
    """A reader of samples that can also say how they are laid out and what was left out.

    Args:
        read_contents: Takes the folder, and a pattern for groups.
    """

    read_contents: Callable[..., DatasetContents]

    def __call__(self, folder: Path, *, group_pattern: str | None = None) -> list[Sample]:
        """Return the samples alone."""
        return self.read_contents(folder, group_pattern=group_pattern).samples


@dataclass(frozen=True)
class DatasetSpec:
    """A kind of data set: its layout in words, and its reader.

    Args:
        title: What it is.
        source: Where to get it, and on what terms.
        layout: The expected files, as a tree.
        grouping: What makes a group, where no --group-pattern is given.
        classes: What the foreground classes are called, where the data set says it.
        read: The reader; takes the folder, and a pattern for groups where the layout does not say them.
        labels: What its label files mean, where their documentation fixes it, or a function of the samples that finds
            it out (and may return None); else their values are recognised.
        task_metrics: What is measured beside the overlap of classes, see `cenet.evaluation.task_metrics`.
        measured_as: What `cenet measure` measures of a mask beside areas, see `cenet.measurements`.
        primary_metric: The metric by which runs are judged and compared first.
        published: What the paper reports for it, and how that is known.
        pattern_advice: What a --group-pattern should find; None where the data set fixes its groups.
    """

    title: str
    source: str
    layout: str
    grouping: str
    classes: tuple[str, ...]
    read: Callable[..., list[Sample]]
    labels: LabelEncoding | Callable[..., LabelEncoding | None] | None = None
    task_metrics: tuple[str, ...] = ()
    measured_as: Kind = "area"
    primary_metric: str = "dice"
    published: str = ""
    pattern_advice: str | None = None

    def describe_grouping(self, group_pattern: str | None = None) -> str:
        """What makes a group, in words.

        Args:
            group_pattern: The pattern that finds the group in an image's name, if one was given.
        """
        return f"by --group-pattern {group_pattern}" if group_pattern else self.grouping

    def describe_grouping_rule(self) -> str:
        """What makes a group with and without --group-pattern, in words."""
        if self.pattern_advice is None:
            return self.grouping
        return f"{self.grouping}; with --group-pattern REGEX what it finds in the name: {self.pattern_advice}"
