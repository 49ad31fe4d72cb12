"""How the processor's threads wait for each other, set before PyTorch is loaded."""

import os
import sys

from cenet.errors import CenetError


def set_thread_policy(threads: int | None) -> None:
    """Set the number of threads, and let waiting threads sleep.

    A thread that spins while it waits takes the processor from the thread it waits for, where another program is busy.
    What the environment says already is kept.

    Args:
        threads: How many; None means one for each core.

    Raises:
        CenetError: It is no number of threads.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if threads is None:
        return
    if threads < 1:
        raise CenetError(f"--threads {threads}", "is no number of threads", "give 1 or more")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    if "torch" in sys.modules:  # the environment is read when it is loaded
        sys.modules["torch"].set_num_threads(threads)
