"""The clock of the speed benchmarks, and measurements in turns, so that noise meets all of what is compared."""

import statistics
import time
from collections.abc import Callable, Hashable, Sequence
from typing import TypeVar

import torch

Name = TypeVar("Name", bound=Hashable)


def read_clock() -> float:
    """Seconds that this process computed on one thread, whatever else runs; of several threads those of the wall."""
    return time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()


def measure_in_turns(
    actions: dict[Name, Callable[[], object]],
    *,
    rounds: int,
    once: Sequence[Name] = (),
    clock: Callable[[], float] = read_clock,
) -> dict[Name, float]:
    """The median seconds of each action, after one round that warms up; of no round that of warming up.

    Args:
        actions: By name.
        rounds: How often each is measured.
        once: Those that are measured a single time, without warming up.
        clock: Seconds.
    """
    times: dict[Name, list[float]] = {name: [] for name in actions}
    for number in range(rounds + 1):
        for name, action in actions.items():
            if name in once and number:
                continue
            began = clock()
            action()
            times[name].append(clock() - began)
    return {name: statistics.median(seconds[1:] or seconds) for name, seconds in times.items()}
