"""Read mutated images in processes with limits: `python tests/fuzz/fuzz_images.py --mutants 50000`, or `make fuzz`.

Each mutant must end as an array or as a `CenetError`, within 10 s and 1 GiB, and print nothing. The command writes
results/fuzz.json, from which the table of SECURITY.md is rendered. A number makes the same mutant everywhere.
"""

import argparse
import json
import platform
import resource
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import PIL

sys.path.append(str(Path(__file__).parents[1]))

from hostile_images import list_hostile_images, list_largest_images
from image_seeds import draw_seeds
from mutate import make_mutant

MAX_SECONDS = 10  # of the processor, so that a busy machine changes nothing
MAX_WAIT_SECONDS = 120
MAX_MIB = 1024
ROOT = Path(__file__).parents[2]
RESULT = ROOT / "results" / "fuzz.json"
COMMAND = "python tests/fuzz/fuzz_images.py"


@dataclass
class Outcomes:
    """What became of the mutants of a format.

    Args:
        read: How many were read as an array.
        refused: How many were refused with a `CenetError`.
        faults: Every other outcome, with the number of its mutant.
        slowest_s: What the slowest took, in seconds.
        peak_mib: By how much the largest raised the peak of memory, in MiB.
    """

    read: int = 0
    refused: int = 0
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    peak_mib: float = 0.0

    @property
    def tried(self) -> int:
        return self.read + self.refused + len(self.faults)


def fuzz(kind, first, last):
    """The outcomes of a range of files of a kind of `make_file`: of mutants by format, of others by name.

    A process that dies is started again behind the file that ended it.
    """
    outcomes = {}
    while first < last:
        with tempfile.TemporaryDirectory() as folder:
            log = Path(folder, "log")
            command = [sys.executable, __file__, "--worker", folder, kind, str(first), str(last)]
            process = subprocess.run(command, capture_output=True, text=True, check=False)
            lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
        if not lines:
            raise RuntimeError(f"no file was read: {process.stderr}")
        if len(lines) % 2:
            lines.append(describe_death(process))
        for started, ended in zip(lines[::2], lines[1::2], strict=True):
            name = started["name"].split()[0].removeprefix("Big") if kind == "mutants" else started["name"]
            record(outcomes.setdefault(name, Outcomes()), started["number"], ended)
        first = lines[-2]["number"] + 1
        printed = (process.stdout + process.stderr).strip()
        if printed:
            outcomes[name].faults.append(f"number {first - 1} or one before it printed {printed[-200:]!r}")
    return dict(sorted(outcomes.items()))


def describe_death(process):
    """What is recorded of a file that ended the process which read it."""
    if process.returncode in (-signal.SIGPROF, -signal.SIGALRM):
        return {"outcome": f"over {MAX_SECONDS} s", "seconds": MAX_SECONDS, "mib": 0}
    return {"outcome": f"the process ended with {process.returncode}", "seconds": 0, "mib": 0}


def record(of_format, number, ended):
    outcome = ended["outcome"]
    if outcome in ("read", "refused"):
        setattr(of_format, outcome, getattr(of_format, outcome) + 1)
    else:
        of_format.faults.append(f"number {number}: {outcome}")
    of_format.slowest_s = max(of_format.slowest_s, ended["seconds"])
    of_format.peak_mib = max(of_format.peak_mib, ended["mib"])


# --- within the process that reads -----------------------------------------------------------------------------


def make_file(kind, seeds, number):
    """The name and the bytes of a file: the mutant of this number, or one of the hostile or the largest images."""
    if kind == "mutants":
        return make_mutant(seeds, number)
    images = list_hostile_images() if kind == "hostile" else list_largest_images()
    name = list(images)[number]
    return name, images[name]()


def work(folder, kind, first, last):
    """Read a range of files of a kind, and write a line before and after each."""
    seeds = draw_seeds()
    path = Path(folder, "image")
    for number, (name, content) in enumerate(seeds.items()):  # what is loaded once counts for no file
        path.write_bytes(content)
        try_to_read(path, name, number)
    resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
    with Path(folder, "log").open("w", encoding="utf-8", buffering=1) as log:
        for number in range(first, last):
            name, content = make_file(kind, seeds, number)
            path.write_bytes(content)
            print(json.dumps({"number": number, "name": name}), file=log)
            reset_peak()
            before, start = peak_mib(), time.process_time()
            signal.setitimer(signal.ITIMER_PROF, MAX_SECONDS)  # it ends the process, also within a decoder in C
            signal.alarm(MAX_WAIT_SECONDS)
            outcome = try_to_read(path, name, number)
            signal.alarm(0)
            signal.setitimer(signal.ITIMER_PROF, 0)
            seconds, grown = time.process_time() - start, peak_mib() - before
            if grown > MAX_MIB:
                outcome = f"{grown:.0f} MiB"
            print(json.dumps({"outcome": outcome, "seconds": round(seconds, 3), "mib": round(grown)}), file=log)


def try_to_read(path, name, number):
    """Read a file as an image, or with every second number as a label: `read`, `refused`, or what else happened."""
    from cenet.data.io.read import page_count, read_image, read_label, read_rows
    from cenet.errors import CenetError

    try:
        if name.startswith("NPY"):
            read_rows(path)
        else:
            page_count(path)
            (read_label if number % 2 else read_image)(path, page=0)
    except CenetError as error:
        if isinstance(error.__cause__, MemoryError):
            return "over 8 GiB"
        return "refused" if "\n" not in str(error) else f"several lines: {error}"
    except BaseException as error:  # whatever it is, it is a fault
        return f"{type(error).__name__}: {error}"[:300]
    return "read"


def reset_peak():
    """Let the peak of memory count from now on; only Linux can."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def peak_mib():
    """The peak of memory that this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text(encoding="ascii").splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2 ** (20 if sys.platform == "darwin" else 10)


# --- the command -----------------------------------------------------------------------------------------------


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mutants", type=int, default=50_000)
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        folder, kind, first, last = options.worker
        work(folder, kind, int(first), int(last))
        return
    hostile = fuzz("hostile", 0, len(list_hostile_images()))
    largest = fuzz("largest", 0, len(list_largest_images()))
    mutants = fuzz("mutants", 0, options.mutants)
    content = {
        "command": f"{COMMAND} --mutants {options.mutants}",
        "limits": {"seconds": MAX_SECONDS, "mib": MAX_MIB},
        "environment": {"python": platform.python_version(), "pillow": PIL.__version__, "numpy": np.__version__},
        "hostile images": {name: asdict(outcomes) for name, outcomes in hostile.items()},
        "largest images": {name: asdict(outcomes) for name, outcomes in largest.items()},
        "mutated images": {name: asdict(outcomes) for name, outcomes in mutants.items()},
    }
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    for name, outcomes in (hostile | largest | mutants).items():
        print(f"{name:50} {outcomes.read:6} read {outcomes.refused:6} refused {len(outcomes.faults):4} faults")
        print("".join(f"  {fault}\n" for fault in outcomes.faults[:20]), end="")
    sys.exit(any(outcomes.faults for outcomes in (hostile | largest | mutants).values()))


if __name__ == "__main__":
    main()
