"""Findings: what an error that the user can fix becomes."""

import pytest

from cenet.doctor.diagnosis import Finding, collect_findings
from cenet.errors import CenetError


@pytest.mark.parametrize(
    ("error", "finding"),
    [
        (CenetError("a", "b/c.png: it is odd", "fix it"), Finding("error", "a", "b/c.png: it is odd", "fix it")),
        (CenetError("c.png", "odd; very", "fix it"), Finding("error", "c.png", "odd; very", "fix it")),
        (
            PermissionError(13, "Permission denied", "images"),
            Finding("error", "images", "Permission denied", "check that it exists and may be read"),
        ),
    ],
)
def test_a_refusal_becomes_a_finding(error, finding):
    findings = []
    with collect_findings(findings):
        raise error
    assert findings == [finding]


def test_a_mistake_of_the_program_is_no_finding():
    with pytest.raises(ZeroDivisionError), collect_findings([]):
        raise ZeroDivisionError
