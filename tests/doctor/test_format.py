"""A diagnosis as text: what is alike is summed up, and nothing in a name breaks the text."""

import json

import pytest

from cenet.doctor.diagnosis import ClassShare, Diagnosis, Finding
from cenet.doctor.format import (
    MAX_LISTED,
    MAX_SEPARATE,
    describe_data,
    diagnosis_content,
    format_diagnosis,
    format_markdown,
    summarise,
)


def findings(count, *, cause="it is empty"):
    return tuple(Finding("warning", f"masks/{index}.png", cause.format(index), "check it") for index in range(count))


def diagnose(*findings):
    return Diagnosis("eyes", "folder", findings, images=9, readable=9, labelled=9)


@pytest.mark.parametrize("count", [1, MAX_SEPARATE, MAX_SEPARATE + 1, 50])
def test_many_findings_with_one_cause_become_one_line(count):
    lines = [line for line in format_diagnosis(diagnose(*findings(count))).splitlines() if line.startswith("warning")]
    assert len(lines) == (count if count <= MAX_SEPARATE else 1)
    assert count <= MAX_SEPARATE or f"{count} files" in lines[0]


def test_of_findings_with_one_remedy_only_so_many_are_listed():
    text = format_diagnosis(diagnose(*findings(MAX_LISTED + 3, cause="it is like {}.png")))
    assert sum(line.startswith("warning") for line in text.splitlines()) == MAX_LISTED + 1
    assert "and 3 more" in text


def test_the_summary_depends_on_the_errors():
    error = Finding("error", "a.png", "it is empty", "copy it again")
    assert summarise(diagnose(error, *findings(2))) == "1 error, 2 warnings: fix the errors before training"
    assert summarise(diagnose()) == "no errors, no warnings: this can be trained on"


def test_what_the_data_have_is_described():
    described = dict(
        describe_data(
            Diagnosis(
                "eyes",
                "folder",
                images=9,
                readable=9,
                labelled=8,
                groups=3,
                grouping="by name",
                sizes={f"{width} x 9": 1 for width in range(6)},
                value_types={"1 channel of uint8": 9},
                label_encoding="0 -> background, 255 -> vessel",
                classes=(ClassShare("vessel", 0.125, 1),),
                region_share=0.7,
                unannotated_columns=4,
            )
        )
    )
    assert described["groups"] == "3: by name"
    assert described["sizes"].endswith("and 2 others")
    assert described["values"] == "1 channel of uint8"
    assert described["class"] == "vessel: 12.500% of the pixels inside the regions, in 1 image"
    assert described["regions"].startswith("70.0%")
    assert described["columns"].startswith("4 ")


def test_names_neither_control_the_terminal_nor_break_the_table():
    finding = Finding("error", "a|b\x1b[2J\n<b>.png", "it is empty", "copy it again")
    assert "\x1b" not in format_diagnosis(diagnose(finding))
    (row,) = [line for line in format_markdown(diagnose(finding)).splitlines() if line.startswith("| error")]
    assert row.replace("\\|", "").count("|") == 5


def test_the_content_of_the_file_is_json_and_holds_every_finding():
    content = json.loads(json.dumps(diagnosis_content(diagnose(*findings(30)))))
    assert len(content["findings"]) == 30
    assert content["format"] == 3


def test_there_is_one_blank_line_before_the_table_also_where_nothing_could_be_read():
    assert "\n\n\n" not in format_markdown(Diagnosis("eyes", "folder", findings(1)))
