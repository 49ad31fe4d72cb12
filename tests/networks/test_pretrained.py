"""First weights: strictly those that were asked for, and no file runs code."""

import gc
import hashlib
import http.server
import pickle
import re
import socket
import threading
import urllib.error
from importlib import resources
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from cenet.errors import CenetError
from cenet.networks import pretrained as weights
from cenet.networks.encoders import ENCODERS
from cenet.networks.pretrained import (
    TORCHVISION_URLS,
    cache_path,
    check_sha256,
    download_weights,
    load_encoder,
    read_tensors,
    sha256,
)

BUNDLED = Path(str(resources.files("cenet.networks") / "bundled" / "resnet34-preact-imagenet.safetensors"))


class Tiny(nn.Module):
    """What is special in an encoder, at a small size: a norm of the channels, a first kernel, the rest."""

    def __init__(self, in_channels=3, width=4):
        super().__init__()
        self.bn_data = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, width, 7, padding=3, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3)


@pytest.fixture
def file(tmp_path):
    """The weights of a tiny encoder for RGB, with statistics such as training leaves."""
    torch.manual_seed(0)
    encoder = Tiny()
    nn.init.uniform_(encoder.bn_data.running_mean, 1, 9)
    path = tmp_path / "tiny.safetensors"
    save_file(encoder.state_dict(), path)
    return path


def refused(action):
    with pytest.raises(CenetError) as error:
        action()
    assert "\n" not in str(error.value)
    return str(error.value)


# Sources ----------------------------------------------------------------------------------------------------


def test_none_leaves_the_encoder_as_it_is():
    encoder = Tiny()
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    assert load_encoder(encoder, name="tiny", source="none") == "random weights"
    assert all(torch.equal(tensor, before[name]) for name, tensor in encoder.state_dict().items())


def test_the_bundled_weights_fill_their_encoder(uninitialised):
    encoder = ENCODERS["resnet34-preact"](3)
    said = load_encoder(encoder, name="resnet34-preact", source="bundled")
    assert said == f"bundled: {BUNDLED.name}, SHA-256 {hashlib.sha256(BUNDLED.read_bytes()).hexdigest()[:16]}"
    stored = load_file(BUNDLED)
    state = encoder.state_dict()
    assert {name for name in state if not name.endswith("num_batches_tracked")} == set(stored)
    for name, tensor in stored.items():
        assert state[name].dtype == torch.float32
        assert torch.equal(state[name], tensor.float()), name
    assert BUNDLED.stat().st_size <= 43e6


def test_a_file_fills_its_encoder_in_either_format(file):
    torch.save(load_file(file), file.with_suffix(".pth"))
    for path in (file, file.with_suffix(".pth")):
        encoder = Tiny()
        said = load_encoder(encoder, name="tiny", source=str(path))
        assert said == f"file: {path.name}, SHA-256 {sha256(path)[:16]}"
        assert all(torch.equal(tensor, load_file(file)[name]) for name, tensor in encoder.state_dict().items())


def test_half_precision_and_a_classifier_and_missing_counters_do_no_harm(file):
    tensors = {name: tensor.half() for name, tensor in load_file(file).items() if "tracked" not in name}
    torch.save({**tensors, "fc.weight": torch.zeros(1000, 4)}, file.with_suffix(".pth"))
    encoder = Tiny()
    load_encoder(encoder, name="tiny", source=str(file.with_suffix(".pth")))
    assert encoder.conv1.weight.dtype == torch.float32
    assert torch.equal(encoder.conv1.weight, tensors["conv1.weight"].float())


