"""No body makes the service fail: mutated images and requests, hostile images. CENET_FUZZ_REQUESTS tries more."""

import os
import random
from collections import Counter

import pytest
from hostile_images import list_hostile_images
from image_seeds import draw_seeds
from mutate import make_mutant
from stub_service import ask_all, post_image, stub_app

COUNT = int(os.environ.get("CENET_FUZZ_REQUESTS", "120"))
QUERIES = ("format=mask", "format=json&include=mask&include=measurements", "format=csv", "format=dicom-seg")
REFUSALS = {400, 413, 415, 422}


def make_body(content):
    head = b'--a\r\nContent-Disposition: form-data; name="image"; filename="image.png"\r\n\r\n'
    return head + content + b"\r\n--a--\r\n"


def test_mutated_images_and_bodies_are_answered_or_refused():
    images = draw_seeds()
    bodies = {name: make_body(content) for name, content in images.items()}
    requests = []
    for number in range(COUNT):
        _, content = make_mutant(images if number % 2 else bodies, number)
        body = make_body(content) if number % 2 else content
        path = f"/v1/predict?{random.Random(number).choice(QUERIES)}"
        headers = {"content-type": "multipart/form-data; boundary=a"}
        requests.append(("POST", path, {"content": body, "headers": headers}))
    statuses = Counter()
    for first in range(0, COUNT, 20):
        statuses.update(answer.status_code for answer in ask_all(stub_app(), *requests[first : first + 20]))
    assert statuses.keys() <= REFUSALS | {200}
    assert statuses[200]
    assert statuses[422]


@pytest.mark.parametrize("name", sorted(list_hostile_images()))
def test_a_hostile_image_is_answered_or_refused(name):
    answer = post_image(stub_app(), content=list_hostile_images()[name]())
    assert answer.status_code in REFUSALS | {200}
