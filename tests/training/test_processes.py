"""What several training processes exchange, and what is refused before they start."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import distributed, nn

from cenet.config.presets import load_recipe
from cenet.errors import CenetError
from cenet.inference.device import DeviceConfig
from cenet.training.global_batch_norm import GlobalBatchNorm2d, GlobalBatchNorms
from cenet.training.processes import (
    check_divisible,
    check_processes,
    count_processes,
    current_rank,
    find_rank,
    gather_batch,
    select_own,
    silence_output,
    sum_over_processes,
    translate_lost_process,
    wait_for_first,
)


def config(device="cpu", devices=1, nodes=1):
    return DeviceConfig(device, "32-true", 0, devices=devices, nodes=nodes)


@pytest.fixture
def group(tmp_path):
    """A group of this process alone."""
    distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    yield
    distributed.destroy_process_group()


def test_a_global_batch_norm_of_one_process_is_a_batch_norm(group):
    torch.manual_seed(0)
    norm, image = nn.BatchNorm2d(3), torch.randn(4, 3, 5, 6, requires_grad=True)
    same = GlobalBatchNorms().apply(nn.Sequential(nn.BatchNorm2d(3)))
    assert isinstance(same[0], GlobalBatchNorm2d)
    expected, actual = norm(image), same(image)
    torch.testing.assert_close(actual, expected)
    weight = torch.randn_like(image)
    gradients = [torch.autograd.grad((output * weight).sum(), image)[0] for output in (expected, actual)]
    torch.testing.assert_close(*gradients)
    torch.testing.assert_close(same[0].state_dict(), norm.state_dict())
    assert type(GlobalBatchNorms().revert(same)[0]) is nn.BatchNorm2d


def test_the_batch_of_all_processes_keeps_the_gradients_of_its_own(group):
    logits, label = torch.zeros(2, 1, 3, 3, requires_grad=True), torch.ones(2, 3, 3, dtype=torch.int64)
    gathered, labels = gather_batch(logits, label)
    gathered.sum().backward()
    assert torch.equal(logits.grad, torch.ones_like(logits))
    assert torch.equal(labels, label)
    assert sum_over_processes(np.arange(3), torch.device("cpu")).tolist() == [0, 1, 2]


def test_each_process_validates_its_own_images(monkeypatch):
    parts = []
    for rank in range(3):
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        assert find_rank(config(devices=3)) == rank
        parts.append(select_own(list("abcdefg"), config(devices=3)))
    assert sorted("".join(map("".join, parts))) == list("abcdefg")
    assert find_rank(config()) == 0


@pytest.mark.parametrize(
    ("device", "environment", "cause"),
    [
        (config(devices=0), {}, "is nothing to train on"),
        (config(nodes=-1), {}, "is nothing to train on"),
        (config("mps", devices=2), {}, "mps is a single device"),
        (config("cuda", devices=99), {}, "this computer has"),
        (config(nodes=2), {}, "are started by torchrun or SLURM"),
        (
            config(devices=2),
            {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "4"},
            "asks for 2 processes, and 4 were started",
        ),
    ],
    ids=str,
)
def test_devices_that_are_not_there_are_refused(device, environment, cause, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CenetError) as error:
        check_processes(device)
    assert cause in error.value.cause


@pytest.mark.parametrize(
    ("changes", "validation", "cause"),
    [
        ({"batch_size": 3}, 9, "cannot be shared by 2 processes"),
        ({}, 1, "the validation part has 1 images"),
        ({"roi_fraction": 1.5, "resize_mode": "square", "crop_px": None}, 9, "its localiser is trained by one process"),
    ],
    ids=str,
)
def test_a_training_that_cannot_be_shared_is_refused(changes, validation, cause):
    recipe = load_recipe("folder").replace(batch_size=4).replace(**changes)
    with pytest.raises(CenetError) as error:
        check_divisible(recipe, {"validation": [None] * validation}, config(devices=2))
    assert cause in error.value.cause


def test_a_process_that_went_away_is_one_sentence():
    with pytest.raises(CenetError, match="another of its processes has stopped"), translate_lost_process():
        raise RuntimeError("[gloo/transport/tcp/pair.cc:534] Connection closed by peer")
    with pytest.raises(RuntimeError, match="shape"), translate_lost_process():
        raise RuntimeError("shape mismatch")


def test_several_seeds_on_several_devices_are_refused(cenet, small, images, tmp_path, capsys):
    options = (*small, "--seeds", 2, "--devices", 2)
    assert cenet("train", "folder", "--data", images, "--output", tmp_path / "run", *options) == 1
    assert capsys.readouterr().err.startswith("cenet: --seeds 2: ")


OTHER_PROCESS = """
import atexit
import os
import torch
from torch import distributed, nn
from cenet.inference.device import DeviceConfig
from cenet.training.global_batch_norm import GlobalBatchNorms
from cenet.training.processes import count_processes, current_rank, gather_batch, wait_for_first

atexit.register(lambda: os._exit(3) if distributed.is_initialized() else None)  # it has to leave before it ends
wait_for_first(DeviceConfig("cpu", "32-true", 0, devices=2))
assert (count_processes(), current_rank()) == (2, 1)
image = torch.load("images.pt")[2:]
GlobalBatchNorms().apply(nn.Sequential(nn.BatchNorm2d(3)))(image)
gather_batch(image, image)
"""


def test_two_processes_meet_and_normalise_the_batch_of_both(tmp_path, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    started_by = {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    for name, value in {**started_by, "RANK": "0", "LOCAL_RANK": "0", "GROUP_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    torch.manual_seed(0)
    images = torch.randn(4, 3, 5, 6)
    torch.save(images, tmp_path / "images.pt")
    command = [sys.executable, "-c", OTHER_PROCESS]
    with subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "RANK": "1", "LOCAL_RANK": "1"}) as other:
        try:
            wait_for_first(config(devices=2))
            assert (count_processes(), current_rank()) == (2, 0)
            norm, same = nn.BatchNorm2d(3), GlobalBatchNorms().apply(nn.Sequential(nn.BatchNorm2d(3)))
            torch.testing.assert_close(same(images[:2]), norm(images)[:2])
            torch.testing.assert_close(same[0].state_dict(), norm.state_dict())
            assert torch.equal(gather_batch(images[:2], images[:2])[1], images)
        finally:
            distributed.destroy_process_group()
    assert other.returncode == 0
    assert (count_processes(), current_rank()) == (1, 0)


def test_only_the_first_process_prints(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", sys.stdout)  # and back
    monkeypatch.setenv("TQDM_DISABLE", "")
    for rank in "01":
        monkeypatch.setenv("LOCAL_RANK", rank)
        silence_output(config(devices=2))
        print(rank)
    sys.stdout.close()
    assert capsys.readouterr().out == "0\n"


@pytest.mark.parametrize("changes", [{"affine": False}, {"track_running_stats": False}, {"momentum": None}], ids=str)
def test_every_kind_of_batch_norm_becomes_a_global_one(group, changes):
    torch.manual_seed(0)
    norm, image = nn.BatchNorm2d(3, **changes), torch.randn(4, 3, 5, 6)
    same = GlobalBatchNorms().apply(nn.Sequential(nn.BatchNorm2d(3, **changes)))
    for _ in range(2):
        torch.testing.assert_close(same(image), norm(image))
    torch.testing.assert_close(same[0].state_dict(), norm.state_dict())
    torch.testing.assert_close(same.eval()(image), norm.eval()(image))