@pytest.fixture
def imagenet(file, tmp_path, monkeypatch):
    """A cache in which torchvision's file of the tiny encoder lies."""
    monkeypatch.setenv("CENET_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    torch.save(load_file(file), tmp_path / "weights.pth")
    name = f"tiny-{sha256(tmp_path / 'weights.pth')[:8]}.pth"
    monkeypatch.setitem(weights.TORCHVISION_URLS, "tiny", f"https://nowhere.invalid/{name}")
    return (tmp_path / "weights.pth").rename(tmp_path / "cache" / name)


def test_imagenet_weights_come_from_the_cache(imagenet, file):
    encoder = Tiny()
    assert load_encoder(encoder, name="tiny", source="imagenet").startswith(f"imagenet: {imagenet.name}, SHA-256 ")
    assert torch.equal(encoder.conv1.weight, load_file(file)["conv1.weight"])


def test_imagenet_weights_that_are_not_there_are_answered_with_the_command(imagenet):
    imagenet.unlink()
    message = refused(lambda: load_encoder(Tiny(), name="tiny", source="imagenet"))
    assert message.startswith(f"{imagenet}: ")
    assert "`cenet weights imagenet --encoder tiny`" in message
    assert "--encoder-weights bundled" in message


def test_a_corrupted_file_in_the_cache_is_refused(imagenet):
    imagenet.write_bytes(imagenet.read_bytes()[:-1])
    message = refused(lambda: load_encoder(Tiny(), name="tiny", source="imagenet"))
    assert (
        message
        == f"{imagenet}: the checksum is wrong, the file is corrupted or altered; delete it and download it again"
    )


def test_the_cache_is_in_the_home_folder_where_nothing_else_is_said(monkeypatch):
    monkeypatch.delenv("CENET_CACHE", raising=False)
    assert cache_path("resnet18") == Path.home() / ".cache" / "cenet" / "resnet18-f37072fd.pth"


def test_a_checksum_is_that_of_the_file(tmp_path):
    content = b"abc" * 100_000
    path = tmp_path / f"x-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    path.write_bytes(content)
    assert sha256(path) == hashlib.sha256(content).hexdigest()
    check_sha256(path)


# What does not fit ------------------------------------------------------------------------------------------


def test_a_tensor_more_or_less_is_refused_by_name(file):
    tensors = load_file(file)
    kernel = tensors.pop("conv2.weight")
    for saved, words in (
        (tensors, "(1 tensors missing, 0 extra, such as conv2.weight)"),
        ({**tensors, "conv2.weight": kernel, "more": torch.zeros(1)}, "(0 tensors missing, 1 extra, such as more)"),
    ):
        save_file(saved, file)
        message = refused(lambda: load_encoder(Tiny(), name="tiny", source=str(file)))
        assert message == (
            f"{file}: does not fit the encoder tiny {words}; choose the --encoder that the file was made for"
        )


def test_a_misshapen_tensor_is_refused_by_name(file):
    message = refused(lambda: load_encoder(Tiny(width=5), name="tiny", source=str(file)))
    assert message.startswith(f"{file}: conv1.weight has the shape [4, 3, 7, 7] where the encoder tiny needs [5, 3,")


@pytest.mark.parametrize("name", ["resnet18", "resnet34"])
def test_the_bundled_file_fits_no_other_encoder(name):
    with torch.device("meta"):
        encoder = ENCODERS[name](3)
    message = refused(lambda: load_encoder(encoder, name=name, source=str(BUNDLED)))
    assert f"does not fit the encoder {name}" in message


class Bomb:
    """Its pickle runs code when it is read without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_that_would_run_code_is_refused_and_does_not(tmp_path, zipped):
    path, sign = tmp_path / "bomb.pth", tmp_path / "it-ran"
    torch.save({"w": torch.zeros(1), "x": Bomb(sign)}, path, _use_new_zipfile_serialization=zipped)
    assert refused(lambda: read_tensors(path)).startswith(f"{path}: ")
    path.write_bytes(pickle.dumps(Bomb(sign)))
    assert "could run code" in refused(lambda: read_tensors(path))
    assert not sign.exists()
    pickle.loads(path.read_bytes())  # the bomb is a real one
    assert sign.exists()


@pytest.mark.parametrize("suffix", [".safetensors", ".pth", ".th", ""])
@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"weights", b"\x00" * 100, b"\xff" * 9])
def test_a_file_that_holds_no_weights_is_refused_by_name(tmp_path, suffix, content):
    path = tmp_path / f"file{suffix}"
    path.write_bytes(content)
    assert re.match(rf"^{path}: .+; .+", refused(lambda: read_tensors(path)))


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_file_that_is_cut_is_refused_by_name(file, part):
    torch.save(load_file(file), file.with_suffix(".pth"))
    for path in (file, file.with_suffix(".pth")):
        path.write_bytes(path.read_bytes()[: int(part * path.stat().st_size)])
        assert refused(lambda path=path: read_tensors(path)).startswith(f"{path}: ")


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    for path in (tmp_path / "nothing.pth", tmp_path):
        assert refused(lambda path=path: read_tensors(path)) == f"{path}: there is no such file; check the path"


@pytest.mark.parametrize(
    "content", [torch.zeros(1), [torch.zeros(1)], {"a": 1}, {1: torch.zeros(1)}, {"a": {}}], ids=str
)
def test_what_is_no_state_dict_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "x.pth")
    assert "holds no state_dict of tensors" in refused(lambda: read_tensors(tmp_path / "x.pth"))


# Other channels ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
def test_a_grey_image_passes_the_adapted_first_kernel_as_it_passes_as_rgb(file, channels):
    rgb, other = Tiny(), Tiny(channels)
    for encoder in (rgb, other):
        load_encoder(encoder, name="tiny", source=str(file))
    grey = torch.rand(2, 1, 12, 12)
    with torch.no_grad():
        expected = rgb.conv1(grey.expand(-1, 3, -1, -1))
        torch.testing.assert_close(other.conv1(grey.expand(-1, channels, -1, -1)), expected)
    assert torch.equal(other.conv2.weight, rgb.conv2.weight)
    mean = rgb.bn_data.running_mean.mean()
    torch.testing.assert_close(other.bn_data.running_mean, mean.expand(channels))


@pytest.mark.parametrize("channels", [1, 4])
def test_the_bundled_weights_take_any_number_of_channels(channels, uninitialised):
    with torch.no_grad():
        encoder = ENCODERS["resnet34-preact"](channels)
        load_encoder(encoder, name="resnet34-preact", source="bundled")
        stored = load_file(BUNDLED)
        assert encoder.conv0.weight.shape == (64, channels, 7, 7)
        for channel in range(channels):
            torch.testing.assert_close(
                encoder.conv0.weight[:, channel], stored["conv0.weight"].float().sum(dim=1) / channels
            )
        assert torch.equal(encoder.bn_data.weight, stored["bn_data.weight"].float().mean().expand(channels))


# Downloading: checked before the file gets its name, and nothing kept when anything fails ------------------

CONTENT = b"weights of an encoder" * 1000
NAME = f"resnet18-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and an official address that nobody can reach by mistake."""
    monkeypatch.setenv("CENET_CACHE", str(tmp_path / "deep" / "cache"))
    monkeypatch.setitem(TORCHVISION_URLS, "resnet18", f"http://127.0.0.1:9/models/{NAME}")
    return tmp_path / "deep" / "cache"


@pytest.fixture
def server():
    """A server of this machine: gives its address, what it serves, and what it was asked for."""
    pages, asked = {f"/{NAME}": CONTENT, "/corrupted.pth": CONTENT[:-1]}, []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if self.path not in pages:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(pages[self.path])))
            self.end_headers()
            self.wfile.write(pages[self.path])

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}", pages, asked
        httpd.shutdown()
        thread.join()


