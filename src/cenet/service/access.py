"""Who may ask: the token, the name that the service was called by, and the page that a request comes from."""

import hmac
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from cenet.service.problems import ProblemError

LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
OPEN_PATHS = frozenset({"/health", "/ready", "/docs", "/openapi.json"})  # hold nothing of anyone
OPEN_FOLDER = "/assets/"  # scripts and styles


@dataclass(frozen=True)
class AccessPolicy:
    """Decides whether a request is answered.

    Args:
        token: What a request must know; None where everyone on this machine may ask.
        hosts: The names by which the service may be called; None where any will do. A page of another site whose name
            was made to lead here calls it by its own name.
        cookie: The name of the cookie as which the token may come; None where it may not.
        open_paths: Further paths that need no token.
    """

    token: str | None = None
    hosts: frozenset[str] | None = LOOPBACK_NAMES
    cookie: str | None = None
    open_paths: frozenset[str] = frozenset()

    def check(self, path: str, headers: Headers) -> None:
        """Refuse a request that may not be answered.

        Args:
            path: What is asked for.
            headers: Of the request.

        Raises:
            ProblemError: It calls the service by another name, comes from a page of another site, or lacks the token.
        """
        host = headers.get("host", "")
        if self.hosts is not None and _host_name(host) not in self.hosts:
            raise ProblemError(421, "wrong-host", "the service is not called by this name; use its own address")
        origin = headers.get("origin")
        if origin is not None and _find_place(origin) != host.lower():
            raise ProblemError(403, "wrong-origin", "pages of other sites may not ask; ask from a program")
        if self.token is None or path in OPEN_PATHS | self.open_paths or path.startswith(OPEN_FOLDER):
            return
        if not any(is_same_token(given, self.token) for given in self._list_tokens(headers)):
            detail = "the token is missing or wrong; send the header Authorization: Bearer TOKEN"
            raise ProblemError(401, "token", detail)

    def _list_tokens(self, headers: Headers) -> list[str]:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        tokens = [bearer.strip()] if scheme.lower() == "bearer" else []
        if self.cookie is not None:
            try:
                cookies = SimpleCookie(headers.get("cookie", ""))
            except CookieError:
                return tokens
            tokens += [cookies[self.cookie].value] if self.cookie in cookies else []
        return tokens


def is_same_token(given: str, token: str) -> bool:
    """Compare tokens in a time that says nothing about where they differ.

    >>> is_same_token("secret", "secret"), is_same_token("guess", "secret")
    (True, False)
    """
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), token.encode())


def _find_place(origin: str) -> str | None:
    """The host and port in an Origin header; None where it cannot be read.

    >>> _find_place("http://LocalHost:8000"), _find_place("http://[")
    ('localhost:8000', None)
    """
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


def _host_name(host: str) -> str:
    """The name in a Host header, without its port.

    >>> _host_name("LocalHost:8000"), _host_name("[::1]:8000")
    ('localhost', '::1')
    """
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
