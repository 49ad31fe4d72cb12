"""Processor seconds and memory of a command and of all processes below it, as Linux counts them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

TICKS_A_SECOND, KIB_OF_A_MIB = os.sysconf("SC_CLK_TCK"), 1024


@dataclass
class Usage:
    """What a process used so far."""

    seconds: float
    peak_mib: float
    is_worker: bool


def watch(command: list[str]) -> dict[str, float]:
    """Run a command of Python, and add up what it and the processes below it use.

    Raises:
        subprocess.CalledProcessError: It failed.
    """
    used: dict[tuple[int, str], Usage] = {}
    begun = time.monotonic()
    with subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL) as process:
        family = {process.pid}
        while process.poll() is None:
            for number, started, usage in list_processes(family):
                earlier = used.get((number, started), usage)
                is_worker = usage.is_worker or earlier.is_worker
                used[number, started] = Usage(usage.seconds, max(usage.peak_mib, earlier.peak_mib), is_worker)
            time.sleep(0.1)
        wall = time.monotonic() - begun
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
    driver = next(usage for (number, _), usage in used.items() if number == process.pid)
    workers = [usage for usage in used.values() if usage.is_worker]
    total = sum(usage.seconds for usage in used.values())
    of_workers = sum(usage.seconds for usage in workers)
    return {
        "processor_seconds": round(total, 2),
        "driver_seconds": round(driver.seconds, 2),
        "workers_seconds": round(of_workers, 2),
        "ray_seconds": round(total - driver.seconds - of_workers, 2),
        "wall_seconds": round(wall, 1),
        "driver_peak_mib": round(driver.peak_mib),
        "worker_peak_mib": round(max((usage.peak_mib for usage in workers), default=0)),
    }


def list_processes(family: set[int]) -> Iterator[tuple[int, str, Usage]]:
    """The living processes of a family, with their numbers and starts; the family grows by their children."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            status = (folder / "status").read_text()
            found[int(folder.name)] = (fields, status, b"MapWorker" in (folder / "cmdline").read_bytes())
        except OSError:  # it has ended
            continue
    while children := {number for number, (fields, *_) in found.items() if int(fields[1]) in family} - family:
        family |= children
    for number in family & set(found):
        fields, status, is_worker = found[number]
        peak = next((int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")), 0)
        seconds = (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
        yield number, fields[19], Usage(seconds, peak / KIB_OF_A_MIB, is_worker)