def refused_download(address):
    with pytest.raises(CenetError) as error:
        download_weights("resnet18", address=address)
    message = str(error.value)
    assert message.startswith(f"{address}: ")
    assert "\n" not in message
    if isinstance(error.value.__cause__, urllib.error.HTTPError):
        error.value.__cause__.close()  # an answer of the server's, still open
    return message


def everything(cache):
    return [path.name for path in cache.rglob("*")] if cache.exists() else []


def test_a_file_is_fetched_checked_and_kept(cache, server):
    address, _, asked = server
    assert download_weights("resnet18", address=f"{address}/{NAME}") == cache / NAME == cache_path("resnet18")
    assert (cache / NAME).read_bytes() == CONTENT
    assert everything(cache) == [NAME]
    assert asked == [f"/{NAME}"]


def test_the_official_address_is_asked_where_no_other_is_named(cache, server, monkeypatch):
    address, _, asked = server
    monkeypatch.setitem(TORCHVISION_URLS, "resnet18", f"{address}/{NAME}")
    assert download_weights("resnet18").read_bytes() == CONTENT
    assert asked == [f"/{NAME}"]


def test_the_official_files_are_torchvisions():
    assert TORCHVISION_URLS == {
        "resnet18": "https://download.pytorch.org/models/resnet18-f37072fd.pth",
        "resnet34": "https://download.pytorch.org/models/resnet34-b627a593.pth",
    }


