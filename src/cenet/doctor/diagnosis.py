"""What an examination finds, as typed values; `cenet.doctor.format` makes text of them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cenet.errors import CenetError

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One problem: an error stops training or spoils its score, a warning may be intended, a note is for information.

    Args:
        severity: Error, warning or note.
        subject: The file, folder or option that it is about.
        cause: What is wrong with it.
        remedy: What the user can do.
    """

    severity: Severity
    subject: str
    cause: str
    remedy: str


@dataclass(frozen=True)
class ClassShare:
    """How often a class occurs.

    Args:
        name: The class.
        share: Its share of the pixels that count, from 0 to 1; a nested class is part of the one before.
        images: In how many images it occurs.
    """

    name: str
    share: float
    images: int


@dataclass(frozen=True)
class Diagnosis:
    """What `examine` finds in a data set.

    Args:
        data: The folder's name.
        task: The layout as which it was read.
        layout: How its files were recognised to be laid out, and by what; None where the task says it.
        findings: All problems, the errors first, then the warnings.
        images: How many images the set has.
        readable: How many of them can be read.
        labelled: How many have a label.
        groups: How many groups they form; None where the layout could not be read.
        grouping: How the group of an image is determined.
        sizes: How many images have each size, "width x height" in pixels.
        value_types: How many images have each number of channels and data type.
        label_encoding: What the values in the labels mean; None where they cannot be interpreted.
        classes: How often each foreground class occurs.
        region_share: The share of the pixels inside the regions, from 0 to 1; None without regions.
        unannotated_columns: In how many columns of the images no boundary is annotated.
        output: Where the report was written.
    """

    data: str
    task: str
    findings: tuple[Finding, ...] = ()
    layout: str | None = None
    images: int = 0
    readable: int = 0
    labelled: int = 0
    groups: int | None = None
    grouping: str = ""
    sizes: Mapping[str, int] = field(default_factory=dict)
    value_types: Mapping[str, int] = field(default_factory=dict)
    label_encoding: str | None = None
    classes: tuple[ClassShare, ...] = ()
    region_share: float | None = None
    unannotated_columns: int = 0
    output: Path | None = None

    @property
    def errors(self) -> int:
        """How many findings are errors.

        >>> Diagnosis("eyes", "folder", (Finding("error", "a.png", "the file is empty", "copy it again"),)).errors
        1
        """
        return sum(finding.severity == "error" for finding in self.findings)

    @property
    def warnings(self) -> int:
        """How many findings are warnings."""
        return sum(finding.severity == "warning" for finding in self.findings)


@contextmanager
def collect_findings(findings: list[Finding]) -> Iterator[None]:
    """Turn an error that the user can fix into a finding.

    Args:
        findings: The list that the finding is appended to.

    >>> findings = []
    >>> with collect_findings(findings):
    ...     raise CenetError("eye.png", "the file is empty", "copy it again")
    >>> findings
    [Finding(severity='error', subject='eye.png', cause='the file is empty', remedy='copy it again')]
    """
    try:
        yield
    except CenetError as error:
        findings.append(Finding("error", error.subject, error.cause, error.remedy))
    except OSError as error:
        remedy = "check that it exists and may be read"
        findings.append(Finding("error", str(error.filename), str(error.strerror), remedy))
