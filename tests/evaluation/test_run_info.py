"""What a report says of a run: what the run's own files say, and which of them is corrupted."""

import json

import pytest

from cenet.errors import CenetError
from cenet.evaluation.run_info import describe_run
from cenet.inference.run import Run


def test_a_report_says_what_the_files_of_the_run_say(run):
    info, facts = describe_run(Run(run), run / "scores"), Run(run).facts
    assert (info.epoch, info.thresholds, info.command) == (facts.epoch, facts.thresholds, facts.command)
    assert (info.steps, info.folder) == (4, "..")
    assert info.settings["epochs"] == len(info.curve) == 2
    assert info.split == {part: len(names) for part, names in Run(run).split.parts.items()}
    assert info.environment == json.loads((run / "environment.json").read_text())


def test_a_threshold_that_nothing_chose_is_a_half(official_run, classes_run):
    assert describe_run(Run(official_run), official_run).thresholds == (0.5,)
    assert describe_run(Run(classes_run), classes_run).thresholds == ()  # the largest probability decides


@pytest.mark.parametrize("name", ["curve.csv", "environment.json"])
def test_a_corrupted_file_is_named(run_copy, name):
    (run_copy / name).write_text("epoch,step\n0")
    with pytest.raises(CenetError) as error:
        describe_run(Run(run_copy), run_copy)
    assert (error.value.subject, error.value.remedy) == (str(run_copy / name), "copy the run folder again")
