"""How long the command line takes to answer, beside an empty Python: a table, and results/startup.json.

Seconds are those of the processor, so that other programs hardly count.
"""

import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path

RESULT = Path(__file__).parents[1] / "results" / "startup.json"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "cenet --help": ["-m", "cenet", "--help"],
    "cenet train --help": ["-m", "cenet", "train", "--help"],
    "cenet tasks": ["-m", "cenet", "tasks"],
    "a mistyped data folder": ["-m", "cenet", "train", "folder", "--data", "nowhere"],
    "a mistyped run": ["-m", "cenet", "evaluate", "nowhere"],
    "a mistyped image": ["-m", "cenet", "predict", "results", "nowhere.png", "--output", "masks"],
    "import cenet": ["-c", "import cenet"],
    "import torch": ["-c", "import torch"],
    "import what predicts an exported model": ["-c", "import cenet.inference.predict, cenet.inference.exported"],
}
REPEATS = 3


def seconds(arguments: list[str]) -> float:
    """The median processor time of a few runs, after one that fills the file cache."""
    times = []
    for _ in range(REPEATS + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *arguments], check=False, capture_output=True, cwd=RESULT.parents[1])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(times[1:])


def main() -> None:
    measured = {name: seconds(arguments) for name, arguments in COMMANDS.items()}
    empty = measured["python -c pass"]
    rows = {
        name: {"seconds": round(seconds, 3), "ratio": round(seconds / empty, 1)} for name, seconds in measured.items()
    }
    RESULT.write_text(
        json.dumps({"command": "python benchmarks/startup.py", "median_of": REPEATS, "rows": rows}, indent=1)
    )
    print("| command | seconds | times an empty Python |\n|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['seconds']:.3f} | {row['ratio']:.1f} |")


if __name__ == "__main__":
    main()
