"""What is mistyped is refused within a second: none of these commands loads PyTorch."""

import subprocess
import sys

COMMANDS = """\
evaluate runs/nowhere
evaluate runs/empty
evaluate copy --data nowhere
evaluate copy --data other
evaluate copy --task fundus
evaluate copy --protocol authors
evaluate copy --output other
compare copy
compare copy runs/nowhere
compare copy runs/empty --split all
compare copy copy --output other
report runs/nowhere
report copy
report copy --output note.txt
predict runs/nowhere eye.png --output masks
predict copy nowhere.png --output masks
predict runs/empty data/images/eye-0.png --output masks
train folder --data nowhere
train folder --data other
train folder --data data --output other
train folder --data data --init-from nowhere
train --resume runs/empty
cross-validate folder --data other
cross-validate folder --data data --output other
cross-validate folder --data data --folds 3 --fold 3
cross-validate folder --data data --init-from nowhere
cross-validate folder --data data --seeds 0
cross-validate folder --data data --protocol authors
ablate folder --data other
ablate folder --data data --output other
ablate folder --data data --variants nix
ablate folder --data data --fold 9
ablate folder --data data --dac none
"""
CODE = """\
import sys
from cenet.cli.main import main
for command in sys.stdin.read().splitlines():
    assert main(command.split()) == 1, command
    assert "torch" not in sys.modules, command
"""


def test_refusals_need_no_torch(run_copy, draw, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "other").mkdir()
    for name in ("compare.json", "report.json", "note.txt"):
        (tmp_path / "other" / name).write_text("mine")
    draw(tmp_path / "data", shape=(16, 16))
    (tmp_path / "note.txt").write_text("mine")
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, input=COMMANDS, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    refusals = done.stderr.splitlines()
    assert len(refusals) == len(COMMANDS.splitlines())
    assert all(line.startswith("cenet: ") for line in refusals)
