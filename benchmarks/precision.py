"""What bf16 costs beside fp32 on this CPU; results/precision.json has each kind of CPU.

Each measurement is a process of its own, as oneDNN reads its instruction set once: `AVX512_CORE_BF16` hides AMX from
it, as on a CPU that has bf16 but no AMX. The variants are interleaved in rounds.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULT = Path(__file__).parents[1] / "results" / "precision.json"
FP32, BF16, HIDE_AMX = "32-true", "bf16-mixed", {"ONEDNN_MAX_CPU_ISA": "AVX512_CORE_BF16"}
VARIANTS: dict[str, dict[str, tuple[str, dict[str, str]]]] = {  # by kind of CPU
    "AMX": {"fp32": (FP32, {}), "bf16 with AMX": (BF16, {}), "bf16 without AMX": (BF16, HIDE_AMX)},
    "AVX512-BF16, AMD": {"fp32": (FP32, {}), "bf16": (BF16, {})},
}
ROUNDS, STEPS = 3, 3
SIZE_PX = 448


def measure_step(precision: str) -> tuple[float, float]:
    """The median seconds of a training step and of a forward pass of CE-Net, one image, after one not counted."""
    import torch

    from cenet.config.presets import RECIPES
    from cenet.networks import build_network

    torch.manual_seed(0)
    recipe = RECIPES["drive"].replace(encoder_weights="none")
    network = build_network(recipe, in_channels=3, value_range=(0.0, 255.0)).to(memory_format=torch.channels_last)
    image = torch.rand(1, 3, SIZE_PX, SIZE_PX).mul(255).contiguous(memory_format=torch.channels_last)
    truth = (torch.rand(1, 1, SIZE_PX, SIZE_PX) > 0.5).float()
    train, forward = [], []
    for _ in range(STEPS + 1):
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            logits = network.train()(image)
        torch.nn.functional.binary_cross_entropy_with_logits(logits.float(), truth).backward()
        train.append(time.perf_counter() - began)
        began = time.perf_counter()
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
            network.eval()(image)
        forward.append(time.perf_counter() - began)
    return statistics.median(train[1:]), statistics.median(forward[1:])


def main() -> None:
    if "--step" in sys.argv:
        print(json.dumps(measure_step(sys.argv[-1])))
        return
    import torch

    from cenet.inference.device import resolve_device

    if resolve_device(device="cpu").precision != BF16:
        sys.exit("this CPU has neither AMX nor, as one of AMD, AVX512-BF16: bf16 is not measured here")
    kind = "AMX" if torch.cpu._is_amx_tile_supported() else "AVX512-BF16, AMD"  # no public name tells it
    variants = VARIANTS[kind]
    seconds: dict[str, dict[str, list[float]]] = {name: {"step": [], "forward": []} for name in variants}
    for _ in range(ROUNDS):
        for name, (precision, changes) in variants.items():
            command = [sys.executable, __file__, "--step", precision]
            done = subprocess.run(command, env=os.environ | changes, check=True, capture_output=True, text=True)
            for what, value in zip(("step", "forward"), json.loads(done.stdout), strict=True):
                seconds[name][what].append(value)
    medians = {name: {what: statistics.median(values) for what, values in row.items()} for name, row in seconds.items()}
    rows = {
        name: {
            "training_step_s": round(row["step"], 3),
            "forward_s": round(row["forward"], 3),
            "training_ratio_to_fp32": round(row["step"] / medians["fp32"]["step"], 2),
            "forward_ratio_to_fp32": round(row["forward"] / medians["fp32"]["forward"], 2),
        }
        for name, row in medians.items()
    }
    content = json.loads(RESULT.read_text(encoding="utf-8"))
    content["cpus"][kind] = {"threads": torch.get_num_threads(), "torch": torch.__version__, "rows": rows}
    RESULT.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print("| precision | training step, s | to fp32 | forward, s | to fp32 |\n|---|---|---|---|---|")
    for name, row in rows.items():
        step, forward, step_ratio, forward_ratio = row.values()
        print(f"| {name} | {step} | {step_ratio} | {forward} | {forward_ratio} |")


if __name__ == "__main__":
    main()
