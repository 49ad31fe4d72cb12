"""One bounded queue for all requests: what is admitted is finished, and what does not fit is refused at once.

A predictor takes one image at a time, whatever its size, and uses all cores, so images are predicted one after another
in one thread. While one is predicted, the next is decoded and the answer of the last one is encoded.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from cenet.service.limits import ServiceLimits
from cenet.service.monitoring import Monitor
from cenet.service.problems import ProblemError

ImageT = TypeVar("ImageT")
PredictionT = TypeVar("PredictionT")
AnswerT = TypeVar("AnswerT")


@dataclass
class Job(Generic[ImageT, PredictionT, AnswerT]):
    """What is done for one image, in three steps; each runs in a thread.

    Args:
        read: Decodes the image.
        predict: Predicts it; never two at a time.
        encode: Makes the answer.
        is_wanted: Whether the client still waits.
    """

    read: Callable[[], ImageT]
    predict: Callable[[ImageT], PredictionT]
    encode: Callable[[ImageT, PredictionT], AnswerT]
    is_wanted: Callable[[], Awaitable[bool]]
    started: bool = False
    abandoned: bool = False


class PredictionQueue:
    """Admits requests up to a number, and runs their jobs in the order in which they came.

    Args:
        limits: How many at a time, and how long.
        monitor: Counts what happens.
    """

    def __init__(self, limits: ServiceLimits, monitor: Monitor) -> None:
        self.limits, self.monitor = limits, monitor
        self.admitted = 0
        self.draining = False
        self._decoded = asyncio.Semaphore(limits.max_decoded)  # first come, first served
        self._codec = ThreadPoolExecutor(limits.max_decoded, thread_name_prefix="cenet-codec")
        self._predictor = ThreadPoolExecutor(1, thread_name_prefix="cenet-predict")
        self._tasks: set[asyncio.Task[Any]] = set()

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Take a place in the queue for as long as a request is served.

        Raises:
            ProblemError: There is none, or the service is stopping.
        """
        if self.draining:
            raise ProblemError(503, "stopping", "the service is stopping; ask another one", retry_after_s=30)
        if self.admitted >= self.limits.max_requests:
            raise ProblemError(429, "queue-full", "too many requests are waiting; try again later", retry_after_s=2)
        self.admitted += 1
        self.monitor.admitted.set(self.admitted)
        try:
            yield
        finally:
            self.admitted -= 1
            self.monitor.admitted.set(self.admitted)

    async def run(self, job: Job[Any, Any, AnswerT]) -> AnswerT:
        """Run a job when its turn comes.

        Raises:
            ProblemError: It took too long, the client has gone, or the image is refused.
        """
        task = asyncio.create_task(self._work(job))
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        done, _ = await asyncio.wait({task}, timeout=self.limits.request_timeout_s)
        if task in done:
            return task.result()
        job.abandoned = True  # a thread cannot be stopped: the step that runs is finished, and none follows
        if not job.started:
            task.cancel()
        detail = f"no answer within {self.limits.request_timeout_s:g} s; try again later, or with a smaller image"
        raise ProblemError(503, "too-slow", detail, retry_after_s=10)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # of an abandoned job it is read nowhere else

    async def _work(self, job: Job[Any, Any, AnswerT]) -> AnswerT:
        loop = asyncio.get_running_loop()
        begun = time.perf_counter()
        async with self._decoded:
            job.started = True
            self.monitor.observe_stage("wait", time.perf_counter() - begun)
            if not await job.is_wanted():
                raise ProblemError(400, "disconnected", "the client has gone")
            with self.monitor.measure_stage("read"):
                image = await loop.run_in_executor(self._codec, job.read)
            _check_not_abandoned(job)
            prediction = await loop.run_in_executor(self._predictor, self._predict, job, image)
            with self.monitor.measure_stage("encode"):
                return await loop.run_in_executor(self._codec, job.encode, image, prediction)

    def _predict(self, job: Job[ImageT, PredictionT, Any], image: ImageT) -> PredictionT:
        _check_not_abandoned(job)
        with self.monitor.measure_stage("predict"):
            return job.predict(image)

    async def close(self) -> None:
        """Finish what was admitted, and end the threads."""
        self.draining = True
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        self._codec.shutdown()
        self._predictor.shutdown()


def _check_not_abandoned(job: Job[Any, Any, Any]) -> None:
    if job.abandoned:
        raise ProblemError(503, "too-slow", "no answer in time")
