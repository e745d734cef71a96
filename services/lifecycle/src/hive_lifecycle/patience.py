"""Doing it again while the bus is away, instead of failing a job in its middle."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import nats.errors
import nats.js.errors
from hivecommon.errors import Unavailable
from tenacity import AsyncRetrying, retry_if_exception, stop_after_delay, wait_exponential

# A killed nats-server is back within a few seconds.
_PATIENCE_S: Final = 30.0

_T = TypeVar("_T")


async def patiently(act: Callable[[], Awaitable[_T]]) -> _T:
    """Return what `act` returns, once it does; it must be harmless to do twice.

    Also for a few milliseconds at each reload of the server nobody answers for JetStream. What the
    server refuses is raised at once; `Unavailable` when nobody answers for half a minute.
    """
    try:
        async for attempt in AsyncRetrying(
            retry=retry_if_exception(_passes),
            wait=wait_exponential(multiplier=0.02, max=2),
            stop=stop_after_delay(_PATIENCE_S),
            reraise=True,
        ):
            with attempt:
                return await act()
    except nats.errors.Error as error:
        if _passes(error):
            raise Unavailable(f"the bus is away: {str(error) or type(error).__name__}") from error
        raise
    raise AssertionError("unreachable: the last attempt returns or raises")


def _passes(error: BaseException) -> bool:
    if isinstance(error, nats.js.errors.APIError):
        return isinstance(error, nats.js.errors.ServiceUnavailableError)
    return isinstance(error, (Unavailable, nats.errors.Error))
