"""Load and faults of `cenet serve`, on this machine: a table, and results/service.json.

    python benchmarks/service_load.py [--minutes 10] [--requests 100] [--mutants 2000] [RUN]

Without RUN a CE-Net with the slim encoder is trained for a step, as speed does not depend on the weights. Client and
server share the machine; processor seconds are those of the server alone, so that they can be compared with the
engine's. Every request has a connection of its own.
"""

import argparse
import http.client
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import cenet
from cenet.data.io.read import read_image
from cenet.inference.device import describe_environment
from cenet.phantoms import write_phantoms

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "fuzz")]
from hostile_images import list_hostile_images  # noqa: E402
from image_seeds import draw_seeds  # noqa: E402
from mutate import make_mutant  # noqa: E402

RESULT = ROOT / "results" / "service.json"
SIZE_PX = 256
CLIENTS = (1, 4, 16)
BOUNDARY = "cenet-load"
QUERIES = (
    "",
    "?format=json&include=mask&include=measurements",
    "?format=csv",
    "?format=overlay",
    "?format=probability",
)
EXPECTED = {200, 400, 404, 408, 413, 415, 422, 429, 503}


class Server:
    """`cenet serve` in a process of its own.

    Args:
        run: The run that is served.
    """

    def __init__(self, run: Path | str) -> None:
        command = [sys.executable, "-m", "cenet", "serve", str(run), "--port", "0", "--device", "cpu"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        address = re.search(r"http://127.0.0.1:(\d+)", self.process.stdout.readline())
        assert address is not None
        self.port = int(address[1])

    def processor_seconds(self) -> float:
        """What the process has computed so far, as Linux counts it."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def memory_mib(self) -> float:
        """The memory of the process that is resident."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        resident = re.search(r"VmRSS:\s+(\d+)", status)
        assert resident is not None
        return int(resident[1]) / 1024

    def post(self, body: bytes, *, query: str = "") -> int | None:
        """The status of an answer, which is read to its end; None where the connection was not accepted."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
        try:
            connection.connect()
        except ConnectionError:
            return None
        try:
            headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
            connection.request("POST", f"/v1/predict{query}", body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()


def make_body(content: bytes) -> bytes:
    """A request with one image."""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="image.png"\r\n\r\n'
    return head.encode() + content + f"\r\n--{BOUNDARY}--\r\n".encode()


def measure_engine(run: Path | str, path: Path, repeats: int) -> dict[str, float]:
    """What predicting an image costs without a service."""
    predict, image = cenet.load(run, device="cpu"), read_image(path)
    for _ in range(3):
        predict(image)
    begun, computed = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        predict(image)
    seconds, computed = time.perf_counter() - begun, time.process_time() - computed
    return {
        "images_per_second": round(repeats / seconds, 2),
        "processor_seconds_per_image": round(computed / repeats, 4),
    }


def measure_load(server: Server, body: bytes, *, clients: int, requests: int) -> dict[str, Any]:
    """Requests a second and how long they take, with several clients that each ask again once they are answered."""
    times: list[float] = []
    statuses: Counter[int | None] = Counter()
    remaining = iter(range(requests))

    def ask() -> None:
        for _ in remaining:
            begun = time.perf_counter()
            statuses[server.post(body)] += 1
            times.append(time.perf_counter() - begun)

    begun, computed = time.perf_counter(), server.processor_seconds()
    run_threads([threading.Thread(target=ask) for _ in range(clients)])
    seconds, computed = time.perf_counter() - begun, server.processor_seconds() - computed
    percentiles = statistics.quantiles(times, n=100, method="inclusive")
    return {
        "clients": clients,
        "requests": requests,
        "statuses": {str(status): count for status, count in statuses.items()},
        "requests_per_second": round(requests / seconds, 2),
        **{f"p{percent}_s": round(percentiles[percent - 1], 3) for percent in (50, 95, 99)},
        "processor_seconds_per_request": round(computed / requests, 4),
    }


def run_threads(threads: list[threading.Thread]) -> None:
    """Run threads to their end."""
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def send_mutants(server: Server, count: int) -> dict[str, Any]:
    """Send mutated images and mutated bodies, and every hostile image; count the statuses."""
    images = draw_seeds()
    bodies = {name: make_body(content) for name, content in images.items()}
    statuses: Counter[int | None] = Counter()
    for number in range(count):
        _, content = make_mutant(images if number % 2 else bodies, number)
        body = make_body(content) if number % 2 else content
        statuses[server.post(body, query=random.Random(number).choice(QUERIES))] += 1
    for make in list_hostile_images().values():
        statuses[server.post(make_body(make()))] += 1
    return {str(status): statuses[status] for status in sorted(statuses, key=str)}


def watch_memory(server: Server, body: bytes, minutes: float) -> dict[str, Any]:
    """Ask for some minutes, and note the memory of the server along the way."""
    sent, marks = 0, [server.memory_mib()]
    begun = time.monotonic()
    while time.monotonic() - begun < minutes * 60:
        assert server.post(body, query=QUERIES[sent % len(QUERIES)]) == 200
        sent += 1
        if time.monotonic() - begun > len(marks) * minutes * 60 / 10:
            marks.append(server.memory_mib())
    return {"minutes": minutes, "requests": sent, "resident_mib": [round(mark) for mark in marks]}


def stop_under_load(server: Server, body: bytes) -> dict[str, Any]:
    """Send SIGTERM while eight clients ask; every connection that was accepted must get its whole answer."""
    statuses: Counter[str] = Counter()

    def ask() -> None:
        for _ in range(1000):
            try:
                status = server.post(body)
            except (ConnectionError, http.client.HTTPException) as error:
                statuses[type(error).__name__] += 1
                return
            statuses["refused connection" if status is None else str(status)] += 1
            if status != 200:
                return

    threads = [threading.Thread(target=ask) for _ in range(8)]
    threading.Timer(5, server.process.send_signal, [signal.SIGTERM]).start()
    run_threads(threads)
    return {"statuses": dict(statuses), "exit_status": server.process.wait(120)}


def train_small_run(folder: Path) -> Path:
    """A run of the slim CE-Net on drawings, trained for a step."""
    write_phantoms(folder / "drawings", task="nuclei", count=4, seed=0, size_px=SIZE_PX)
    recipe = cenet.load_recipe("folder").replace(
        network="cenet-lite", encoder="efficientnet-lite0", encoder_weights="none", epochs=1, validate_every=1,
        steps_per_epoch=1, batch_size=1, crop_px=192,
    )  # fmt: skip
    return cenet.train(recipe, folder / "drawings", output=folder / "run", device="cpu").path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", nargs="?")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--mutants", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        run = options.run or train_small_run(folder)
        write_phantoms(folder / "images", task="nuclei", count=1, seed=1, size_px=SIZE_PX)
        (path,) = (folder / "images" / "images").iterdir()
        body = make_body(path.read_bytes())
        server = Server(run)
        for _ in range(3):
            assert server.post(body) == 200
        load = []
        for clients in CLIENTS:
            engine = measure_engine(run, path, options.requests)  # beside each, as other work may come and go
            row = measure_load(server, body, clients=clients, requests=options.requests)
            load.append({**row, "engine": engine})
            print(row, engine)
        report = {
            "command": "python benchmarks/service_load.py",
            "image_px": SIZE_PX,
            "cores": len(os.sched_getaffinity(0)),
            "load": load,
            "statuses_of_mutants": send_mutants(server, options.mutants),
            "memory": watch_memory(server, body, options.minutes),
            "stopped_under_load": stop_under_load(server, body),
            "environment": describe_environment(),
        }
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(
        json.dumps({name: report[name] for name in ("statuses_of_mutants", "memory", "stopped_under_load")}, indent=1)
    )
    assert {int(status) for status in report["statuses_of_mutants"]} <= EXPECTED, "an answer that was not expected"


if __name__ == "__main__":
    main()
