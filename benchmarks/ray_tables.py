"""The tables of docs/how-to/cluster.md on what Ray costs, from results/ray.json."""

import json
from pathlib import Path
from typing import Any

from cenet.inference.ray_predict import BLOCKS_OF_A_WORKER, IMAGES_OF_A_BLOCK

RESULT = Path(__file__).parents[1] / "results" / "ray.json"
AIM = 0.1  # of the processor seconds of one process
CLUSTERS, CORES_OF_A_NODE, PHOTOGRAPHS = (1, 10, 100), 16, 10**6  # of the estimate


def ray_table() -> str:
    """Processor seconds and memory with Ray beside those of one process."""
    content = _read()
    header = "| images | | processor time | driver | workers | rest of Ray | wall | memory, driver | memory, a worker |"
    lines = [header, "|---" * 9 + "|"]
    alone = {row["images"]: row["processor_seconds"] for row in content["runs"] if row["way"] == "one process"}
    for row in content["runs"]:
        seconds = [f"{row[f'{who}_seconds']:.0f} s" for who in ("processor", "driver", "workers", "ray", "wall")]
        if row["way"] == "one process":
            seconds[1:4], worker = ["", "", ""], ""
        else:
            seconds[0] += f" ({row['processor_seconds'] / alone[row['images']] - 1:+.0%})"
            worker = f"{row['worker_peak_mib']} MiB"
        cells = [str(row["images"]), row["way"], *seconds, f"{row['driver_peak_mib']} MiB", worker]
        lines.append(f"| {' | '.join(cells)} |")
    same = "are" if all(row["same_files"] for row in content["runs"]) else "are not"
    parts = content["parts"]
    few, many, _ = parts["runs"]
    return "\n".join(
        [
            *lines,
            "",
            f"Images of {content['image_px']} px, model {content['model']}, {content['cores']} core(s) shared with "
            f"other programs, so that the wall says little. Masks and overlays {same} the same to the bit.",
            "",
            describe_excess(content),
            "",
            "| part | processor time |",
            "|---|---|",
            f"| start Ray on this computer | {parts['start_ray_seconds']:.1f} s |",
            f"| load PyTorch and the model in a worker | {parts['worker_ready_seconds']:.1f} s |",
            f"| read, predict and write an image | {parts['image_seconds']:.2f} s |",
            f"| the driver, for an image | {parts['driver_ms_image']:.2f} ms |",
            f"| listing an image and planning its files alone | {parts['plan_ms_image']:.2f} ms |",
            f"| the driver, for a block of images | {parts['driver_ms_block']:.1f} ms |",
            "",
            f"The driver's memory grows by {parts['driver_kib_image']:.1f} KiB an image, measured with "
            f"{few['images']:,} and {many['images']:,}.",
            "",
            f"`{content['command']}`, with Ray {content['environment']['ray']}.",
        ]
    )


def describe_excess(content: dict[str, Any]) -> str:
    """What Ray costs beside one process, and from how many images on that is little."""
    runs = content["runs"]
    alone = {row["images"]: row["processor_seconds"] for row in runs if row["way"] == "one process"}
    excess = [row["processor_seconds"] - alone[row["images"]] for row in runs if row["way"] == "Ray, 2 workers"]
    enough = max(excess) / AIM / content["parts"]["image_seconds"]
    return (
        f"Two workers take {min(excess):.0f} to {max(excess):.0f} s more than one process, for {min(alone)} and for "
        f"{max(alone)} images; so (computed) they are within {AIM:.0%} of it from {round(enough, -1):,.0f} images on."
    )


def ray_estimate_table() -> str:
    """Hours of large clusters, computed from the measured parts."""
    content = _read()
    header = "| nodes | workers | images alone | start of workers | the driver | with Ray | beside the images alone |"
    lines = [header, "|---" * 7 + "|"]
    for nodes in CLUSTERS:
        workers = nodes * CORES_OF_A_NODE
        alone, start, driver, wall = estimate(content["parts"], workers=workers)
        minutes = [f"{seconds / 60:,.1f} min" for seconds in (alone, start, driver, wall)]
        lines.append(f"| {nodes} | {workers:,} | {' | '.join(minutes)} | {wall / alone - 1:+.0%} |")
    return "\n".join(lines)


def estimate(parts: dict[str, Any], *, workers: int) -> tuple[float, float, float, float]:
    """Seconds of the wall for a million photographs: the images alone, workers' start, the driver, and all of it.

    The driver lists everything first; then it hands out blocks and takes in answers while the workers compute. Each
    worker waits in the end for the last block of another.
    """
    alone = PHOTOGRAPHS * parts["image_seconds"] / workers
    few = parts["runs"][0]
    plan = PHOTOGRAPHS * parts["plan_ms_image"] / 1000
    handling = few["images"] * parts["driver_ms_image"] + few["blocks"] * parts["driver_ms_block"]
    start_of_driver = few["driver_seconds"] - handling / 1000
    start = few["workers_seconds"] + parts["worker_ready_seconds"]
    blocks = min(workers * BLOCKS_OF_A_WORKER, PHOTOGRAPHS // IMAGES_OF_A_BLOCK)
    driver = (PHOTOGRAPHS * parts["driver_ms_image"] + blocks * parts["driver_ms_block"]) / 1000
    last_block = PHOTOGRAPHS / blocks * parts["image_seconds"]
    wall = start_of_driver + plan + max(start + alone + last_block, driver - plan)
    return alone, start, driver, wall


def _read() -> dict[str, Any]:
    content: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8"))
    return content
