"""What `engines.py` measures of networks alone: latency, views, training, and the processor's peak."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import torch
from speed_clock import measure_in_turns
from speed_networks import (
    LAYOUT_OF,
    LAYOUTS,
    RECIPES,
    Candidate,
    build_networks,
    count_macs,
    describe_machine,
    draw_images,
    has_bfloat16,
    prepare_candidates,
)
from torch import nn

from cenet.cli.process_settings import reuse_freed_memory
from cenet.data.views import augment_view, undo_view
from cenet.training.losses import SegmentationLoss

SQUARE = (448, 448)
DRIVE = (1184, 1152)  # 1168 x 1130 px, a photograph of DRIVE at twice its size, in multiples of 32
VIEWS = 8
SLOW = ("U-Net", "DynUNet")  # measured once, or not at all, where a round takes minutes
Row = dict[str, Any]


@cache
def measure_peaks() -> dict[str, float]:
    """Multiplications with an addition a second of a large product of matrices, in billions.

    For each precision that the processor has instructions for; PyTorch imitates others.
    """
    side = 2048
    floats = torch.rand(side, side), torch.rand(side, side)
    halves = tuple(matrix.bfloat16() for matrix in floats)
    integers = tuple(torch.randint(-127, 127, (side, side), dtype=torch.int8) for _ in range(2))
    actions: dict[str, Callable[[], object]] = {"fp32": lambda: torch.mm(*floats)}
    if has_bfloat16():
        actions["bf16"] = lambda: torch.mm(*halves)
    if describe_machine()["class"] in ("AMX", "VNNI"):
        actions["int8"] = lambda: torch._int_mm(*integers)  # no public name computes it
    seconds = measure_in_turns(actions, rounds=3)
    return {name: round(side**3 / value / 1e9, 1) for name, value in seconds.items()}


def measure_latency(
    shape: tuple[int, int], *, batch: int, rounds: int, once: Sequence[str] = (), without: Sequence[str] = ()
) -> list[Row]:
    """Seconds of every network in every engine for a batch.

    Args:
        shape: Height and width.
        batch: Images at once.
        rounds: How often each is measured.
        once: Networks that are measured a single time.
        without: Networks that are left out.
    """
    candidates = [candidate for candidate in prepare_candidates() if candidate.network not in without]
    macs = {name: count_macs(network, shape) for name, network in build_networks().items() if name not in without}
    peaks = measure_peaks()
    images = draw_images(shape, batch=batch)
    actions = {key(candidate): make_action(candidate, images) for candidate in candidates}
    slow = [key(candidate) for candidate in candidates if candidate.network in once]
    seconds = measure_in_turns(actions, rounds=rounds, once=slow)
    reference = seconds[key(candidates[0])]
    return [
        {
            "network": candidate.network,
            "engine": candidate.engine,
            "precision": candidate.precision,
            "seconds": round(seconds[key(candidate)], 4),
            "images_per_second": round(batch / seconds[key(candidate)], 3),
            "ratio": round(seconds[key(candidate)] / reference, 3),
            "giga_macs": round(macs[candidate.network] / 1e9, 2),
            "share_of_peak": round(
                macs[candidate.network] * batch / seconds[key(candidate)] / 1e9 / peaks[candidate.precision], 3
            )
            if candidate.precision in peaks
            else None,
        }
        for candidate in candidates
    ]


def key(candidate: Candidate) -> str:
    """What a candidate is called in a dictionary."""
    return f"{candidate.network}, {candidate.engine}, {candidate.precision}"


def make_action(candidate: Candidate, images: np.ndarray) -> Callable[[], object]:
    """Computing these images, as a function without arguments."""
    return lambda: candidate.compute(images)


def measure_views(*, rounds: int) -> list[Row]:
    """Seconds of the mean over eight views of one image, against eight passes of the authors' network."""
    candidates = [candidate for candidate in prepare_candidates() if candidate.network not in SLOW]
    (image,) = draw_images(SQUARE)

    def average_views(candidate: Candidate) -> Callable[[], object]:
        def compute(number: int) -> np.ndarray:
            answer = candidate.compute(np.ascontiguousarray(augment_view(image, number))[None])
            return undo_view(np.asarray(answer)[0], number)

        return lambda: np.mean([compute(number) for number in range(VIEWS)], axis=0)

    seconds = measure_in_turns({key(candidate): average_views(candidate) for candidate in candidates}, rounds=rounds)
    reference = seconds[key(candidates[0])]
    return [
        {
            "network": candidate.network,
            "engine": candidate.engine,
            "precision": candidate.precision,
            "seconds": round(seconds[key(candidate)], 3),
            "ratio": round(seconds[key(candidate)] / reference, 3),
        }
        for candidate in candidates
    ]


def measure_training(*, batch: int, rounds: int) -> list[Row]:
    """Seconds of a training step of each network: forward, loss, backward and the optimiser's step.

    Freed memory is reused, as in trainings that the command line starts.
    """
    reuse_freed_memory()
    networks = build_networks()
    loss = SegmentationLoss(RECIPES["cenet"])
    images = torch.from_numpy(draw_images(SQUARE, batch=batch))
    label = (torch.rand(batch, *SQUARE) > 0.9).long()
    counted = torch.ones_like(label, dtype=torch.bool)

    def make_step(network: nn.Module, layout: str, *, bf16: bool) -> Callable[[], object]:
        memory_format = LAYOUTS[layout]
        network = deepcopy(network).train().to(memory_format=memory_format)  # type: ignore[call-overload]  # torch's stubs
        optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4)
        inputs = images.contiguous(memory_format=memory_format)

        def step() -> None:
            optimiser.zero_grad(set_to_none=True)
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = network(inputs)
            loss(logits.float(), label, counted).backward()
            optimiser.step()

        return step

    ways = [
        (name, layout, precision)
        for name in networks
        for layout in (LAYOUTS if name in RECIPES else (LAYOUT_OF.get(name, "channels last"),))
        for precision in (("fp32", "bf16") if name in RECIPES and has_bfloat16() else ("fp32",))
    ]
    actions = {way: make_step(networks[way[0]], way[1], bf16=way[2] == "bf16") for way in ways}
    seconds = measure_in_turns(actions, rounds=rounds, once=[way for way in ways if way[0] in SLOW])
    reference = seconds[ways[0]]
    return [
        {
            "network": name,
            "engine": f"PyTorch, {layout}",
            "precision": precision,
            "seconds": round(value, 3),
            "images_per_second": round(batch / value, 3),
            "ratio": round(value / reference, 3),
        }
        for (name, layout, precision), value in seconds.items()
    ]
