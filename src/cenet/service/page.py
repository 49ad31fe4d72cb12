"""The page of `cenet app`: the same service, with a page in front of it and a folder for corrections behind it."""

import asyncio
import io
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from pydantic import BaseModel, Field, ValidationError

from cenet.data.io.write import write_mask
from cenet.errors import CenetError
from cenet.service.access import AccessPolicy, is_same_token
from cenet.service.answers import MEDIA_TYPES, Inclusion, describe_prediction, encode_segmentation
from cenet.service.application import ASSETS, ModelQuery, Service, build_service
from cenet.service.corrections import CorrectionFolder, SentClass, SentCorrection, decode_mask
from cenet.service.limits import ServiceLimits
from cenet.service.measuring import (
    RecentPrediction,
    RecentPredictions,
    describe_measurements,
    measure,
    measure_corrected,
    parse_pixel_size_option,
)
from cenet.service.problems import ProblemError
from cenet.service.schemas import ImagePrediction
from cenet.service.served_model import ServedModel
from cenet.service.uploads import DecodedImage, Form, decode_upload, read_form

if TYPE_CHECKING:
    from cenet.inference.prediction import Prediction

LOCKED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>cenet</title>
<h1>This page needs its full address</h1>
<p>Open the address that <code>cenet app</code> has printed in its terminal,
with all that follows the question mark.</p>
<p>For research; not a medical device, and not for diagnosis.</p></html>"""


class PagePrediction(ImagePrediction):
    """A prediction that the page can ask to be measured."""

    id: str
    is_dicom: bool


class SentMeasurement(BaseModel):
    """Which prediction is to be measured, as the page sends it."""

    id: Annotated[str, Field(max_length=100)]
    pixel_size: Annotated[str, Field(max_length=100)] = ""
    corrected: Annotated[list[SentClass] | None, Field(max_length=254)] = None


def build_page(
    models: Mapping[str, ServedModel],
    *,
    token: str,
    port: int,
    corrections: Path,
    limits: ServiceLimits | None = None,
) -> FastAPI:
    """Build the application of `cenet app`.

    Args:
        models: What a user can choose; the first is chosen.
        token: What the address of the page holds; the browser then keeps it as a cookie.
        port: Where it listens, so that two pages have two cookies.
        corrections: The folder for corrections.
        limits: Of requests.

    Raises:
        CenetError: There is no model.
    """
    cookie = f"cenet-token-{port}"
    policy = AccessPolicy(token, cookie=cookie, open_paths=frozenset({"/"}))
    app = build_service(models, limits=limits, policy=policy)
    service: Service = app.state.service
    folder, saving = CorrectionFolder(corrections), asyncio.Lock()

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        given = request.query_params.get("token", "")
        if is_same_token(given, token):
            answer = FileResponse(ASSETS / "page" / "index.html")
            answer.set_cookie(cookie, token, httponly=True, samesite="strict")
            return answer
        if is_same_token(request.cookies.get(cookie, ""), token):
            return FileResponse(ASSETS / "page" / "index.html")
        return HTMLResponse(LOCKED, status_code=401)

    _add_prediction_routes(app, service)

    @app.post("/page/corrections", include_in_schema=False)
    async def save_correction(request: Request) -> Response:
        form = await _receive(service, request)
        upload, sent = form.one("image"), _read_correction(form)
        model = service.find_model(sent.model)

        def save() -> JSONResponse:
            predicted, corrected = decode_mask(sent.predicted, model), decode_mask(sent.corrected, model)
            shape = decode_upload(upload).pixels.shape[:2]
            if not shape == predicted.shape == corrected.shape:
                raise ProblemError(422, "correction", "image and masks differ in size; reload the page")
            try:
                provenance = folder.save(upload, name=sent.name, model=model, predicted=predicted, corrected=corrected)
            except CenetError as error:
                raise ProblemError(500, "not-saved", str(error)) from error
            return JSONResponse({"folder": str(folder.path), **provenance.model_dump()})

        async with saving:
            return await asyncio.to_thread(save)

    @app.post("/page/mask", include_in_schema=False)
    async def encode_corrected_mask(request: Request) -> Response:
        sent = _read_correction(await _receive(service, request))
        model, file = service.find_model(sent.model), io.BytesIO()
        mask = decode_mask(sent.corrected, model)
        write_mask(file, mask, num_classes=model.num_classes, colours=model.colours)
        return Response(file.getvalue(), media_type="image/png")

    @app.post("/page/dicom-seg", include_in_schema=False)
    async def encode_corrected_segmentation(request: Request) -> Response:
        form = await _receive(service, request)
        upload, sent = form.one("image"), _read_correction(form)
        model = service.find_model(sent.model)

        def encode() -> bytes:
            mask = decode_mask(sent.corrected, model)
            return encode_segmentation(model, decode_upload(upload), mask, corrected=sent.corrected != sent.predicted)

        return Response(await asyncio.to_thread(encode), media_type=MEDIA_TYPES["dicom-seg"])

    return app


def _add_prediction_routes(app: FastAPI, service: Service) -> None:
    recent, measuring = RecentPredictions(), asyncio.Lock()

    @app.post("/page/predict", include_in_schema=False, response_model=PagePrediction)
    async def predict(request: Request, model: ModelQuery = None, uncertainty: bool = False) -> Any:
        served, key = service.find_model(model), secrets.token_hex(8)
        include: list[Inclusion] = ["mask", "probability", "preview"]
        if uncertainty:
            include.append("uncertainty")

        def describe(image: DecodedImage, prediction: "Prediction") -> PagePrediction:
            recent.add(key, RecentPrediction(served, image, prediction))
            answer = describe_prediction(served, image, prediction, include=include)
            return PagePrediction(id=key, is_dicom=image.dicom is not None, **dict(answer))

        with service.queue.admit():
            upload = (await service.receive(request)).one("image")
            return await service.answer(
                request, upload, model=served, page=None, encode=describe, uncertainty=uncertainty
            )

    @app.post("/page/measure", include_in_schema=False)
    async def measure_recent(request: Request) -> Response:
        form = await _receive(service, request)
        try:
            sent = SentMeasurement.model_validate_json(form.one("measure").content)
        except ValidationError as error:
            raise ProblemError(422, "measure", "this is not what the page sends; reload the page") from error
        kept, pixel_um = recent.find(sent.id), parse_pixel_size_option(sent.pixel_size)

        def compute() -> JSONResponse:
            size = pixel_um or kept.image.pixel_um
            if sent.corrected is None:
                values = measure(kept.model, kept.image, kept.prediction, pixel_um=size)
            else:
                mask = decode_mask(sent.corrected, kept.model)
                if mask.shape != kept.prediction.mask.shape:
                    raise ProblemError(422, "measure", "image and mask differ in size; reload the page")
                values = measure_corrected(kept.model, kept.image, mask, pixel_um=size)
            described = describe_measurements(values)
            return JSONResponse(
                {"pixel_um": size, "values": {name: value.model_dump() for name, value in described.items()}}
            )

        async with measuring:
            return await asyncio.to_thread(compute)


def make_token() -> str:
    """A token that cannot be guessed."""
    return secrets.token_urlsafe(24)


async def _receive(service: Service, request: Request) -> Form:
    with service.queue.admit():
        return await read_form(request, service.limits)


def _read_correction(form: Form) -> SentCorrection:
    try:
        return SentCorrection.model_validate_json(form.one("correction").content)
    except ValidationError as error:
        raise ProblemError(422, "correction", "the correction is not what the page sends; reload the page") from error
