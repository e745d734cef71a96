"""Answers of the web pages' API: the same JSON as on the bus, with the fitting HTTP status."""

from typing import Final, TypeVar

import msgspec
from hivecommon.contracts.base import ErrorDetail, ErrorReply
from hivecommon.errors import INTERNAL, HiveError
from starlette.requests import Request
from starlette.responses import Response

T = TypeVar("T")

_STATUS: Final = {
    "bad_request": 400,
    "not_logged_in": 401,
    "bad_ticket": 401,
    "foreign_origin": 403,
    "refused": 403,
    "not_found": 404,
    "changed": 409,
    "too_large": 413,
    "unknown_host": 421,
    "too_many_logins": 429,
    INTERNAL: 500,
    "unavailable": 503,
    "disk_full": 507,
}
_REFUSED: Final = 422


class JsonResponse(Response):
    """An answer of the API, never kept by a cache."""

    media_type = "application/json"

    def __init__(self, content: object, status_code: int = 200) -> None:
        super().__init__(
            msgspec.json.encode(content), status_code, headers={"Cache-Control": "no-store"}
        )


def error_response(error: HiveError) -> JsonResponse:
    """Return what a page is told about `error`; a code without a status of its own gives 422."""
    detail = ErrorDetail(code=error.code, message=error.message, hint=error.hint)
    return JsonResponse(ErrorReply(error=detail), _STATUS.get(error.code, _REFUSED))


async def read_json(request: Request, kind: type[T]) -> T:
    """Return the request's body as a `kind`; raise `bad_request` naming the field that is wrong."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise HiveError(f"{error}", code="bad_request") from error
