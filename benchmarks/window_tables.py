"""Render what results/windows.json says of windows beside the whole image, and of large images."""

import json
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parents[1] / "results" / "windows.json"


def windows_table() -> str:
    """How far masks in windows agree with those of the whole image, and how probabilities step at their borders."""
    content = _read()
    header = "| image | window, px | windows | Dice | step at borders | there, of the whole image | elsewhere |"
    lines = [header, "|---" * 7 + "|"]
    for row in content["windows"]:
        steps = [f"{row[f'step_{where}']:.4f}" for where in ("at_borders", "of_the_whole_at_borders", "elsewhere")]
        cells = [row["image"], row["window_px"], row["windows"], f"{row['dice']:.3f}", *steps]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    legend = (
        f"Model: {content['model']}. Step: how much the probability changes on average from a pixel to the next, "
        f"across rows and columns where a window begins or ends, and across all others (`{content['command']}`)."
    )
    return "\n".join([*lines, "", legend])


def large_images_table() -> str:
    """Memory and time of large images that are predicted band by band."""
    header = "| network | image, px | image decoded | most memory beside the model | processor time |"
    lines = [header, "|---" * 5 + "|"]
    for row in _read()["large_images"]:
        side, image, most = row["side_px"], row["image_mib_decoded"], row["peak_mib_above_loaded"]
        cells = [row["network"], f"{side:,} x {side:,}", f"{image:,} MiB", f"{most} MiB", f"{row['cpu_seconds']} s"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _read() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return content
