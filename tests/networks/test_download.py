"""Fetching: from one address, checked before the file gets its name, and nothing kept when anything fails."""

import gc
import hashlib
import http.server
import socket
import threading
import urllib.error
from pathlib import Path

import pytest

from cenet.errors import CenetError
from cenet.networks.pretrained import TORCHVISION_URLS, cache_path, download_weights

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
    pages, asked = {f"/{NAME}": CONTENT, "/torn.pth": CONTENT[:-1]}, []

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


def refused(address):
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
    message = refused(f"{address}/torn.pth")
    assert "the checksum is wrong and nothing was kept; try again, or another --from" in message
    assert everything(cache) == []


def test_a_page_that_is_not_there_is_told(cache, server):
    address, _, _ = server
    message = refused(f"{address}/nothing.pth")
    assert "cannot be downloaded (Not Found)" in message
    assert f"copy it to {cache / NAME}" in message
    assert everything(cache) == []


def test_a_machine_that_does_not_answer_is_told(cache):
    with socket.socket() as taken:  # bound and not listening: nobody else can answer there
        taken.bind(("127.0.0.1", 0))
        assert "cannot be downloaded (" in refused(f"http://127.0.0.1:{taken.getsockname()[1]}/{NAME}")
    assert everything(cache) == []


def test_a_server_that_speaks_something_else_is_told(cache):
    def talk():
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"220 this is not the web\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=talk)
        thread.start()
        assert "cannot be downloaded (" in refused(f"http://127.0.0.1:{listener.getsockname()[1]}/{NAME}")
        thread.join()
    assert everything(cache) == []


@pytest.mark.parametrize(
    "address", ["nonsense", "ftp://127.0.0.1/x", "file:///etc/hostname", "http://", "http://[::1/x"]
)
def test_an_address_that_is_none_is_told(cache, address):
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
    assert "cannot be downloaded (reset)" in refused(f"{server[0]}/{NAME}")
    assert everything(cache) == []


def test_a_cache_that_cannot_be_made_is_told(cache, server, monkeypatch, tmp_path):
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
