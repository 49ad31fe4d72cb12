"""Checkpoints of the authors' code: the same logits, and every wrong file refused without running it."""

import builtins
import contextlib
import pickle
import random
import re
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import reference_networks as reference
import torch
from safetensors.torch import save_file
from torch import Tensor

from cenet.errors import CenetError
from cenet.networks.authors import load_official
from cenet.networks.cenet import CENet
from cenet.networks.pretrained import read_tensors

State = dict[str, Tensor]

pytestmark = pytest.mark.usefixtures("uninitialised")


def flat_state(num_classes: int = 1) -> State:
    """A whole checkpoint of a few kilobytes: each tensor is one number of its own, spread over its shape."""
    shapes = reference.authors_shapes(num_classes)
    return {name: torch.tensor(float(i)).expand(shape) for i, (name, shape) in enumerate(shapes.items(), 1)}


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pth"


# A sound checkpoint -----------------------------------------------------------------------------------------


@pytest.fixture
def trained(tmp_path: Path) -> Iterator[tuple[Path, State]]:
    """A checkpoint with weights and running statistics such as training leaves, and what it holds."""
    state = {name: torch.empty(shape) for name, shape in reference.authors_shapes().items()}
    reference.randomise(state, seed=7)
    path = tmp_path / "trained.pth"
    torch.save(state, path)
    yield path, state
    path.unlink()  # 116 MB


def test_the_logits_equal_those_of_the_authors_graph(trained: tuple[Path, State]) -> None:
    path, state = trained
    network = load_official(path)
    assert isinstance(network, CENet)
    assert not network.training
    image = torch.rand(1, 3, 192, 224, generator=torch.Generator().manual_seed(8)) * 3.2 - 1.6
    with torch.no_grad():
        expected = reference.cenet(state, image, reference.AUTHORS)
        logits = network(image)
    assert expected.std() > 0.1  # the image matters
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("prefix", "zipped", "tracked"),
    [("", True, False), ("", False, True), ("module.", True, True), ("module.", False, False)],
)
def test_every_way_of_saving_gives_the_same_network(checkpoint: Path, prefix: str, zipped: bool, tracked: bool) -> None:
    state = OrderedDict()  # as nn.Module.state_dict returns it
    for name, tensor in flat_state().items():
        state[prefix + name] = tensor
        if tracked and name.endswith("running_var"):
            state[prefix + name.replace("running_var", "num_batches_tracked")] = torch.tensor(1234)
    state._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined]
    torch.save(state, checkpoint, _use_new_zipfile_serialization=zipped)
    network = load_official(checkpoint)
    assert not network.training
    loaded = network.state_dict()
    for name, tensor in flat_state().items():
        assert torch.equal(loaded[reference.our_name(name)], tensor), name


def test_a_checkpoint_saved_on_a_graphics_card_is_read_without_one(checkpoint: Path) -> None:
    torch.save(flat_state(), checkpoint, _use_new_zipfile_serialization=False)
    on_cpu, on_card = (b"X" + len(place).to_bytes(4, "little") + place for place in (b"cpu", b"cuda:0"))
    written = checkpoint.read_bytes()
    assert on_cpu in written
    checkpoint.write_bytes(written.replace(on_cpu, on_card))
    assert next(load_official(checkpoint).parameters()).device.type == "cpu"


@pytest.mark.parametrize("suffix", [".th", ""])
def test_the_files_suffix_does_not_matter(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"weights{suffix}"
    torch.save(flat_state(), path)
    load_official(str(path))


def test_the_class_count_is_that_of_the_checkpoint(checkpoint: Path) -> None:
    torch.save(flat_state(num_classes=12), checkpoint)
    network = load_official(checkpoint)
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 192, 192)).shape == (1, 12, 192, 192)


def test_the_input_rule_is_the_identity(checkpoint: Path) -> None:
    torch.save(flat_state(), checkpoint)
    image = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(9)) * 3.2 - 1.6
    assert torch.equal(load_official(checkpoint).normalise(image), image)


# Tensors that do not fit ------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("name", ["firstconv.weight", "encoder3.5.bn2.running_var"])
def test_a_missing_tensor_is_named_as_in_the_file(checkpoint: Path, prefix: str, name: str) -> None:
    state = flat_state()
    del state[name]
    refused(saved(checkpoint, {prefix + key: value for key, value in state.items()}), naming=prefix + name)


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("", "fc.weight"),
        ("module.", "encoder1.0.downsample.0.weight"),
        ("", "encoder.conv1.weight"),
        ("module.", "normalise.mean"),
        ("", "finalconv3.num_batches_tracked"),
    ],
)
def test_an_extra_tensor_is_named_as_in_the_file(checkpoint: Path, prefix: str, name: str) -> None:
    state = flat_state() | {name: torch.zeros(3, 1, 1)}
    refused(saved(checkpoint, {prefix + key: value for key, value in state.items()}), naming=prefix + name)


def test_a_tensor_given_with_and_without_the_prefix_is_refused(checkpoint: Path) -> None:
    state = flat_state()
    twice = state | {"module.spp.conv.bias": state["spp.conv.bias"]}
    refused(saved(checkpoint, twice), naming="module.spp.conv.bias")


