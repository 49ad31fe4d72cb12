"""What a folder of a data set holds: its samples, how it is laid out, and what was left out of it."""

from dataclasses import dataclass

from cenet.data.sample import Sample

VOLUMES = "the slices of a volume, and the DICOM files of a patient, are a group"


@dataclass(frozen=True)
class Note:
    """Something that a user should know of a folder, and that does not prevent its use.

    Args:
        subject: The file or folder that it is about.
        cause: What is remarkable.
        remedy: What the user can do.

    >>> str(Note("masks/c.png", "there is no image for it", "add the image, or remove the file"))
    'masks/c.png: there is no image for it; add the image, or remove the file'
    """

    subject: str
    cause: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.cause}; {self.remedy}"


@dataclass(frozen=True)
class DatasetContents:
    """The samples of a folder, and how they were found.

    Args:
        samples: All of them, in the natural order of their names.
        notes: What was left out, and what was decided.
        layout: The name of the layout; empty where a task has only one.
        evidence: What of the files showed it.
        grouping: What makes a group, where the files say it; empty where the task does.
    """

    samples: list[Sample]
    notes: tuple[Note, ...] = ()
    layout: str = ""
    evidence: str = ""
    grouping: str = ""

    def describe_grouping(self, usual: str, group_pattern: str | None) -> str:
        """What makes a group, in words.

        Args:
            usual: What the task says.
            group_pattern: The pattern that finds the group in an image's name, which takes precedence over the files.
        """
        if group_pattern is not None:
            return usual
        are_grouped = len({sample.group for sample in self.samples}) < len(self.samples)
        return self.grouping or (VOLUMES if self.layout and are_grouped else usual)
