"""Listen, answer, and on SIGTERM finish what was accepted."""

import math
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import uvicorn
from fastapi import FastAPI

from cenet.errors import CenetError
from cenet.service.access import LOOPBACK_NAMES

MIN_TOKEN_CHARACTERS = 16


class _Server(uvicorn.Server):
    """Says to the application that it stops before the sockets are closed."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.config.app.state.service.queue.draining = True  # type: ignore[union-attr]  # it is ours
        super().handle_exit(sig, frame)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a host.

    >>> is_loopback("127.0.0.1"), is_loopback("0.0.0.0")
    (True, False)
    """
    return host in LOOPBACK_NAMES


def read_token(file: Path | None, environment: str | None, *, host: str) -> str | None:
    """The token that a request must know: from a file, or from the environment; on a command line others would see it.

    Args:
        file: Holds it, with nothing else.
        environment: The value of CENET_TOKEN.
        host: Where the service listens; only on this machine may there be none.

    Raises:
        CenetError: There is none though others can reach the service, or it is too short.
    """
    token = environment
    if file is not None:
        try:
            token = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise CenetError(file, "the token cannot be read", "name a text file with the token") from error
    token = (token or "").strip()
    if not token:
        if is_loopback(host) and file is None:
            return None
        cause = "others can reach the service, and there is no token"
        remedy = "set CENET_TOKEN, or name a file with --token-file, or listen on 127.0.0.1"
        raise CenetError(f"--host {host}", cause, remedy)
    if len(token) < MIN_TOKEN_CHARACTERS or not token.isascii() or not token.isprintable() or " " in token:
        remedy = 'make one with `python -c "import secrets; print(secrets.token_urlsafe())"`'
        raise CenetError("the token", f"is not {MIN_TOKEN_CHARACTERS} or more letters and digits", remedy)
    return token


def open_socket(host: str, port: int) -> socket.socket:
    """Take a port.

    Args:
        host: Its name or address.
        port: 0 for any free one.

    Raises:
        CenetError: It is in use, or may not be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        cause = f"cannot be listened on ({reason})"
        raise CenetError(f"{host}:{port}", cause, "choose another --port, or 0 for any free one") from error
    return listener


def run_server(app: FastAPI, listener: socket.socket, *, on_start: Callable[[], None] = lambda: None) -> None:
    """Answer requests until SIGTERM or Ctrl+C; what was accepted is finished before this returns.

    Args:
        app: From `build_service`.
        listener: From `open_socket`.
        on_start: Called before the first request is answered.
    """
    limits = app.state.service.limits
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,  # its lines hold paths and queries
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=math.ceil(limits.body_timeout_s + limits.request_timeout_s) + 5,
        h11_max_incomplete_event_size=64 * 2**10,
        ws="none",
    )
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn raises the signal again when all is finished
    listener.listen(2048)  # from here on, who asks is answered
    on_start()
    _Server(config).run(sockets=[listener])
