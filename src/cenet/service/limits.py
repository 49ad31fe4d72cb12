"""How much one request, and all requests together, may ask for."""

from dataclasses import dataclass

from cenet.errors import CenetError


@dataclass(frozen=True, kw_only=True)
class ServiceLimits:
    """The limits of a service; what is beyond them is refused before memory or time is spent on it.

    How many pixels an image may have is the limit of every command, `--max-pixels`.

    Args:
        max_body_bytes: Of one request, with all its images.
        max_batch: Images in one request.
        max_requests: Requests that are read, wait or are computed at the same time.
        max_decoded: Images that are decoded at the same time, of which one is predicted.
        body_timeout_s: How long the body of a request may take to arrive.
        request_timeout_s: How long a request may wait and be computed, from when its body has arrived.

    Raises:
        CenetError: One of them is not above 0.
    """

    max_body_bytes: int = 64 * 2**20
    max_batch: int = 16
    max_requests: int = 32
    max_decoded: int = 2
    body_timeout_s: float = 30
    request_timeout_s: float = 60

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < 10**15:
                raise CenetError(name, f"{value} is no limit", "give a number above 0")
