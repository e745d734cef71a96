"""The steps a scripted answer is made of: what the stand-in model says, calls or suffers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

ERROR_TYPES: Mapping[int, str] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""Error type by HTTP status (platform.claude.com, "Errors")."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text block, streamed in pieces with `delay_s` seconds before each piece."""

    text: str
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Thinking:
    """A thinking block, streamed like text and closed by its signature."""

    text: str
    delay_s: float = 0.0
    signature: str = "c2NyaXB0ZWQ="


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A call of tool `name`; without an id the answer makes one that is unique in the process."""

    name: str
    input: Mapping[str, object] = field(default_factory=dict)
    id: str | None = None
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Usage:
    """What the answer claims to have used; without this step it is estimated from the sizes."""

    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class StopReason:
    """Overrides the stop reason (`tool_use` after a call, else `end_turn`)."""

    reason: str


@dataclass(frozen=True, slots=True)
class Headers:
    """Extra response headers, for example `anthropic-ratelimit-*`."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Error:
    """An API error: an HTTP error as the first step, an `error` event in an open stream."""

    status: int
    message: str = "scripted error"
    type: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def error_type(self) -> str:
        """The `error.type` of the body: the given one, else the usual one of the status."""
        return self.type or ERROR_TYPES.get(self.status, "api_error")

    def body(self) -> dict[str, object]:
        """Make the JSON body, in the API's own shape."""
        return {"type": "error", "error": {"type": self.error_type, "message": self.message}}


@dataclass(frozen=True, slots=True)
class CutStream:
    """Drop the connection: here, or as soon as `after_events` events of the answer were sent.

    The response's headers are always sent; the ping is one of the events.
    """

    after_events: int | None = None


@dataclass(frozen=True, slots=True)
class Hang:
    """Say nothing for `seconds`; without them until the API's gate of this name is released."""

    seconds: float | None = None
    gate: str = "hang"


Step = Text | Thinking | ToolUse | Usage | StopReason | Headers | Error | CutStream | Hang


def rate_limited(retry_after_s: int | None = None) -> Error:
    """429 as an API key meets it, with a `retry-after` in seconds where given."""
    headers = {} if retry_after_s is None else {"retry-after": str(retry_after_s)}
    message = "This request would exceed your account's rate limit. Please try again later."
    return Error(429, message, headers=headers)


def subscription_limited(resets_at: int) -> Error:
    """429 as a subscription meets it at its five-hour limit; `resets_at` in Unix seconds."""
    headers = {
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": str(resets_at),
        "anthropic-ratelimit-unified-representative-claim": "five_hour",
        "anthropic-ratelimit-unified-overage-status": "rejected",
        "anthropic-ratelimit-unified-overage-disabled-reason": "org_level_disabled",
    }
    return Error(429, "This request would exceed your account's rate limit.", headers=headers)


def overloaded() -> Error:
    """529, the API's own overload."""
    return Error(529, "Overloaded")


def unauthenticated() -> Error:
    """401, a key or token that is not, or no longer, valid."""
    return Error(401, "invalid x-api-key")


def forbidden() -> Error:
    """403, a login without the permission."""
    return Error(403, "Your account does not have permission to use this resource.")


def out_of_credit() -> Error:
    """400 with the words by which clients know an empty balance."""
    message = (
        "Your credit balance is too low to access the Anthropic API. "
        "Please go to Plans & Billing to upgrade or purchase credits."
    )
    return Error(400, message)


def model_not_found(model: str) -> Error:
    """404 for a model that does not exist."""
    return Error(404, f"model: {model}")
