"""Memory that is freed stays with the process, and threads are as many as were asked for."""

import os
import platform
import subprocess
import sys

import pytest
import torch

from cenet.cli.process_settings import set_thread_policy

FAULTS = """
import ctypes, resource
from cenet.cli.process_settings import reuse_freed_memory
reuse_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
faults = []
for _ in range(3):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    memory = libc.malloc(100 << 20)
    ctypes.memset(memory, 1, 100 << 20)
    libc.free(memory)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(min(faults[1:]))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only Linux with glibc has this setting")
def test_freed_memory_is_used_again():
    done = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100  # of 25,600 pages


def test_threads_are_those_of_the_process_and_what_the_environment_says_is_kept(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    set_thread_policy(None)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"]) == ("5", "active")
    monkeypatch.delenv("OMP_WAIT_POLICY")
    before = torch.get_num_threads()
    try:
        set_thread_policy(before + 1)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"]) == (str(before + 1), "passive")


@pytest.mark.parametrize("threads", [0, -1])
def test_no_threads_are_no_number(cenet, run, threads, capsys):
    assert cenet("predict", run, "eye.png", "--output", "out", "--threads", threads) == 1
    assert capsys.readouterr().err.startswith(f"cenet: --threads {threads}: ")
