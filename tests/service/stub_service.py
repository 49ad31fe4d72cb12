"""A service with a stub in place of a network, asked in this process."""

import asyncio
import io

import httpx
import numpy as np
from PIL import Image

from cenet.errors import CenetError
from cenet.inference.prediction import Prediction
from cenet.inference.uncertainty import Uncertainty
from cenet.service.application import build_service
from cenet.service.served_model import ServedModel

ADDRESS = "http://127.0.0.1"


def predict_bright(pixels, *, name="image", uncertainty=False):
    """The bright pixels of an RGB image; it is unsure of those in between."""
    if pixels.shape[2] != 3:
        raise CenetError(name, f"the image has {pixels.shape[2]} channels, the network takes 3", "convert it")
    bright = (pixels.max(axis=2) / 255).astype(np.float32)
    unsure = Uncertainty(1 - abs(2 * bright - 1), np.zeros_like(bright)) if uncertainty else None
    return Prediction(bright[None], (0.5,), uncertainty=unsure)


def stub_model(name="bright", predict=predict_bright, **options):
    return ServedModel(name=name, predict=predict, **options)


def stub_app(*models, **options):
    models = models or (stub_model(),)
    return build_service({model.name: model for model in models}, **options)


def encode_image(pixels=None, *, kind="PNG"):
    if pixels is None:
        pixels = np.zeros((4, 6, 3), np.uint8)
        pixels[1:3, 2:5] = 200
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def ask_all(app, *requests, **options):
    """Answers of requests that are sent together; each is a method, a path, and what httpx takes."""

    async def send():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=ADDRESS, **options) as client:
            return await asyncio.gather(*(client.request(method, path, **more) for method, path, more in requests))

    return asyncio.run(send())


def ask(app, method, path, **options):
    return ask_all(app, (method, path, options))[0]


def post_image(app, path="/v1/predict", *, content=None, name="eye.png", **options):
    files = {"image": (name, encode_image() if content is None else content)}
    return ask(app, "POST", path, files=files, **options)
