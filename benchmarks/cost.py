"""What a training step of each network costs, side by side: a table, and results/cost.json."""

import json
import statistics
import time
from dataclasses import asdict
from pathlib import Path

import torch

from cenet.config.presets import load_recipe
from cenet.config.recipe import Recipe
from cenet.inference.device import describe_environment, resolve_device
from cenet.networks import build_network
from cenet.training.losses import SegmentationLoss

RESULT = Path(__file__).parents[1] / "results" / "cost.json"
REPEATS = 5
NETWORKS = {"CE-Net": {}, "U-Net": {"network": "unet", "encoder_weights": "none"}}


class Step:
    """Forward, loss and backward of one batch, as training does them."""

    def __init__(self, recipe: Recipe) -> None:
        self.machine = resolve_device()
        self.network = build_network(recipe).to(self.machine.device, memory_format=self.machine.torch_memory_format)
        self.loss = SegmentationLoss(recipe)
        shape = (recipe.batch_size, 3, recipe.crop_px, recipe.crop_px)
        self.image = torch.rand(shape, device=self.machine.device).mul(255)
        self.label = (torch.rand(shape[:1] + shape[2:], device=self.machine.device) > 0.9).long()

    def __call__(self) -> float:
        began = time.perf_counter()
        bf16 = self.machine.precision == "bf16-mixed"
        image = self.image.contiguous(memory_format=self.machine.torch_memory_format)
        with torch.autocast(self.machine.device, torch.bfloat16, enabled=bf16):
            logits = self.network(image)
        self.loss(logits, self.label, torch.ones_like(self.label, dtype=torch.bool)).backward()
        if self.machine.device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - began


def main() -> None:
    recipe = load_recipe("drive")
    steps = {name: Step(recipe.replace(**changes)) for name, changes in NETWORKS.items()}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(REPEATS + 1):
        for name, step in steps.items():  # in turn, so that both meet the same machine
            seconds = step()
            if repeat:  # the first is for warming up
                times[name].append(seconds)
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    rows = {
        name: {
            "parameters": sum(p.numel() for p in steps[name].network.parameters()),
            "seconds_per_step": round(median, 2),
            "ratio": round(median / medians["CE-Net"], 2),
        }
        for name, median in medians.items()
    }
    machine = asdict(next(iter(steps.values())).machine)
    batch = {"images": recipe.batch_size, "side_px": recipe.crop_px}
    report = {
        "command": "python benchmarks/cost.py",
        "batch": batch,
        "rows": rows,
        "environment": describe_environment(**machine),
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print("| network | seconds a training step | times CE-Net |\n|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['seconds_per_step']:.2f} | {row['ratio']:.2f} |")


if __name__ == "__main__":
    main()
