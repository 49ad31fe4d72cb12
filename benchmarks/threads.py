"""How long a training step takes alone and beside a busy process, by how threads wait; see results/threads.json.

Each measurement is a process of its own, as the policy is read when PyTorch is loaded. The variants are interleaved in
rounds, so that what else runs on the machine meets all of them; the load that was there already is written down.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULT = Path(__file__).parents[1] / "results" / "threads.json"
VARIANTS = {  # GNU OpenMP, which comes with the wheels of PyTorch for Linux, reads all of these
    "default": {},
    "passive waiting": {"OMP_WAIT_POLICY": "passive"},
    "spins 1000 times, then sleeps": {"GOMP_SPINCOUNT": "1000"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
ROUNDS, STEPS = 5, 3
SIZE_PX, BATCH = 256, 1


def measure_step() -> float:
    """The median seconds of a training step of CE-Net, in this process, after one that is not counted."""
    import torch

    from cenet.config.presets import RECIPES
    from cenet.networks import build_network

    torch.manual_seed(0)
    recipe = RECIPES["drive"].replace(encoder_weights="none")
    network = (
        build_network(recipe, in_channels=3, value_range=(0.0, 255.0)).to(memory_format=torch.channels_last).train()
    )
    optimiser = torch.optim.AdamW(network.parameters())
    images = torch.rand(BATCH, 3, SIZE_PX, SIZE_PX).mul(255).contiguous(memory_format=torch.channels_last)
    truth = (torch.rand(BATCH, 1, SIZE_PX, SIZE_PX) > 0.5).float()
    seconds = []
    for _ in range(STEPS + 1):
        began = time.perf_counter()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(network(images), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[1:])


def measure_variant(changes: dict[str, str], *, busy: bool) -> float:
    """The seconds of a step in a new process with these variables, alone or beside a process that never rests."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_", "KMP_"))}
    other = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if busy else None
    try:
        command = [sys.executable, __file__, "--step"]
        done = subprocess.run(command, env=environment | changes, check=True, capture_output=True, text=True)
    finally:
        if other:
            other.kill()
            other.wait()
    return float(done.stdout)


def main() -> None:
    if "--step" in sys.argv:
        print(measure_step())
        return
    seconds: dict[str, dict[str, list[float]]] = {name: {"alone": [], "beside": []} for name in VARIANTS}
    loads = []
    for _ in range(ROUNDS):
        for name, changes in VARIANTS.items():
            for place in ("alone", "beside"):
                loads.append(round(os.getloadavg()[0], 2))
                seconds[name][place].append(measure_variant(changes, busy=place == "beside"))
    rows = {
        name: {place: round(statistics.median(values), 2) for place, values in places.items()}
        for name, places in seconds.items()
    }
    RESULT.write_text(
        json.dumps(
            {
                "command": "python benchmarks/threads.py",
                "what": f"seconds of a training step of CE-Net, {BATCH} crops of {SIZE_PX}x{SIZE_PX}, fp32",
                "median_of": ROUNDS,
                "cores": os.cpu_count(),
                "machine": platform.machine(),
                "load_before_each": loads,
                "rows": rows,
                "all": {name: {p: [round(v, 2) for v in vs] for p, vs in ps.items()} for name, ps in seconds.items()},
            },
            indent=1,
        )
        + "\n"
    )
    print("| waiting | alone, s | beside a busy process, s |\n|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['alone']:.2f} | {row['beside']:.2f} |")


if __name__ == "__main__":
    main()
