"""The application: its routes, in front of one queue."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from fastapi import FastAPI, Query, Request
from fastapi.responses import FileResponse, Response
from starlette.staticfiles import StaticFiles

from cenet.errors import CenetError, nearest
from cenet.service.access import AccessPolicy
from cenet.service.answers import (
    MEDIA_TYPES,
    FileKind,
    Inclusion,
    describe_model,
    describe_prediction,
    encode_file,
)
from cenet.service.limits import ServiceLimits
from cenet.service.measuring import parse_pixel_size_option
from cenet.service.middleware import RequestFrame
from cenet.service.monitoring import Monitor
from cenet.service.openapi import BATCH_BODY, IMAGE_BODY, REFUSALS, describe_file_answer, secure_schema
from cenet.service.problems import ProblemError, install_problem_handlers
from cenet.service.queue import Job, PredictionQueue
from cenet.service.schemas import NOTICE, Batch, BatchItem, FailedImage, ImagePrediction, ModelList, State
from cenet.service.served_model import ServedModel
from cenet.service.uploads import (
    DecodedImage,
    Form,
    Upload,
    check_decoding_folder,
    decode_upload,
    read_form,
    to_problem,
)

if TYPE_CHECKING:
    from cenet.inference.prediction import Prediction

ASSETS = Path(__file__).parent / "assets"
AnswerT = TypeVar("AnswerT")

ModelQuery = Annotated[str | None, Query(max_length=200, description="A model of /v1/models; the first by default.")]
PixelSizeQuery = Annotated[
    str | None,
    Query(max_length=100, description="Of a pixel, for measurements: 7.5um, or height x width, 3.87x11.5um."),
]
PageQuery = Annotated[int | None, Query(ge=0, le=10**6, description="Which page of a TIFF with several, from 0.")]
IncludeQuery = Annotated[
    list[Inclusion],
    Query(max_length=5, description="Parts to add to JSON, images as PNG in base64; may be repeated."),
]


class Service:
    """What the routes share: the models, the queue and the limits.

    Args:
        models: By their names; the first is the default.
        limits: Of requests.
    """

    def __init__(self, models: Mapping[str, ServedModel], limits: ServiceLimits) -> None:
        if not models:
            raise CenetError("MODEL", "no model is named", "name one of `cenet models`, or a run folder")
        check_decoding_folder()
        self.models, self.limits, self.monitor = dict(models), limits, Monitor()
        self.queue = PredictionQueue(limits, self.monitor)

    def find_model(self, name: str | None) -> ServedModel:
        """The model of a name.

        Raises:
            ProblemError: There is none.
        """
        if name is None:
            return next(iter(self.models.values()))
        if name not in self.models:
            near = nearest(name, self.models)
            hint = f"did you mean {near}?" if near else "GET /v1/models lists the models"
            raise ProblemError(404, "no-such-model", f"no model of this name is served; {hint}")
        return self.models[name]

    async def receive(self, request: Request) -> Form:
        """The parts of a request, whose place in the queue is reserved."""
        return await read_form(request, self.limits)

    async def answer(
        self,
        request: Request,
        upload: Upload,
        *,
        model: ServedModel,
        page: int | None,
        encode: "Callable[[DecodedImage, Prediction], AnswerT]",
        uncertainty: bool = False,
    ) -> AnswerT:
        """Predict an image when its turn comes, and encode the answer.

        Raises:
            ProblemError: The image is refused, or it took too long.
        """

        def predict(image: DecodedImage) -> "Prediction":
            try:
                return model.predict(image.pixels, name="image", uncertainty=uncertainty)
            except CenetError as error:
                raise to_problem(error) from error

        async def is_wanted() -> bool:
            return not await request.is_disconnected()

        job = Job(lambda: decode_upload(upload, page=page, model=model), predict, encode, is_wanted)
        result = await self.queue.run(job)
        self.monitor.images.labels(model.name).inc()
        return result


def build_service(
    models: Mapping[str, ServedModel],
    *,
    limits: ServiceLimits | None = None,
    policy: AccessPolicy | None = None,
) -> FastAPI:
    """Build the application of `cenet serve`.

    Args:
        models: What is served; a request that names none gets the first.
        limits: Of requests.
        policy: Who may ask; by default everyone on this machine.

    Raises:
        CenetError: There is no model, or no image can be decoded, as no temporary file can be written.
    """
    service = Service(models, limits or ServiceLimits())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await service.queue.close()

    app = FastAPI(
        title="cenet",
        version=metadata.version("cenet"),
        description=f"Masks of 2D medical images. {NOTICE}",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    install_problem_handlers(app)
    _add_prediction_routes(app, service)
    _add_state_routes(app, service)
    app.mount("/assets", StaticFiles(directory=ASSETS), name="assets")
    policy = policy or AccessPolicy()
    secure_schema(app, needs_token=policy.token is not None)
    app.add_middleware(RequestFrame, policy=policy, monitor=service.monitor)
    return app


def _add_prediction_routes(app: FastAPI, service: Service) -> None:
    @app.post(
        "/v1/predict",
        response_model=ImagePrediction,
        openapi_extra=IMAGE_BODY,
        responses={200: describe_file_answer(ImagePrediction), **REFUSALS},
        tags=["predict"],
    )
    async def predict(
        request: Request,
        *,
        model: ModelQuery = None,
        answer: Annotated[
            Literal["mask", "overlay", "probability", "uncertainty", "csv", "dicom-seg", "json"],
            Query(
                alias="format",
                description="PNG, float32 TIFF (probability, uncertainty), measurements as CSV, DICOM SEG, or JSON.",
            ),
        ] = "mask",
        include: IncludeQuery = [],  # noqa: B006  # FastAPI copies it
        page: PageQuery = None,
        pixel_size: PixelSizeQuery = None,
    ) -> Any:
        """Predict one image: its mask as PNG, its measurements as CSV, or JSON with run lengths."""
        served, pixel_um = service.find_model(model), parse_pixel_size_option(pixel_size)
        with service.queue.admit():
            upload = (await service.receive(request)).one("image")
            if answer == "json":

                def describe(image: DecodedImage, prediction: "Prediction") -> ImagePrediction:
                    return describe_prediction(served, image, prediction, include=include, pixel_um=pixel_um)

                return await service.answer(
                    request,
                    upload,
                    model=served,
                    page=page,
                    encode=describe,
                    uncertainty="uncertainty" in include,
                )
            kind: FileKind = answer

            def encode(image: DecodedImage, prediction: "Prediction") -> bytes:
                return encode_file(kind, served, image, prediction, pixel_um=pixel_um)

            content = await service.answer(
                request, upload, model=served, page=page, encode=encode, uncertainty=kind == "uncertainty"
            )
        return Response(content, media_type=MEDIA_TYPES[kind])

    @app.post("/v1/predict-batch", response_model=Batch, openapi_extra=BATCH_BODY, responses=REFUSALS, tags=["predict"])
    async def predict_batch(
        request: Request,
        *,
        model: ModelQuery = None,
        include: IncludeQuery = [],  # noqa: B006
        pixel_size: PixelSizeQuery = None,
    ) -> Any:
        """Predict several images: JSON with an item for each, in their order, or why one was refused."""
        served, pixel_um = service.find_model(model), parse_pixel_size_option(pixel_size)

        def describe(image: DecodedImage, prediction: "Prediction") -> ImagePrediction:
            return describe_prediction(served, image, prediction, include=include, pixel_um=pixel_um)

        with service.queue.admit():
            uploads = (await service.receive(request)).files.get("images", [])
            if not 0 < len(uploads) <= service.limits.max_batch:
                detail = f"the field images holds {len(uploads)} files; send 1 to {service.limits.max_batch}"
                raise ProblemError(422, "too-many-files" if uploads else "missing-image", detail)
            items = []
            for upload in uploads:
                try:
                    answer = await service.answer(
                        request,
                        upload,
                        model=served,
                        page=None,
                        encode=describe,
                        uncertainty="uncertainty" in include,
                    )
                    items.append(BatchItem(prediction=answer))
                except ProblemError as error:
                    kind = f"urn:cenet:problem:{error.kind}"
                    items.append(BatchItem(problem=FailedImage(type=kind, status=error.status, detail=error.detail)))
        return Batch(items=items)


def _add_state_routes(app: FastAPI, service: Service) -> None:
    @app.get("/v1/models", tags=["models"])
    async def models() -> ModelList:
        """List the models that are served."""
        return ModelList(models=[describe_model(model) for model in service.models.values()])

    @app.get("/health", tags=["state"])
    async def health() -> State:
        """Say that the process answers."""
        return State()

    @app.get("/ready", tags=["state"], responses={503: REFUSALS[503]})
    async def ready() -> State:
        """Say whether requests are accepted; 503 while the service stops or its queue is full."""
        with service.queue.admit():
            return State()

    @app.get("/metrics", tags=["state"], response_class=Response)
    async def metrics() -> Response:
        """Counters in the text form of Prometheus."""
        return Response(service.monitor.format_metrics(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> FileResponse:
        return FileResponse(ASSETS / "docs.html")
