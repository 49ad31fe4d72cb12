"""What /openapi.json says beyond what the types of the routes say: bodies, refusals and the token."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from cenet.service.problems import MEDIA_TYPE, Problem

_FILE = {"type": "string", "contentMediaType": "application/octet-stream"}


def _body(field: str, schema: dict[str, Any]) -> dict[str, Any]:
    content = {"schema": {"type": "object", "required": [field], "properties": {field: schema}}}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": content}}}


IMAGE_BODY = _body("image", _FILE)
BATCH_BODY = _body("images", {"type": "array", "items": _FILE})

_REASONS = {
    400: "The client has gone",
    401: "The token is missing or wrong",
    403: "The request comes from a page of another site",
    404: "No such model",
    408: "The body arrives too slowly",
    413: "The body, or the image in it, is too large",
    415: "The body is not multipart/form-data, or the image is of no format that is read",
    421: "The service is not called by this name",
    422: "The image is damaged, does not fit the model, or an option is wrong",
    429: "Too many requests are waiting",
    503: "The service is stopping, or there was no answer in time",
}
REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": reason, "model": Problem, "content": {MEDIA_TYPE: {}}}
    for status, reason in _REASONS.items()
}


def describe_file_answer(model: type[BaseModel]) -> dict[str, Any]:
    """Describe an answer that is a file, or JSON of a model."""
    binary = {"schema": {"type": "string", "format": "binary"}}
    return {
        "description": "The mask as PNG, or what else was asked for",
        "model": model,
        "content": {
            "image/png": binary,
            "image/tiff": binary,
            "application/dicom": binary,
            "text/csv": {"schema": {"type": "string"}},
        },
    }


def secure_schema(app: FastAPI, *, needs_token: bool) -> None:
    """Say in the schema that problems have their own media type, and, where one is needed, how the token is sent."""
    build = app.openapi

    def describe() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        schema = build()
        for operations in schema["paths"].values():
            for operation in operations.values():
                for status, answer in operation["responses"].items():
                    content = answer.get("content", {})
                    if status != "200" and "application/json" in content:
                        answer["content"] = {MEDIA_TYPE: content["application/json"]}
        if needs_token:
            schema["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            schema["security"] = [{"token": []}]
        return schema

    app.openapi = describe  # type: ignore[method-assign]  # as FastAPI's own documentation does it