@pytest.mark.parametrize(
    ("prefix", "name", "shape"),
    [
        ("", "firstconv.weight", (64, 1, 7, 7)),
        ("module.", "encoder3.5.bn2.running_var", (1,)),
        ("", "dblock.conv1x1.bias", ()),
        ("module.", "finaldeconv1.weight", (32, 64, 4, 4)),
        ("", "finalconv3.weight", ()),
        ("module.", "finalconv3.weight", (0, 32, 3, 3)),
        ("", "finalconv3.weight", (1, 64, 3, 3)),
        ("module.", "finalconv3.bias", (2,)),
    ],
)
def test_a_misshapen_tensor_is_named_as_in_the_file(
    checkpoint: Path, prefix: str, name: str, shape: tuple[int, ...]
) -> None:
    state = flat_state() | {name: torch.zeros(()).expand(shape)}
    refused(saved(checkpoint, {prefix + key: value for key, value in state.items()}), naming=prefix + name)


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def refused(path: Path, *, naming: str = "") -> None:
    """The file is refused with file, cause and remedy on one line, and the tensor by its very name."""
    with pytest.raises(CenetError) as error:
        load_official(path)
    message = str(error.value)
    assert message.startswith(f"{path}: ")
    assert "; " in message
    assert "\n" not in message
    assert not naming or naming in re.findall(r"[\w.]+", message.removeprefix(f"{path}: "))


# Files that are no checkpoint -------------------------------------------------------------------------------


class Bomb:
    """Unpickled, it creates a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return builtins.open, (str(self.target), "w")


@pytest.mark.parametrize("place", ["value", "key", "whole", "beside"])
@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_pickled_code_is_refused_and_does_not_run(tmp_path: Path, form: str, place: str) -> None:
    path, target = tmp_path / "checkpoint.pth", tmp_path / "created-by-the-checkpoint"
    bomb = Bomb(target)
    content = {
        "value": flat_state() | {"firstconv.weight": bomb},
        "key": {bomb: torch.zeros(1)},
        "whole": bomb,
        "beside": {"state_dict": flat_state(), "args": bomb},
    }[place]
    torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    refused(path)
    assert not target.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_bare_pickle_is_refused_and_does_not_run(tmp_path: Path, protocol: int, suffix: str) -> None:
    path, target = tmp_path / f"checkpoint{suffix}", tmp_path / "created-by-the-checkpoint"
    path.write_bytes(pickle.dumps(Bomb(target), protocol))
    refused(path)
    assert not target.exists()


@pytest.mark.filterwarnings("ignore")  # the bomb leaves its file open
def test_unpickling_the_file_of_the_test_above_would_run_its_code(tmp_path: Path) -> None:
    target = tmp_path / "created"
    pickle.loads(pickle.dumps(Bomb(target))).close()
    assert target.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        b"\x80",
        b"not a checkpoint\n",
        b"<!DOCTYPE html><html>404</html>",
        b"\x80\x02.",
        b"\x80\x02}q\x00.",
        b"PK\x03\x04",
        b"\x89PNG\r\n\x1a\n" + b"\x00" * 64,
        b"\xff" * 4096,
        b"\x08\x00\x00\x00\x00\x00\x00\x00{}      ",
        bytes(range(256)) * 16,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"checkpoint{suffix}"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        None,
        torch.zeros(3),
        [torch.zeros(3)],
        {"epoch": 3},
        {"state_dict": {"firstconv.weight": torch.zeros(64, 3, 7, 7)}},
        {"firstconv.weight": "text"},
        {0: torch.zeros(3)},
        {None: torch.zeros(3), "finalconv3.weight": torch.zeros(1, 32, 3, 3)},
    ],
    ids=lambda content: repr(content)[:30],
)
def test_a_file_without_the_networks_tensors_is_refused(checkpoint: Path, content: Any) -> None:
    refused(saved(checkpoint, content))


def test_a_checkpoint_of_another_network_is_refused(checkpoint: Path) -> None:
    other = {"fc.weight": torch.zeros(1000, 512), "conv1.weight": torch.zeros(64, 3, 7, 7)}
    refused(saved(checkpoint, other))


def test_a_safetensors_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    save_file({"conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    refused(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.pth", tmp_path / "absent.safetensors", tmp_path):
        refused(path)


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors"])
def test_a_corrupted_or_altered_file_is_read_or_refused_and_never_crashes(tmp_path: Path, form: str) -> None:
    path = tmp_path / ("file.safetensors" if form == "safetensors" else "file.pth")
    tensors = {f"layer{i}.weight": torch.full((4, 3), float(i)) for i in range(3)}
    if form == "safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path, _use_new_zipfile_serialization=form == "zip")
    whole = path.read_bytes()
    chance = random.Random(10)
    for _ in range(300):
        altered = bytearray(whole)
        if chance.random() < 0.3:
            del altered[chance.randrange(len(altered)) :]
        for _ in range(chance.randint(1, 4) if altered else 0):
            altered[chance.randrange(len(altered))] = chance.randrange(256)
        path.write_bytes(altered)
        with contextlib.suppress(CenetError):
            read_tensors(path)
