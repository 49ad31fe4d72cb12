"""What surrounds every request: its number, who may ask, the headers of the answer, and its line in the log."""

import asyncio
import secrets
import time
import traceback
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cenet.service.access import AccessPolicy
from cenet.service.monitoring import Monitor, logger
from cenet.service.problems import ProblemError, respond_problem

# Nothing from elsewhere is loaded, run or shown, and the address, which may hold the token, is sent nowhere.
ANSWER_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; style-src 'self' 'unsafe-inline'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
DISCARDING_S = 5  # how long the rest of a refused body is received
DISCARDED_BYTES = 2**30


class RequestFrame:
    """The outermost layer of the application.

    Args:
        app: What answers.
        policy: Who may ask.
        monitor: Counts the requests.
    """

    def __init__(self, app: ASGIApp, *, policy: AccessPolicy, monitor: Monitor) -> None:
        self.app, self.policy, self.monitor = app, policy, monitor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id, begun = secrets.token_hex(8), time.perf_counter()
        scope.setdefault("state", {})["request_id"] = request_id
        status, body_ended = 0, False

        async def receive_to_end() -> Message:
            nonlocal body_ended
            message = await receive()
            body_ended = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if status >= 400 and status != 408 and not body_ended:
                    await discard_body(receive_to_end)
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in ANSWER_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            try:
                self.policy.check(scope["path"], Headers(scope=scope))
            except ProblemError as error:
                await respond_problem(error, request_id)(scope, receive_to_end, send_with_headers)
            else:
                await self.app(scope, receive_to_end, send_with_headers)
        except Exception as error:  # whatever it is, the client gets an answer and the log its place
            logger.error("%s failed: %s", request_id, format_failure(error))
            if not status:
                problem = ProblemError(500, "failed", "the service failed; its log says where")
                await respond_problem(problem, request_id)(scope, receive_to_end, send_with_headers)
        finally:
            self.monitor.note_request(
                request_id=request_id,
                method=scope["method"] if scope["method"] in ("GET", "POST", "HEAD") else "OTHER",
                route=_route_of(scope),
                status=status,
                seconds=time.perf_counter() - begun,
            )


async def discard_body(receive: Receive) -> None:
    """Receive what is left of a body that was refused, for a moment: a client that still sends reads no answer."""
    received = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(DISCARDING_S):
            while received < DISCARDED_BYTES:
                message = await receive()
                received += len(message.get("body", b""))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return


def format_failure(error: BaseException) -> str:
    """The kind and the place of a failure, without its message, which may hold something of an image.

    >>> try:
    ...     int("Jane Doe")
    ... except ValueError as error:
    ...     "Jane" in format_failure(error), format_failure(error).startswith("ValueError at ")
    (False, True)
    """
    places = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    return f"{type(error).__name__} at {' > '.join(places[-6:])}"


def _route_of(scope: Scope) -> str:
    """The pattern that a request matched; `other` where it matched none."""
    path: str = getattr(scope.get("route"), "path", "other")
    return path
