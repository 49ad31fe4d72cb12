"""How many small faults the tests notice: mutants of metrics, statistics, splits and preprocessing, by Cosmic Ray.

A mutant is a module with one operator, number or keyword changed. Each module's own tests run on it, its doctests among
them; a mutant that they let pass has survived. Mutants are drawn at random, the modules in turn, until the time is up.
The table goes to results/mutation.json, with every survivor, to be read for what the tests miss: some survivors are
equivalent to the original, as where `<` becomes `<=` for values that are never equal.
"""

import argparse
import json
import logging
import os
import random
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "results" / "mutation.json"
MODULES = {  # module: its own tests
    **{
        f"metrics/{name}": f"metrics/test_{name}.py"
        for name in (
            "binned",
            "calibration",
            "condensed",
            "layer_boundaries",
            "overlap",
            "partition",
            "ranking",
            "shape",
            "surface_distance",
        )
    },
    "evaluation/intervals": "evaluation/test_intervals.py",
    "evaluation/significance": "evaluation/test_significance.py",
    "data/splits": "data/test_splits.py",
    "data/preprocessing": "data/test_preprocessing.py",
}
IGNORED = (".*", "__pycache__", "runs", "dist", "build", "site")  # not needed by the tests
IN_ANNOTATIONS = "_BitOr_"  # operators of `float | None`: no test can or need notice them
TIMEOUT_S = 120  # a mutant that runs on without end is noticed, too
SEED = 0


def draw_mutants(source: Path, *, seed: int = SEED) -> list[MutationSpec]:
    """All mutants of a module, in random order."""
    with tempfile.TemporaryDirectory() as folder, use_db(str(Path(folder) / "mutants.sqlite")) as database:
        init([source], database, {})
        mutants = [mutant for item in database.work_items for mutant in item.mutations]
    mutants = [mutant for mutant in mutants if IN_ANNOTATIONS not in mutant.operator_name]
    mutants.sort(key=lambda mutant: (mutant.operator_name, mutant.occurrence))
    random.Random(seed).shuffle(mutants)
    return mutants


def run_mutant(mutant: MutationSpec, tests: list[str]) -> dict[str, Any] | None:
    """Run the tests on a mutant; what it is and whether it survived, or None where it is no mutant at all."""
    command = shlex.join([sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests])
    result = mutate_and_test([mutant], command, TIMEOUT_S)
    if result.test_outcome is None or not result.diff:
        return None
    lines = [line for line in result.diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    return {
        "line": mutant.start_pos[0],
        "before": next((line[1:].strip() for line in lines if line[0] == "-"), ""),
        "after": next((line[1:].strip() for line in lines if line[0] == "+"), ""),
        "survived": result.test_outcome == TestOutcome.SURVIVED,
    }


def measure(minutes: float) -> list[dict[str, Any]]:
    """Run mutants of each module in turn, in a copy of the repository, until the time is up."""
    end = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(ROOT, Path(folder) / "cenet", ignore=shutil.ignore_patterns(*IGNORED)))
        os.chdir(copy)
        os.environ["PYTHONPATH"] = str(copy / "src")
        sources = {module: Path("src/cenet") / f"{module}.py" for module in MODULES}
        drawn = {module: draw_mutants(source) for module, source in sources.items()}
        rows = {module: {"module": module, "mutants": len(drawn[module]), "tried": []} for module in MODULES}
        for round_number in range(max(map(len, drawn.values()))):
            for module, mutants in drawn.items():
                if round_number < len(mutants) and time.monotonic() < end:
                    tests = [f"tests/{MODULES[module]}", str(sources[module])]
                    if tried := run_mutant(mutants[round_number], tests):
                        rows[module]["tried"].append(tried)
        os.chdir(ROOT)
    return [summarise(row) for row in rows.values()]


def summarise(row: dict[str, Any]) -> dict[str, Any]:
    """A module's counts and survivors."""
    survivors = [
        {key: fault[key] for key in ("line", "before", "after")} for fault in row["tried"] if fault["survived"]
    ]
    tried = len(row["tried"])
    return {
        "module": row["module"],
        "mutants": row["mutants"],
        "tried": tried,
        "noticed": tried - len(survivors),
        "survivors": survivors,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="how long to go on (default: 60)")
    minutes = parser.parse_args().minutes
    logging.disable()  # Cosmic Ray's remarks on every mutant
    rows = measure(minutes)
    tried, noticed = (sum(row[key] for row in rows) for key in ("tried", "noticed"))
    report = {
        "command": f"python benchmarks/mutation.py --minutes {minutes:g}",
        "seed": SEED,
        "tried": tried,
        "noticed": noticed,
        "modules": rows,
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for row in rows:
        print(f"{row['module']:30} {row['noticed']:4} of {row['tried']:4} noticed, of {row['mutants']} mutants")
    print(f"{'all':30} {noticed:4} of {tried:4} noticed")


if __name__ == "__main__":
    main()
