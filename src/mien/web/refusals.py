"""What the server does not do, as one line and a status; and how every such answer looks: ``{"error": "..."}``."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

BUSY_S = 1  # after which a client may ask again


class Refusal(HTTPException):
    """An answer that is none: its status, and one line that says why."""

    def __init__(self, status: int, message: str, *, retry_after_s: int | None = None, close: bool = False) -> None:
        headers = {"Retry-After": str(retry_after_s)} if retry_after_s is not None else {}
        if close:  # what is left of the body is not read
            headers["Connection"] = "close"
        super().__init__(status, message, headers or None)


class Problem(BaseModel):
    """Why a request was not answered."""

    error: str


# The schema stands here as it is: as a `model` it would count as of the kind that a route answers with, such as text.
PROBLEM = {"application/json": {"schema": Problem.model_json_schema()}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"content": PROBLEM, "description": why}
    for status, why in {
        400: "The request is malformed, or its Host header names another server.",
        401: "The key is missing or wrong.",
        403: "A page of another site asked.",
        404: "There is no such thing.",
        408: "The body did not arrive in time.",
        413: "Too many bytes, pixels or pictures.",
        415: "Neither a picture nor a video that mien reads.",
        422: "A picture is damaged, or a parameter is wrong.",
        429: "Too many requests of one client.",
        503: "Too much to do at the moment, or the server is stopping.",
    }.items()
}

_LINES = {
    404: "expected a page or route of this server, got another: see /",
    405: "expected another method for this route, got {method}: see /openapi.json",
}


def answer_refusals(app: FastAPI) -> None:
    """Give every error of an app the one form."""

    @app.exception_handler(HTTPException)
    async def refused(request: Request, error: HTTPException) -> JSONResponse:
        line = str(error.detail)
        if not isinstance(error, Refusal):  # of the framework: it names the status only
            line = _LINES.get(error.status_code, line).format(method=request.method)
        return JSONResponse({"error": line}, error.status_code, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(each) for each in first["loc"] if each not in ("body", "query", "path"))
        return JSONResponse({"error": f"expected a valid {where or 'request'}, got: {first['msg']}"}, 422)
