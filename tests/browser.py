"""Chromium, which tests command through a pipe."""

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time

QUIET = """--headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync
    --disable-component-update --disable-dev-shm-usage --remote-debugging-pipe"""
# The browser reads commands from descriptor 3 and answers on descriptor 4.
LAUNCH = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); os.execv(sys.argv[3], sys.argv[3:])"
)
PATIENCE_S = 20


class Tab:
    """A page in the browser; what it logs, throws and asks for is gathered in `events`."""

    def __init__(self, process, reader, writer):
        self.process, self.reader, self.writer = process, reader, writer
        self.rest, self.count, self.session, self.events = b"", 0, None, []
        target = self.tell("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.tell("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.tell(f"{domain}.enable")

    def receive(self):
        end = time.monotonic() + PATIENCE_S
        while b"\0" not in self.rest:
            ready, _, _ = select.select([self.reader], [], [], max(end - time.monotonic(), 0))
            more = os.read(self.reader, 1 << 20) if ready else b""
            assert more, "the browser does not answer"
            self.rest += more
        message, _, self.rest = self.rest.partition(b"\0")
        answer = json.loads(message)
        if answer.get("method") == "Page.javascriptDialogOpening":  # leave a page whatever it asks
            leave = {"id": 10**6, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
            os.write(self.writer, json.dumps(leave | {"sessionId": self.session}).encode() + b"\0")
        return answer

    def tell(self, method, **params):
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.writer, json.dumps(message).encode() + b"\0")
        while (answer := self.receive()).get("id") != self.count:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, address, *, width=1200, height=900):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.tell("Emulation.setDeviceMetricsOverride", **size)
        self.events.clear()
        self.tell("Page.navigate", url=address)
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self.receive())

    def ask(self, script):
        """The value of a script, once the page has settled."""
        answer = self.tell("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def click(self, script):
        """Click with the mouse on the middle of the element that a script finds."""
        place = "e.scrollIntoView({block: 'center', behavior: 'instant'}); const b = e.getBoundingClientRect(); "
        x, y = self.ask(f"{{ const e = {script}; {place} [b.x + b.width / 2, b.y + b.height / 2] }}")
        for kind in ("mousePressed", "mouseReleased"):
            self.tell("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def wait_for(self, script):
        """Wait until a script gives something true, which is returned."""
        end = time.monotonic() + PATIENCE_S
        while not (value := self.ask(script)):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.02)
        return value

    def press(self, key, *, code="", modifiers=0):
        """Press a key; modifiers 2 is Ctrl."""
        text = {"text": key} if len(key) == 1 and not modifiers else {}
        for kind in ("keyDown", "keyUp"):
            event = {"type": kind, "key": key, "code": code, "modifiers": modifiers}
            self.tell("Input.dispatchKeyEvent", **event, **(text if kind == "keyDown" else {}))

    def drag(self, points):
        """Drag the mouse from the first of some points of the window to the last."""
        (x, y), *others = points
        self.tell("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", buttons=1, clickCount=1)
        for x, y in others:
            self.tell("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
        self.tell("Input.dispatchMouseEvent", type="mouseReleased", x=x, y=y, button="left", clickCount=1)

    def choose_files(self, selector, paths):
        """Choose files in a file input."""
        root = self.tell("DOM.getDocument")["root"]["nodeId"]
        node = self.tell("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.tell("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def set_colour_scheme(self, scheme):
        """Let the system ask for light or dark."""
        self.tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self):
        """The window as PNG."""
        return base64.b64decode(self.tell("Page.captureScreenshot", captureBeyondViewport=True)["data"])

    def troubles(self, home="file:///"):
        """Errors and warnings on the console, exceptions, and requests for anything but the page and its data.

        Args:
            home: How the addresses begin that may be asked for.
        """
        problems = []
        for event in self.events:
            method, params = event.get("method"), event.get("params", {})
            loud = method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert")
            asked = params["request"]["url"] if method == "Network.requestWillBeSent" else ""
            elsewhere = asked and not asked.startswith((home, "data:", "blob:"))
            if loud or elsewhere or method in ("Runtime.exceptionThrown", "Log.entryAdded"):
                problems.append(asked or params)
        return problems


@contextlib.contextmanager
def open_tab(chromium, profile):
    """A tab of a browser of its own.

    Args:
        chromium: The browser's program.
        profile: An empty folder, which is removed.
    """
    pipes = [os.pipe(), os.pipe()]
    commands, answers = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (pipes[0][0], pipes[1][1]))
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            LAUNCH,
            str(commands),
            str(answers),
            chromium,
            *QUIET.split(),
            f"--user-data-dir={profile}",
        ],
        pass_fds=(commands, answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for end in (commands, answers, pipes[0][0], pipes[1][1]):
        os.close(end)
    try:
        yield Tab(process, pipes[1][0], pipes[0][1])
    finally:
        with contextlib.suppress(OSError):
            os.write(pipes[0][1], b'{"id": 0, "method": "Browser.close"}\0')
        try:
            process.wait(timeout=PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        os.close(pipes[0][1])
        os.close(pipes[1][0])
        shutil.rmtree(profile, ignore_errors=True)
