"""What the service counts: for Prometheus at /metrics, and one line for each request in the log."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

logger = logging.getLogger("cenet.service")

SECONDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60)
PREFIX = "cenet_"


class Monitor:
    """The counters of one service; none is labelled with anything that a client chose."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(f"{PREFIX}requests", "Requests answered.", ["route", "status"], registry=self.registry)
        self.request_seconds = Histogram(
            f"{PREFIX}request_seconds",
            "Time to the end of an answer.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            f"{PREFIX}stage_seconds",
            "Time of an image in each stage.",
            ["stage"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.admitted = Gauge(
            f"{PREFIX}admitted_requests", "Requests read, waiting or computed.", registry=self.registry
        )
        self.images = Counter(f"{PREFIX}images", "Images predicted.", ["model"], registry=self.registry)

    @contextmanager
    def measure_stage(self, stage: str) -> Iterator[None]:
        """Measure the time of one stage: read, predict or encode."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.observe_stage(stage, time.perf_counter() - begun)

    def observe_stage(self, stage: str, seconds: float) -> None:
        """Note the time of one stage."""
        self.stage_seconds.labels(stage).observe(seconds)

    def note_request(self, *, request_id: str, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request, and write its line.

        Args:
            request_id: Its number.
            method: Of HTTP.
            route: The pattern that it matched, never the path that the client sent.
            status: Of the answer.
            seconds: To the end of the answer.
        """
        self.requests.labels(route, str(status)).inc()
        self.request_seconds.labels(route).observe(seconds)
        logger.info("%s %s %s %d %.3f s", request_id, method, route, status, seconds)

    def format_metrics(self) -> bytes:
        """All counters in the text form of Prometheus."""
        return generate_latest(self.registry)


def configure_log(*, quiet: bool = False) -> None:
    """Write the lines of the service to standard error, with the time.

    Args:
        quiet: Write warnings and errors alone.
    """
    handler = logging.StreamHandler()
    formatter = logging.Formatter("%(asctime)sZ %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler.setFormatter(formatter)
    logger.handlers[:] = [handler]
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it quotes from bodies
