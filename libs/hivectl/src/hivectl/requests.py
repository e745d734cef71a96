"""Building requests from what was typed: checked here, so that a slip never reaches the bus."""

from typing import TypeVar

import msgspec
from hivecommon.errors import HiveError

RequestT = TypeVar("RequestT", bound=msgspec.Struct)


def build(request_type: type[RequestT], **fields: object) -> RequestT:
    """Return the request; raise `bad_argument` naming the field that is wrong."""
    try:
        request: RequestT = msgspec.convert(fields, request_type)
    except msgspec.ValidationError as error:
        shown = ", ".join(f"{name} {value!r}" for name, value in fields.items())
        raise HiveError(f"{shown}: {error}", code="bad_argument") from error
    return request
