"""What the Claude CLI asks when an operator logs in: the OAuth token endpoint and its neighbours."""

import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

GOOD_CODE: Final = "good-code"
EMAIL: Final = "ada@example.com"
_LIFE_S: Final = 8 * 3600
SUBSCRIPTION: Final = "user:inference user:profile"
CONSOLE: Final = "org:create_api_key user:profile"


class Mood(StrEnum):
    """How the endpoint treats a code."""

    HONEST = "honest"
    """The good code is taken, any other one refused."""
    BROKEN = "broken"
    """Everything is answered with a 500."""


@dataclass
class TokenEndpoint:
    """Answers as claude.com does; remembers what it gave out and what it was asked."""

    mood: Mood = Mood.HONEST
    scopes: str = SUBSCRIPTION
    asked: list[str] = field(default_factory=list)
    """Method, host and path of each request."""
    codes: list[str] = field(default_factory=list)
    access_tokens: list[str] = field(default_factory=list)
    api_keys: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/oauth/token", self._token, methods=["POST"]),
                Route("/api/oauth/profile", self._profile),
                Route("/api/oauth/claude_cli/roles", self._roles),
                Route("/api/oauth/claude_cli/create_api_key", self._create_key, methods=["POST"]),
                Route("/{path:path}", self._unknown, methods=["GET", "POST", "HEAD"]),
            ]
        )

    async def _token(self, request: Request) -> Response:
        self._note(request)
        asked: dict[str, Any] = await request.json()
        self.codes.append(str(asked.get("code", asked["grant_type"])))
        if self.mood is Mood.BROKEN:
            return JSONResponse({"error": "server_error"}, 500)
        if asked["grant_type"] == "authorization_code" and asked["code"] != GOOD_CODE:
            return JSONResponse(
                {"error": "invalid_grant", "error_description": "Invalid 'code' in request."}, 400
            )
        token = f"sk-ant-oat01-{secrets.token_hex(16)}"
        self.access_tokens.append(token)
        return JSONResponse(
            {
                "token_type": "Bearer",
                "access_token": token,
                "refresh_token": f"sk-ant-ort01-{secrets.token_hex(16)}",
                "expires_in": _LIFE_S,
                "scope": self.scopes,
                "account": {"uuid": _uuid(1), "email_address": EMAIL},
                "organization": {"uuid": _uuid(2), "name": "Ada's organisation"},
            }
        )

    async def _profile(self, request: Request) -> Response:
        self._note(request)
        return JSONResponse(
            {
                "account": {
                    "uuid": _uuid(1), "email": EMAIL, "full_name": "Ada", "display_name": "Ada",
                    "has_claude_max": True, "has_claude_pro": False,
                },
                "organization": {
                    "uuid": _uuid(2), "name": "Ada's organisation", "organization_type": "claude_max",
                    "rate_limit_tier": "default_claude_max_5x", "has_extra_usage_enabled": False,
                },
            }
        )  # fmt: skip

    async def _roles(self, request: Request) -> Response:
        self._note(request)
        return JSONResponse(
            {
                "organization_role": "admin", "workspace_role": None,
                "organization_name": "Ada's organisation",
            }
        )  # fmt: skip

    async def _create_key(self, request: Request) -> Response:
        self._note(request)
        key = f"sk-ant-api03-{secrets.token_hex(16)}"
        self.api_keys.append(key)
        return JSONResponse({"raw_key": key})

    async def _unknown(self, request: Request) -> Response:
        self._note(request)
        return JSONResponse({"error": {"type": "not_found_error", "message": "no such page"}}, 404)

    def _note(self, request: Request) -> None:
        self.asked.append(f"{request.method} {request.url.hostname}{request.url.path}")


def _uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"
