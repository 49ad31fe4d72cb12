"""What a request is answered when it cannot be served: a problem in the form of RFC 9457."""

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """Why a request was refused, in the form of RFC 9457."""

    type: str = Field(description="Stays the same for this kind of problem: a program can decide by it.")
    title: str = Field(description="The kind of problem, in words.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="What is wrong with this request, and what to do.")
    request_id: str = Field(description="The number of the request, as in the log and in the header X-Request-ID.")


class ProblemError(Exception):
    """A request that cannot be served.

    Args:
        status: Of the answer.
        kind: The last part of the problem's `type`.
        detail: What is wrong, and what to do; nothing of an image, a name or a tag.
        retry_after_s: After how many seconds to try again; None where that does not help.
    """

    def __init__(self, status: int, kind: str, detail: str, *, retry_after_s: int | None = None) -> None:
        super().__init__(status, kind, detail)
        self.status, self.kind, self.detail, self.retry_after_s = status, kind, detail, retry_after_s


def format_problem(error: ProblemError, request_id: str) -> dict[str, Any]:
    """A problem as it is sent.

    >>> format_problem(ProblemError(429, "queue-full", "try again later"), "1f")["title"]
    'Too Many Requests'
    """
    title = HTTPStatus(error.status).phrase
    kind = f"urn:cenet:problem:{error.kind}"
    return Problem(type=kind, title=title, status=error.status, detail=error.detail, request_id=request_id).model_dump()


def respond_problem(error: ProblemError, request_id: str) -> JSONResponse:
    """The answer that holds a problem."""
    headers = {"Retry-After": str(error.retry_after_s)} if error.retry_after_s is not None else {}
    return JSONResponse(
        format_problem(error, request_id), status_code=error.status, headers=headers, media_type=MEDIA_TYPE
    )


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every refusal of the application, and of the framework under it, with a problem."""

    async def handle_problem(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, ProblemError)
        return respond_problem(error, request.state.request_id)

    async def handle_invalid_options(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        detail = f"{where}: {first['msg']}; see /docs"
        return respond_problem(ProblemError(422, "invalid-option", detail), request.state.request_id)

    async def handle_http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        return respond_problem(ProblemError(error.status_code, kind, "see /docs"), request.state.request_id)

    app.add_exception_handler(ProblemError, handle_problem)
    app.add_exception_handler(RequestValidationError, handle_invalid_options)
    app.add_exception_handler(HTTPException, handle_http_error)
