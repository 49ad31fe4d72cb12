"""The queue is bounded, keeps its order, and ends what takes too long."""

import asyncio
import threading

import numpy as np
import pytest
from stub_service import ask_all, encode_image, post_image, predict_bright, stub_app, stub_model

from cenet.service.limits import ServiceLimits
from cenet.service.monitoring import Monitor
from cenet.service.problems import ProblemError
from cenet.service.queue import Job, PredictionQueue


async def wanted():
    return True


def job_of(predict, *, is_wanted=wanted):
    return Job(lambda: np.zeros((1, 1, 1)), predict, lambda _, prediction: prediction, is_wanted)


def test_images_are_predicted_one_at_a_time_in_their_order():
    running, order = threading.Semaphore(1), []

    def predict(number):
        def work(_):
            assert running.acquire(blocking=False)
            order.append(number)
            running.release()
            return number

        return work

    async def run():
        queue = PredictionQueue(ServiceLimits(), Monitor())
        answers = await asyncio.gather(*(queue.run(job_of(predict(number))) for number in range(20)))
        await queue.close()
        return answers

    assert asyncio.run(run()) == list(range(20))
    assert order == list(range(20))


def test_what_takes_too_long_is_answered_and_what_waits_behind_it_is_never_started():
    release, begun = threading.Event(), []

    def block(_):
        release.wait(5)

    async def run():
        queue = PredictionQueue(ServiceLimits(request_timeout_s=0.05, max_decoded=1), Monitor())
        results = await asyncio.gather(
            queue.run(job_of(block)), queue.run(job_of(begun.append)), return_exceptions=True
        )
        release.set()
        await queue.close()
        return results

    results = asyncio.run(run())
    assert [(error.status, error.kind) for error in results] == [(503, "too-slow")] * 2
    assert begun == []


def test_a_client_that_has_gone_costs_no_prediction():
    async def unwanted():
        return False

    async def run():
        queue = PredictionQueue(ServiceLimits(), Monitor())
        with pytest.raises(ProblemError) as refusal:
            await queue.run(job_of(lambda _: pytest.fail("it was predicted"), is_wanted=unwanted))
        assert refusal.value.kind == "disconnected"

    asyncio.run(run())


def test_a_full_queue_refuses_at_once_and_has_room_again_later():
    release = threading.Event()

    def wait(pixels, *, name, uncertainty):
        release.wait(5)
        return predict_bright(pixels)

    app = stub_app(stub_model(predict=wait), limits=ServiceLimits(max_requests=2))
    threading.Timer(0.2, release.set).start()
    files = {"image": ("eye.png", encode_image())}
    answers = ask_all(app, *[("POST", "/v1/predict", {"files": files})] * 5)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 429, 429, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) > 0
    assert post_image(app).status_code == 200
    assert app.state.service.queue.admitted == 0


def test_closing_finishes_what_was_admitted():
    done = []

    async def run():
        queue = PredictionQueue(ServiceLimits(), Monitor())
        tasks = [asyncio.create_task(queue.run(job_of(done.append))) for _ in range(5)]
        await asyncio.sleep(0)
        await queue.close()
        await asyncio.gather(*tasks)
        with pytest.raises(ProblemError), queue.admit():
            pass

    asyncio.run(run())
    assert len(done) == 5
