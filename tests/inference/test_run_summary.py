"""What a report says of a run: what the run's own files say, and which of them is torn."""

import json

import pytest

from cenet.errors import CenetError
from cenet.inference.run import Run
from cenet.inference.run_summary import summarise_run


def test_a_summary_says_what_the_files_of_the_run_say(run):
    told, facts = summarise_run(Run(run)), Run(run).facts
    assert (told["epoch"], told["thresholds"], told["command"]) == (facts.epoch, list(facts.thresholds), facts.command)
    assert told["steps"] == 4
    assert told["settings"]["epochs"] == len(told["curve"]) == 2
    assert told["split"] == {part: len(names) for part, names in Run(run).split.parts.items()}
    assert told["environment"] == json.loads((run / "environment.json").read_text())


@pytest.mark.parametrize("name", ["curve.csv", "environment.json"])
def test_a_torn_file_is_named(run_copy, name):
    (run_copy / name).write_text("epoch,step\n0")
    with pytest.raises(CenetError, match=f"^{run_copy / name}: is not what cenet writes; copy the run folder again$"):
        summarise_run(Run(run_copy))
