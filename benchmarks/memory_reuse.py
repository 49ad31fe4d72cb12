"""How long a training step takes where freed memory is used again, and what memory that costs.

Writes results/memory_reuse.json. Each measurement is a process of its own, interleaved in rounds, so that
what else runs on the machine meets all variants.
"""

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULT = Path(__file__).parents[1] / "results" / "memory_reuse.json"
RECIPES = ("vessels-lite",)
VARIANTS = ("as the system does", "freed memory reused")
ROUNDS, STEPS, WARM_UP = 3, 3, 2


def measure(recipe_name: str, variant: str) -> dict[str, float]:
    """Processor seconds of a training step, their share in the system, and the peak memory of this process."""
    from cenet.cli.process_settings import reuse_freed_memory

    if variant == VARIANTS[1]:
        reuse_freed_memory()
    import torch

    from cenet.config.presets import RECIPES as PRESETS
    from cenet.inference.device import resolve_device
    from cenet.networks import build_network

    torch.manual_seed(0)
    recipe = PRESETS[recipe_name].replace(encoder_weights="none")
    side, channels_last = recipe.crop_px or recipe.size_px, torch.channels_last
    network = build_network(recipe, in_channels=3, value_range=(0.0, 255.0)).to(memory_format=channels_last).train()
    optimiser = torch.optim.AdamW(network.parameters())
    images = torch.rand(recipe.batch_size, 3, side, side).mul(255).contiguous(memory_format=channels_last)
    truth = (torch.rand(recipe.batch_size, 1, side, side) > 0.5).float()
    bf16 = resolve_device(device="cpu").precision == "bf16-mixed"
    seconds, system = [], []
    for _ in range(WARM_UP + STEPS):
        began, in_system = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_stime
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = network(images)
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds.append(time.process_time() - began)
        system.append(resource.getrusage(resource.RUSAGE_SELF).ru_stime - in_system)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "seconds": statistics.median(seconds[WARM_UP:]),
        "system_seconds": statistics.median(system[WARM_UP:]),
        "peak_mib": peak,
    }


def main() -> None:
    if len(sys.argv) > 2:
        print(json.dumps(measure(*sys.argv[1:])))
        return
    measured: dict[str, dict[str, list[dict[str, float]]]] = {
        name: {variant: [] for variant in VARIANTS} for name in RECIPES
    }
    loads = []
    for _ in range(ROUNDS):
        for name, variants in measured.items():
            for variant, values in variants.items():
                loads.append(round(os.getloadavg()[0], 2))
                command = [sys.executable, __file__, name, variant]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                values.append(json.loads(done.stdout))
    rows = {
        name: {
            variant: {key: round(statistics.median(value[key] for value in values), 2) for key in values[0]}
            for variant, values in variants.items()
        }
        for name, variants in measured.items()
    }
    for row in rows.values():
        row["ratio"] = round(row[VARIANTS[1]]["seconds"] / row[VARIANTS[0]]["seconds"], 3)
    result = {
        "command": "python benchmarks/memory_reuse.py",
        "what": "processor seconds of a training step of each recipe's network at its size; memory includes PyTorch",
        "median_of": ROUNDS,
        "cores": os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
        "machine": platform.machine(),
        "load_before_each": loads,
        "rows": rows,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    for name, row in rows.items():
        print(name, row)


if __name__ == "__main__":
    main()
