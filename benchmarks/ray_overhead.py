"""What `cenet predict --ray local` costs beside one process: a table, and results/ray.json.

    .venv-ray/bin/python benchmarks/ray_overhead.py

`make ray` makes that environment. Other programs run on the machine, so read processor seconds rather than those of the
wall. They are those of the command and all processes below it, Ray's among them, read ten times a second, so that the
last tenth of each process is missed. What is measured twice is the least.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

from process_usage import watch

from cenet.inference import ray_predict
from cenet.inference.device import describe_environment
from cenet.inference.input_options import PLAIN_INPUT
from cenet.inference.prediction_files import PredictionPlan
from cenet.inference.ray_worker import PredictionWorker, WorkerTask, to_row
from cenet.phantoms import write_phantoms

RESULT = Path(__file__).parents[1] / "results" / "ray.json"
MODEL, SIZE_PX = "vessels-open", 512
COUNTS = (8, 32)  # of images
DRIVEN = ((400, 32), (20_000, 32), (20_000, 500))  # images and blocks that are handed to a worker that does nothing
START = "import ray; ray.init('local', num_cpus=1, include_dashboard=False, log_to_driver=False); ray.shutdown()"
STARTS = 8  # that are tried: Ray gives up after 15 s, which a busy machine may take
WAYS = {
    "one process": [],
    "Ray, 1 worker": ["--ray", "local", "--ray-workers", "1"],
    "Ray, 2 workers": ["--ray", "local", "--ray-workers", "2"],
}


class IdleWorker:
    """A worker that predicts nothing, so that what remains is the work of Ray and of the driver."""

    def __init__(self, task: object) -> None:
        pass

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Answer as `PredictionWorker` does."""
        title = Path(row["file"]).name
        return {"title": title, "error": "", "remarks": "[]", "expected": 0.9, "unfamiliar": False}


def watch_ray(command: list[str]) -> dict[str, float]:
    """Watch a command that starts Ray."""
    for _ in range(STARTS - 1):
        with suppress(subprocess.CalledProcessError):
            return watch(command)
    return watch(command)


def measure_runs(folder: Path) -> list[dict[str, Any]]:
    """Predict each number of images in each way, and compare what is written."""
    rows = []
    for count in COUNTS:
        write_phantoms(folder / str(count), task="vessels", count=count, seed=3, size_px=SIZE_PX)
        for way, options in WAYS.items():
            output = folder / f"{count} {way}"
            images = ["predict", MODEL, str(folder / str(count) / "images"), "--output", str(output)]
            used = watch_ray(["-m", "cenet", *images, "--threads", "1", "--device", "cpu", *options])
            is_equal = read_files(output) == read_files(folder / f"{count} one process")
            rows.append({"way": way, "images": count, **used, "same_files": is_equal})
            print(rows[-1], flush=True)
    return rows


def read_files(folder: Path) -> dict[str, bytes]:
    """The files that were written, but for their lists."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def measure_driver(folder: Path) -> dict[str, Any]:
    """What driver and Ray do for each image and for each block of images, with a worker that predicts nothing."""
    (image, *_) = sorted((folder / str(min(COUNTS)) / "images").iterdir())
    runs = []
    for number, (count, blocks) in enumerate(DRIVEN):
        links = folder / f"links {number}"
        links.mkdir()
        for name in range(count):
            (links / f"{name}.png").hardlink_to(image)
        runs.append({"images": count, "blocks": blocks, **watch_ray([__file__, "drive", str(links), str(blocks)])})
        print(runs[-1], flush=True)
    few, many, in_blocks = runs

    def slope(key: str, other: dict[str, Any], per: str) -> float:
        return (other[key] - many[key]) / (other[per] - many[per])

    return {
        "runs": runs,
        "driver_ms_image": round(1000 * slope("driver_seconds", few, "images"), 3),
        "driver_ms_block": round(1000 * slope("driver_seconds", in_blocks, "blocks"), 2),
        "driver_kib_image": round(1024 * slope("driver_peak_mib", few, "images"), 2),
    }


def drive(folder: str, blocks: str) -> None:
    """Hand the images of a folder to an idle worker."""
    ray_predict.PredictionWorker = IdleWorker
    ray_predict.IMAGES_OF_A_BLOCK, ray_predict.BLOCKS_OF_A_WORKER = 1, int(blocks)
    options = ray_predict.RayOptions(workers=1)
    ray_predict.write_predictions_with_ray(MODEL, [Path(folder)], output=Path(folder, "out"), ray=options, device="cpu")


def plan(folder: str) -> None:
    """Print the seconds in which the driver lists a folder and plans its predictions."""
    begun = time.process_time()
    PredictionPlan([Path(folder)], Path(folder, "planned")).list_pending({})
    print(json.dumps({"plan": time.process_time() - begun}))


def work(folder: str) -> None:
    """Print the seconds in which a worker gets ready, PyTorch's import included, and those of an image."""
    output = Path(folder).parent / "worked"
    rows = [to_row(planned) for planned in PredictionPlan([Path(folder)], output).predictions]
    begun = time.process_time()
    task = WorkerTask(MODEL, str(output), {}, False, False, True, "cpu", "auto", None, 1, PLAIN_INPUT)
    worker = PredictionWorker(task)
    ready, seconds = time.process_time() - begun, []
    for row in rows:
        begun = time.process_time()
        worker(row)
        seconds.append(time.process_time() - begun)
    print(json.dumps({"ready": ready, "image": statistics.median(seconds)}))


def ask(*part: str) -> dict[str, float]:
    """The least that a part of this script prints."""
    command = [sys.executable, __file__, *part]
    answers = [json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout) for _ in range(2)]
    return {name: min(answer[name] for answer in answers) for name in answers[0]}


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        runs = measure_runs(folder)
        driver = measure_driver(folder)
        starts = [watch_ray(["-c", START]) for _ in range(2)]
        worker = ask("work", str(folder / str(min(COUNTS)) / "images"))
        planned = ask("plan", str(folder / "links 1"))
    report = {
        "command": "python benchmarks/ray_overhead.py",
        "model": MODEL,
        "image_px": SIZE_PX,
        "cores": len(os.sched_getaffinity(0)),
        "runs": runs,
        "parts": {
            "start_ray_seconds": min(row["processor_seconds"] for row in starts),
            "start_ray_wall_seconds": min(row["wall_seconds"] for row in starts),
            "worker_ready_seconds": round(worker["ready"], 2),
            "image_seconds": round(worker["image"], 3),
            "plan_ms_image": round(1000 * planned["plan"] / DRIVEN[1][0], 3),
            **driver,
        },
        "environment": describe_environment(ray=metadata.version("ray")),
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report["parts"], indent=1))


PARTS = {"drive": drive, "plan": plan, "work": work}

if __name__ == "__main__":
    if sys.argv[1:]:
        PARTS[sys.argv[1]](*sys.argv[2:])
    else:
        main()