def test_what_is_in_the_cache_is_not_fetched_again(cache, server):
    address, _, asked = server
    download_weights("resnet18", address=f"{address}/{NAME}")
    assert download_weights("resnet18", address=f"{address}/{NAME}") == cache / NAME
    assert len(asked) == 1


def test_a_corrupt_file_in_the_cache_is_an_error_and_not_replaced(cache, server):
    address, _, asked = server
    cache.mkdir(parents=True)
    (cache / NAME).write_bytes(CONTENT[:-1])
    with pytest.raises(CenetError, match="the checksum is wrong"):
        download_weights("resnet18", address=f"{address}/{NAME}")
    assert (cache / NAME).read_bytes() == CONTENT[:-1]
    assert asked == []


def test_a_wrong_checksum_leaves_nothing(cache, server):
    address, _, _ = server
    message = refused_download(f"{address}/corrupted.pth")
    assert "the checksum is wrong and nothing was kept; try again, or another --from" in message
    assert everything(cache) == []


def test_a_page_that_is_not_there_is_reported(cache, server):
    address, _, _ = server
    message = refused_download(f"{address}/nothing.pth")
    assert "cannot be downloaded (Not Found)" in message
    assert f"copy it to {cache / NAME}" in message
    assert everything(cache) == []


def test_a_machine_that_does_not_answer_is_reported(cache):
    with socket.socket() as taken:  # bound and not listening: nobody else can answer there
        taken.bind(("127.0.0.1", 0))
        assert "cannot be downloaded (" in refused_download(f"http://127.0.0.1:{taken.getsockname()[1]}/{NAME}")
    assert everything(cache) == []


def test_a_server_that_speaks_something_else_is_reported(cache):
    def talk():
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"220 this is not the web\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=talk)
        thread.start()
        assert "cannot be downloaded (" in refused_download(f"http://127.0.0.1:{listener.getsockname()[1]}/{NAME}")
        thread.join()
    assert everything(cache) == []


@pytest.mark.parametrize(
    "address", ["nonsense", "ftp://127.0.0.1/x", "file:///etc/hostname", "http://", "http://[::1/x"]
)
def test_an_address_that_is_none_is_reported(cache, address):
    with pytest.raises(CenetError) as error:
        download_weights("resnet18", address=address)
    assert f"{address}: " in str(error.value)
    assert "is no web address" in str(error.value) or "cannot be downloaded" in str(error.value)
    assert everything(cache) == []
    del error
    gc.collect()  # a file that was left open would tell so


def test_what_a_broken_download_leaves_is_removed(cache, server, monkeypatch):
    def stop(_, target, **__):
        Path(f"{target}.0123.partial").write_bytes(CONTENT[:9])
        raise ConnectionResetError("reset")

    monkeypatch.setattr("torch.hub.download_url_to_file", stop)
    assert "cannot be downloaded (reset)" in refused_download(f"{server[0]}/{NAME}")
    assert everything(cache) == []


def test_a_cache_that_cannot_be_made_is_reported(cache, server, monkeypatch, tmp_path):
    address, _, _ = server
    (tmp_path / "file").write_text("mine")
    monkeypatch.setenv("CENET_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(CenetError, match=str(tmp_path / "file")):
        download_weights("resnet18", address=f"{address}/{NAME}")
    assert (tmp_path / "file").read_text() == "mine"


def test_the_command_says_where_the_weights_are(cache, server, cenet, capsys):
    address, _, _ = server
    assert cenet("weights", "imagenet", "--encoder", "resnet18", "--from", f"{address}/{NAME}") == 0
    assert capsys.readouterr().out == f"weights: {cache / NAME}\n"
    assert cenet("weights", "imagenet", "--encoder", "resnet18", "--from", f"{address}/other") == 0  # it is there
    (cache / NAME).unlink()
    assert cenet("weights", "imagenet", "--encoder", "resnet18", "--from", f"{address}/other") == 1
    assert "cannot be downloaded" in capsys.readouterr().err


def test_an_altered_file_of_the_package_is_refused(monkeypatch):
    monkeypatch.setitem(weights.BUNDLED_SHA256, "resnet34-preact", "0" * 64)
    with pytest.raises(CenetError, match="checksum is wrong") as caught:
        load_encoder(Tiny(), name="resnet34-preact", source="bundled")
    assert caught.value.remedy == "install cenet again"
