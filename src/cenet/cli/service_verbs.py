"""The verbs that answer requests: the service for programs, and the page for people."""

import os
import sys
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Annotated

from tyro.conf import Positional, arg

from cenet.cli.options import DeviceOptions, Flag, ImageOptions, Plugin
from cenet.cli.paths import find_model_or_run
from cenet.errors import CenetError
from cenet.safe_text import print_line

PATIENCE_S = 900  # of the only user of a page, whose computer may be slow
ModelsArgument = Annotated[Positional[tuple[str, ...]], arg(metavar="MODEL [MODEL ...]", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class LimitOptions:
    """What requests may ask for."""

    max_body: Annotated[int, arg(metavar="MIB")] = 64
    """largest body of a request, MiB"""
    max_requests: Annotated[int, arg(metavar="N")] = 32
    """requests that are served or wait; more are answered 429"""
    max_batch: Annotated[int, arg(metavar="N")] = 16
    """images in one request"""
    timeout: Annotated[float, arg(metavar="SECONDS")] = 60
    """how long a request may wait and be computed"""


@dataclass(frozen=True, kw_only=True)
class Serve:
    """Answer requests of other programs. Needs cenet[serve].

    A request holds an image, the answer its mask.

    Examples:
      cenet serve vessels-open
      CENET_TOKEN=... cenet serve runs/drive runs/disc --host 0.0.0.0 --port 8080
    """

    model: ModelsArgument
    """released models, run folders and files of `cenet export`; a request that names none gets the first"""
    host: Annotated[str, arg(metavar="ADDRESS")] = "127.0.0.1"
    """where to listen; anything but this machine needs a token"""
    port: Annotated[int, arg(metavar="N")] = 8000
    """port; 0: any free one"""
    token_file: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="(default: CENET_TOKEN)")] = None
    """file with the token that requests must send"""
    tta: Flag = False
    """average the predictions of the flips and quarter turns of training (up to eight)"""
    plugin: Plugin = None
    """module or file with code of your own, which is imported first"""
    limits: LimitOptions = field(default_factory=LimitOptions)
    images: ImageOptions = field(default_factory=ImageOptions)
    machine: DeviceOptions = field(default_factory=DeviceOptions)

    def execute(self) -> None:
        """Serve until SIGTERM or Ctrl+C."""
        check_extra("serve")
        check_models(self.model)
        from cenet.service.access import LOOPBACK_NAMES, AccessPolicy
        from cenet.service.application import build_service
        from cenet.service.limits import ServiceLimits
        from cenet.service.monitoring import configure_log
        from cenet.service.served_model import load_served_models
        from cenet.service.server import is_loopback, open_socket, read_token, run_server

        token = read_token(self.token_file, os.environ.get("CENET_TOKEN"), host=self.host)
        limits = ServiceLimits(
            max_body_bytes=self.limits.max_body * 2**20,
            max_requests=self.limits.max_requests,
            max_batch=self.limits.max_batch,
            request_timeout_s=self.limits.timeout,
        )
        listener = open_socket(self.host, self.port)
        with listener:
            models = load_served_models(self.model, device=self.machine.device, tta=self.tta)
            policy = AccessPolicy(token, LOOPBACK_NAMES if is_loopback(self.host) else None)
            app = build_service(models, limits=limits, policy=policy)
            configure_log()
            address = format_address(self.host, listener.getsockname()[1])
            run_server(app, listener, on_start=lambda: print_line(f"serving {', '.join(models)} at {address}/docs"))


@dataclass(frozen=True, kw_only=True)
class App:
    """Open a page to segment and correct images. Needs cenet[app].

    - Drop images on the page, look at their masks, correct and save them.
    - Nothing leaves this computer, and no other can reach the page.

    Examples:
      cenet app
      cenet app runs/mine vessels-open --corrections mine-corrected
    """

    model: Annotated[
        Positional[tuple[str, ...]],
        arg(metavar="[MODEL ...]", help_behavior_hint="(default: all that are installed)"),
    ] = ()
    """released models (see `cenet models`) and run folders to choose from"""
    corrections: Annotated[Path, arg(metavar="DIR")] = Path("corrections")
    """where corrected masks are saved, in a folder for each model"""
    port: Annotated[int, arg(metavar="N", help_behavior_hint="(default: any free one)")] = 0
    """port of the page"""
    no_browser: Flag = False
    """print the address of the page, and open no browser"""
    plugin: Plugin = None
    """module or file with code of your own, which is imported first"""
    images: ImageOptions = field(default_factory=ImageOptions)
    machine: DeviceOptions = field(default_factory=DeviceOptions)

    def execute(self) -> None:
        """Serve the page until Ctrl+C."""
        check_extra("app")
        from cenet.models.installed import list_installed_models

        names = self.model or tuple(list_installed_models())
        check_models(names)
        from cenet.data.io.files import check_writable
        from cenet.service.limits import ServiceLimits
        from cenet.service.monitoring import configure_log
        from cenet.service.page import build_page, make_token
        from cenet.service.served_model import load_served_models
        from cenet.service.server import open_socket, run_server

        check_writable(self.corrections)
        with open_socket("127.0.0.1", self.port) as listener:
            models = load_served_models(names, device=self.machine.device)
            port, token = listener.getsockname()[1], make_token()
            limits = ServiceLimits(request_timeout_s=PATIENCE_S)
            app = build_page(models, token=token, port=port, corrections=self.corrections.absolute(), limits=limits)
            configure_log(quiet=True)
            run_server(app, listener, on_start=lambda: self._open(f"http://127.0.0.1:{port}/?token={token}"))

    def _open(self, address: str) -> None:
        print_line(f"page: {address}")
        print_line("press Ctrl+C to end")
        if not self.no_browser:
            Thread(target=open_browser, args=(address,), daemon=True).start()  # one in a terminal does not return


def open_browser(address: str) -> None:
    """Open an address in the user's browser."""
    import webbrowser

    if not webbrowser.open(address):
        print_line("note: no browser could be opened; open the address above in one", file=sys.stderr)


def check_extra(extra: str) -> None:
    """Check that the packages of the web framework are installed.

    Raises:
        CenetError: They are not.
    """
    for module in ("fastapi", "uvicorn", "python_multipart", "prometheus_client"):
        if find_spec(module) is None:
            raise CenetError(
                f"cenet {extra}", f"needs {module}, which is not installed", f"pip install 'cenet[{extra}]'"
            )


def check_models(models: tuple[str, ...]) -> None:
    """Check that models are named and exist, before anything heavy is imported.

    Raises:
        CenetError: None is named, or one does not exist.
    """
    if not models:
        raise CenetError("MODEL", "no model is named", "name one of `cenet models`, or a run folder")
    for model in models:
        find_model_or_run(model)


def format_address(host: str, port: int) -> str:
    """The address of a service.

    >>> format_address("::1", 8000)
    'http://[::1]:8000'
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
