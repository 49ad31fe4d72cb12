"""A real server in a process of its own: it finishes what it accepted, and refuses what cannot be served."""

import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from stub_service import encode_image

from cenet.errors import CenetError
from cenet.service.server import open_socket, read_token

PROGRAM = """
import time
from stub_service import predict_bright, stub_app, stub_model
from cenet.service.limits import ServiceLimits
from cenet.service.server import open_socket, run_server

def slow(pixels, *, name, uncertainty):
    time.sleep(1)
    return predict_bright(pixels)

listener = open_socket("127.0.0.1", 0)
app = stub_app(stub_model(predict=slow), limits=ServiceLimits(body_timeout_s=2))
run_server(app, listener, on_start=lambda: print(listener.getsockname()[1], flush=True))
print("ended", flush=True)
"""


@pytest.fixture
def server():
    """A server whose predictions take a second: its process and port."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent
    )
    port = int(process.stdout.readline())
    while True:
        try:
            httpx.get(f"http://127.0.0.1:{port}/health")
            break
        except httpx.ConnectError:
            time.sleep(0.02)
    yield process, port
    process.kill()
    process.wait()
    process.stdout.close()


def wait_until_admitted(port, count):
    end = time.monotonic() + 20
    while f"cenet_admitted_requests {count}.0" not in httpx.get(f"http://127.0.0.1:{port}/metrics").text:
        assert time.monotonic() < end


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM to send")
def test_a_server_that_is_asked_to_stop_finishes_what_it_accepted(server):
    process, port = server
    statuses = []

    def ask():
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/predict", files={"image": ("a.png", encode_image())})
        statuses.append(answer.status_code)

    slow = socket.create_connection(("127.0.0.1", port))  # its body never ends
    head = "POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99\r\n"
    slow.sendall(f"{head}Content-Type: multipart/form-data; boundary=a\r\n\r\n--a".encode())
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    wait_until_admitted(port, 4)
    process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    answer = slow.recv(4096)
    slow.close()
    assert statuses == [200] * 3
    assert re.match(rb"HTTP/1.1 408 ", answer)
    assert process.wait(10) == 0
    assert process.stdout.read().strip() == "ended"


def test_a_port_that_is_in_use_is_refused():
    with open_socket("127.0.0.1", 0) as listener:
        listener.listen()
        with pytest.raises(CenetError) as refusal:
            open_socket("127.0.0.1", listener.getsockname()[1])
    assert "--port" in refusal.value.remedy


@pytest.mark.parametrize("port", [-1, 70_000])
def test_no_port(port):
    with pytest.raises(CenetError):
        open_socket("127.0.0.1", port)


def test_a_token_is_needed_where_others_can_ask(tmp_path):
    assert read_token(None, None, host="127.0.0.1") is None
    with pytest.raises(CenetError) as refusal:
        read_token(None, " ", host="0.0.0.0")
    assert "CENET_TOKEN" in refusal.value.remedy
    assert read_token(None, "abcdefghijklmnop\n", host="0.0.0.0") == "abcdefghijklmnop"
    file = tmp_path / "token"
    file.write_text("0123456789abcdefg\n")
    assert read_token(file, "abcdefghijklmnop", host="127.0.0.1") == "0123456789abcdefg"


@pytest.mark.parametrize("content", ["", "short", "with a space in it ......"])
def test_a_weak_token_is_refused(tmp_path, content):
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(CenetError):
        read_token(file, None, host="127.0.0.1")


def test_a_token_file_that_is_missing(tmp_path):
    with pytest.raises(CenetError):
        read_token(tmp_path / "none", None, host="127.0.0.1")
