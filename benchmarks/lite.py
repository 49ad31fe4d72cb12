"""What CE-Net lite costs beside CE-Net on one core, training and predicting: a table, and results/lite.json."""

import json
import time
from pathlib import Path

import torch

from cenet.config.presets import load_recipe
from cenet.inference.device import Precision, describe_environment, resolve_device
from cenet.networks import Network, build_network
from cenet.training.losses import SegmentationLoss

RESULT = Path(__file__).parents[1] / "results" / "lite.json"
REPEATS = 5
RECIPE = load_recipe("drive")
NETWORKS = ("cenet", "cenet-lite")
PRECISIONS: tuple[Precision, ...] = ("32-true", "bf16-mixed")


def train_step(network: Network, image: torch.Tensor, *, bf16: bool) -> None:
    """Forward, loss and backward of one batch, as training does them."""
    label = torch.ones(image[:, 0].shape, dtype=torch.long)
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        logits = network.train()(image)
    SegmentationLoss(RECIPE)(logits, label, torch.ones_like(label, dtype=torch.bool)).backward()


def predict(network: Network, image: torch.Tensor, *, bf16: bool) -> None:
    """The logits of one image."""
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        network.eval()(image[:1])


def measure(precision: Precision) -> dict[str, dict[str, float]]:
    """Processor seconds of each network, the least of some repeats, which other programs disturb least.

    Args:
        precision: As in `resolve_device`.
    """
    device = resolve_device(device="cpu", precision=precision)
    networks = {
        name: build_network(RECIPE.replace(network=name)).to(memory_format=device.torch_memory_format)
        for name in NETWORKS
    }
    image = torch.rand(RECIPE.batch_size, 3, RECIPE.crop_px, RECIPE.crop_px).mul(255)
    image = image.contiguous(memory_format=device.torch_memory_format)
    seconds: dict[str, dict[str, float]] = {name: {} for name in networks}
    for action in (train_step, predict):
        for _ in range(REPEATS):
            for name, network in networks.items():  # in turn, so that both meet the same machine
                began = time.process_time()
                action(network, image, bf16=precision == "bf16-mixed")
                spent = time.process_time() - began
                seconds[name][action.__name__] = min(spent, seconds[name].get(action.__name__, spent))
    return seconds


def main() -> None:
    torch.set_num_threads(1)
    rows = []
    print("| precision | network | training step, s | prediction, s | ratios to CE-Net |")
    print("|---|---|---|---|---|")
    for precision in PRECISIONS:
        seconds = measure(precision)
        for name, spent in seconds.items():
            ratios = {action: round(value / seconds["cenet"][action], 2) for action, value in spent.items()}
            rounded = {action: round(value, 3) for action, value in spent.items()}
            rows.append({"network": name, "precision": precision, "seconds": rounded, "ratio": ratios})
            print(
                f"| {precision} | {name} | {spent['train_step']:.2f} | {spent['predict']:.3f} | "
                f"{ratios['train_step']:.2f}, {ratios['predict']:.2f} |",
                flush=True,
            )
    parameters = {
        name: sum(p.numel() for p in build_network(RECIPE.replace(network=name)).parameters()) for name in NETWORKS
    }
    content = {
        "command": "python benchmarks/lite.py",
        "batch": {"training_images": RECIPE.batch_size, "predicted_images": 1, "side_px": RECIPE.crop_px},
        "measure": "processor seconds on one thread, the least of the repeats",
        "parameters": parameters,
        "rows": rows,
        "environment": describe_environment(device="cpu", workers=0, memory_format="channels-last"),
    }
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
