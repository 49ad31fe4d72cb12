"""How this process uses threads and memory, set before PyTorch is loaded."""

import ctypes
import os
import platform
import sys

from cenet.errors import CenetError

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of glibc's malloc.h


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


def reuse_freed_memory() -> None:
    """Let a training step use the memory of the step before, in large pages, instead of asking the system again.

    By default glibc gives each large array back when it is freed, and the next step waits while the system clears the
    pages that it hands out anew (results/memory_reuse.json). Other C libraries are left as they are.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch then asks for large pages
    if platform.libc_ver()[0] == "glibc":
        set_option = ctypes.CDLL(None).mallopt
        set_option(M_MMAP_MAX, 0)
        set_option(M_TRIM_THRESHOLD, -1)
