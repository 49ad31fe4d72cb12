"""The choice of device, precision and workers, on machines that are made up."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from cenet.errors import CenetError
from cenet.inference.device import DeviceConfig, peak_memory_mib, reset_peak_memory, resolve_device, to_device_config


@pytest.fixture
def machine(monkeypatch):
    """Pretend to be a machine with this hardware."""

    def pretend(*, cuda=False, mps=False, cores=8, cuda_bf16=False, avx512_bf16=False, amx=False, amd=False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: cuda_bf16)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512_bf16)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
        monkeypatch.setattr("cenet.inference.device.is_amd_cpu", lambda: amd)
        monkeypatch.setattr(os, "cpu_count", lambda: cores)

    return pretend


@pytest.mark.parametrize(
    ("here", "device"),
    [({}, "cpu"), ({"mps": True}, "mps"), ({"cuda": True}, "cuda"), ({"cuda": True, "mps": True}, "cuda")],
    ids=["cpu", "mps", "cuda", "both"],
)
def test_auto_takes_the_fastest_device(machine, here, device):
    machine(**here)
    assert resolve_device().device == device


def test_the_processor_is_there_for_whoever_asks(machine):
    machine(cuda=True, mps=True)
    assert resolve_device(device="cpu").device == "cpu"


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_here_is_refused(machine, device):
    machine()
    with pytest.raises(CenetError, match=f"^--device {device}: .* has none .*; use --device cpu or auto$"):
        resolve_device(device=device)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_here_may_be_named(machine, device):
    machine(cuda=True, mps=True)
    assert resolve_device(device=device).device == device


@pytest.mark.parametrize(
    ("here", "precision"),
    [
        ({}, "32-true"),
        ({"avx512_bf16": True}, "32-true"),
        ({"avx512_bf16": True, "amd": True}, "bf16-mixed"),
        ({"amd": True}, "32-true"),
        ({"amx": True}, "bf16-mixed"),
        ({"avx512_bf16": True, "amx": True}, "bf16-mixed"),
        ({"cuda_bf16": True}, "32-true"),
        ({"mps": True, "amx": True}, "32-true"),
        ({"cuda": True, "amx": True}, "16-mixed"),
        ({"cuda": True, "cuda_bf16": True}, "bf16-mixed"),
    ],
    ids=str,
)
def test_bfloat16_is_chosen_only_where_it_is_faster(machine, here, precision):
    machine(**here)
    assert resolve_device().precision == precision


@pytest.mark.parametrize(
    ("here", "options", "reason"),
    [
        ({"amx": True}, {}, "precision: bf16-mixed, as this CPU has AMX"),
        ({"avx512_bf16": True}, {}, "precision: 32-true, as bfloat16 is slower on this CPU"),
        (
            {"avx512_bf16": True, "amd": True},
            {},
            "precision: bf16-mixed, as this CPU of AMD has AVX512-BF16",
        ),
        ({"amx": True}, {"precision": "32-true"}, "precision: 32-true, as requested"),
        ({"cuda": True, "cuda_bf16": True}, {}, "precision: bf16-mixed, as this GPU computes in bfloat16"),
        ({"cuda": True}, {}, "precision: 16-mixed, as this GPU does not compute in bfloat16"),
        ({"mps": True}, {}, "precision: 32-true, as mps computes in it"),
    ],
    ids=str,
)
def test_the_precision_comes_with_its_reason(machine, here, options, reason):
    machine(**here)
    assert resolve_device(**options).describe_precision() == reason


def test_emulated_bfloat16_is_not_asked_for(machine, monkeypatch):
    machine(cuda=True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert resolve_device().precision == "16-mixed"


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_a_precision_that_was_named_is_kept(machine, precision):
    machine(cuda=True, cuda_bf16=True)
    assert resolve_device(precision=precision).precision == precision
    if precision != "16-mixed":
        assert resolve_device(device="cpu", precision=precision).precision == precision


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_float16_is_refused_where_only_cuda_computes_so(machine, device):
    machine(mps=True)
    with pytest.raises(CenetError, match=f"^--precision 16-mixed: only cuda computes so, and this is {device}; "):
        resolve_device(device=device, precision="16-mixed")


@pytest.mark.parametrize(
    ("device", "chosen"), [("cpu", "channels-last"), ("cuda", "channels-last"), ("mps", "contiguous")]
)
def test_the_memory_format_follows_from_the_device_unless_it_was_named(machine, device, chosen):
    machine(cuda=True, mps=True)
    assert resolve_device(device=device).memory_format == chosen
    for named, of_torch in (("channels-last", torch.channels_last), ("contiguous", torch.contiguous_format)):
        config = resolve_device(device=device, memory_format=named)
        assert (config.memory_format, config.torch_memory_format) == (named, of_torch)


@pytest.mark.parametrize(
    ("cores", "beside_cpu", "beside_cuda"),
    [(None, 0, 0), (1, 0, 0), (2, 0, 1), (4, 1, 3), (8, 2, 7), (16, 4, 8), (64, 4, 8)],
)
def test_the_workers_follow_from_the_cores(machine, cores, beside_cpu, beside_cuda):
    machine(cuda=True, cores=cores)
    assert resolve_device(device="cpu").workers == beside_cpu
    assert resolve_device(device="cuda").workers == beside_cuda


@pytest.mark.parametrize("workers", [0, 3])
def test_workers_that_were_named_are_kept(machine, workers):
    machine(cores=64)
    assert resolve_device(workers=workers) == DeviceConfig("cpu", "32-true", workers)


def test_a_negative_number_of_workers_is_refused(machine):
    machine()
    with pytest.raises(CenetError, match=r"^--workers -1: cannot be negative; "):
        resolve_device(workers=-1)


def test_the_machine_at_hand_has_something_to_offer():
    machine = resolve_device()
    assert resolve_device(device=machine.device, precision=machine.precision, workers=machine.workers) == machine


# --- memory ------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux counts anew")
def test_the_peak_holds_what_was_freed_again_until_it_is_reset():
    held = np.ones(300 * 2**20, np.uint8)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    del held
    assert peak_memory_mib("cpu") > resident - 5  # the system counts in batches
    reset_peak_memory("cpu")
    assert 0 < peak_memory_mib("cpu") <= resident + 5  # how soon the system takes memory back is its own affair


def test_the_accelerators_memory_is_its_own(machine, monkeypatch):
    machine(cuda=True)
    reset = []
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: reset.append(True))
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 3 * 2**20)
    reset_peak_memory("cuda")
    assert reset == [True]
    assert peak_memory_mib("cuda") == 3


def test_where_the_system_does_not_say_there_is_no_peak(monkeypatch):
    assert peak_memory_mib("mps") is None
    monkeypatch.setattr(sys, "platform", "win32")
    reset_peak_memory("cpu")
    assert peak_memory_mib("cpu") is None


def test_a_linux_without_a_peak_reports_none(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "Name:\tpython\nVmRSS:\t  500 kB\n")
    assert peak_memory_mib("cpu") is None
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "Name:\tpython\nVmHWM:\t    2048 kB\nVmRSS:\t  500 kB\n")
    assert peak_memory_mib("cpu") == 2


def test_a_name_of_no_device_is_answered_with_those_that_are():
    with pytest.raises(CenetError, match="there is no such device") as caught:
        to_device_config("tpu")
    assert "cuda" in caught.value.remedy


def test_on_a_mac_the_processor_has_a_peak_and_its_accelerator_none(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert peak_memory_mib("cpu") > 0
    assert peak_memory_mib("mps") is None


@pytest.mark.parametrize(
    "options",
    [
        {"device": "gpu"},
        {"precision": "fp16"},
        {"memory_format": "nhwc"},
        {"devices": 0},
        {"nodes": -1},
    ],
)
def test_options_that_there_are_not_are_refused(options):
    with pytest.raises(CenetError):
        resolve_device(**{"device": "cpu", **options})
