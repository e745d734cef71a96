"""How endpoints of the scripted forge are declared: method, path below /api/v1, scopes, handler."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.responses import Response

from hivetesting.forge.call import Call
from hivetesting.forge.happenings import Happenings


@dataclass(frozen=True)
class Context:
    """What a handler works on besides the request."""

    call: Call
    happenings: Happenings


Handler = Callable[[Context], Awaitable[Response]]


@dataclass(frozen=True)
class Endpoint:
    """One method on one path."""

    method: str
    path: str
    scopes: tuple[str, ...]
    handler: Handler


class Routes:
    """The endpoints of one subject; `on` declares one."""

    def __init__(self) -> None:
        self.endpoints: list[Endpoint] = []

    def on(self, method: str, path: str, *scopes: str) -> Callable[[Handler], Handler]:
        """Declare the decorated function as the handler of `method path`."""

        def declare(handler: Handler) -> Handler:
            self.endpoints.append(Endpoint(method, path, scopes, handler))
            return handler

        return declare
