"""How fast the networks are in every engine, beside what users would otherwise run: a file in results/engines, a table.

    python benchmarks/engines.py                          every part, some twenty minutes of one core
    python benchmarks/engines.py --only latency training  these parts; the others stay in the file as they were

On one thread the seconds are those that the processor computed, so that other programs hardly count. Each class of
machine has a file of its own.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results" / "engines"
FILES = {"AMX": "amx.json", "VNNI": "vnni.json", "neither AMX nor VNNI": "neither.json"}  # by class of machine


def list_parts() -> dict[str, Callable[[], Any]]:
    """What measures each part, by its name."""
    import speed_compute as compute
    import speed_use as use

    def measure_latency(shape: tuple[int, int], batch: int, rounds: int) -> Any:
        if shape == compute.DRIVE:  # they would take minutes and, of a batch, all memory
            return compute.measure_latency(shape, batch=batch, rounds=rounds, without=compute.SLOW)
        return compute.measure_latency(shape, batch=batch, rounds=rounds, once=compute.SLOW)

    return {
        "peaks": compute.measure_peaks,
        "latency": lambda: measure_latency(compute.SQUARE, 1, 3),
        "latency-batch": lambda: measure_latency(compute.SQUARE, 8, 1),
        "latency-drive": lambda: measure_latency(compute.DRIVE, 1, 1),
        "latency-drive-batch": lambda: use.measure_large_batch(8),  # some 8 GB
        "views": lambda: compute.measure_views(rounds=1),
        "training": lambda: compute.measure_training(batch=2, rounds=1),
        "memory": use.measure_memory,
        "first-mask": lambda: use.measure_first_mask(rounds=2),
        "folder": use.measure_folder,
    }


PARTS = (
    *("peaks", "latency", "latency-batch", "latency-drive", "latency-drive-batch", "views", "training", "memory"),
    *("first-mask", "folder"),
)


def measure_part(name: str) -> None:
    """Measure a part in this process, write it into the result, and print it."""
    from speed_networks import describe_machine, list_versions
    from speed_tables import format_part

    machine = describe_machine()
    rows = list_parts()[name]()
    result = RESULTS / FILES[machine["class"]]
    content: dict[str, Any] = json.loads(result.read_text(encoding="utf-8")) if result.exists() else {"parts": {}}
    content["command"] = "python benchmarks/engines.py"
    content["parts"][name] = {"machine": machine, "versions": list_versions(), "rows": rows}
    result.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(format_part(content, name), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="measure these parts")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)  # before any engine is loaded
    if len(options.only) == 1:
        measure_part(options.only[0])
        return
    for name in options.only:  # a process for each, which gives its memory back
        subprocess.run([sys.executable, __file__, "--only", name, "--threads", str(options.threads)], check=True)


if __name__ == "__main__":
    main()
