"""`python -m cenet`."""

import subprocess
import sys


def test_the_module_is_the_command():
    done = subprocess.run([sys.executable, "-m", "cenet", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("cenet ")
    assert "not a medical device" in done.stdout


def test_its_exit_status_is_that_of_the_verb():
    done = subprocess.run(
        [sys.executable, "-m", "cenet", "evaluate", "nowhere"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("cenet: nowhere:")
