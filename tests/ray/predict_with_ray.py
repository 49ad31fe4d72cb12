"""Several processes of Ray predict like one, and lose nothing where one is killed. Run by `make ray`."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cenet.data.io.outputs import OutputFolder


def predict(folder, *options):
    command = [sys.executable, "-m", "cenet", "predict", "vessels-open", "data/images", *options]
    return subprocess.Popen(command, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"})


def read_files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


@pytest.fixture(scope="module")
def place(cenet, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ray")
    assert cenet("phantoms", "vessels", folder / "data", "--count", 24, "--size", 96) == 0
    assert predict(folder, "--output", "one", "--measure", "--threads", "1").wait() == 0
    return folder


def test_two_workers_write_what_one_process_writes(place):
    assert predict(place, "--output", "two", "--measure", "--ray", "local", "--ray-workers", "2").wait() == 0
    assert read_files(place / "two") == read_files(place / "one")
    assert len(list((place / "two").glob(".cenet-ray-*.jsonl"))) == 2


def test_a_worker_that_is_killed_loses_nothing(place):
    process = predict(place, "--output", "killed", "--measure", "--ray", "local", "--ray-workers", "2")
    while not list((place / "killed").glob("*_mask.png")):
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(find_workers(process.pid)[0], signal.SIGKILL)
    assert process.wait() == 0
    assert read_files(place / "killed") == read_files(place / "one")
    notes = OutputFolder(place / "killed", verb="predict").notes
    assert len({note["image"] for note in notes}) == 24


def test_a_node_that_is_killed_loses_nothing(place):
    from ray.cluster_utils import Cluster  # pytest imports this file where Ray is missing too

    size = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=size)
    try:
        node = cluster.add_node(**size)
        process = predict(place, "--output", "node", "--measure", "--ray", cluster.address)
        while len(list((place / "node").glob(".cenet-ray-*.jsonl"))) < 2:  # each node's worker has begun
            assert process.poll() is None
            time.sleep(0.02)
        node.kill_raylet()
        assert process.wait() == 0
    finally:
        cluster.shutdown()
    assert read_files(place / "node") == read_files(place / "one")
    assert len({note["image"] for note in OutputFolder(place / "node", verb="predict").notes}) == 24


def test_a_cluster_that_is_not_there_is_one_sentence(place):
    assert predict(place, "--output", "nowhere", "--ray", "127.0.0.1:9").wait() == 1
    assert not (place / "nowhere").exists()


def find_workers(driver):
    """The processes of Ray below a driver that hold the model."""
    parents, titles = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            titles[int(folder.name)] = (folder / "cmdline").read_bytes()
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue

    def is_below(process):
        return process == driver or (process in parents and is_below(parents[process]))

    return [process for process, title in titles.items() if b"MapWorker" in title and is_below(process)]
