"""What every command is given: the hive's settings, who asks, the terminal, and a connection."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Final

from hivecommon.broker import operator_key
from hivecommon.environment import HiveEnvironment, read_environment
from hivecommon.errors import HiveError, Unavailable
from hivecommon.keys import read_seed

from hivectl.identity import operator_name
from hivectl.terminal import Terminal

if TYPE_CHECKING:
    from hivecommon.bus import Bus

PATIENCE_S: Final = 2.0
"""How long an absent bus is looked for: longer than one reconnect, shorter than one's patience."""


@dataclass
class Shell:
    """One run of `hive`."""

    environ: Mapping[str, str]
    now: Callable[[], datetime]
    terminal: Terminal = field(default_factory=Terminal)

    @cached_property
    def environment(self) -> HiveEnvironment:
        """The hive's settings; raises `bad_environment`."""
        return read_environment(self.environ, uid=os.getuid())

    @cached_property
    def operator(self) -> str:
        """The operator who asks; raises `no_operator` or `no_key`."""
        return operator_name(self.environment.home, self.environ)

    @asynccontextmanager
    async def bus(self, *, patience_s: float = PATIENCE_S) -> "AsyncIterator[Bus]":
        """Connect as the operator; raise `Unavailable` when there is no bus, `refused` by it."""
        # 0.1 s that `hive --help` need not wait for.
        from hivecommon.bus import Bus, Login  # noqa: PLC0415
        from nats.errors import Error as NatsError  # noqa: PLC0415

        heard: list[str] = []

        def say(level: str, event: str, detail: str) -> None:
            del level
            if event == "bus_error":
                heard.append(detail)

        seed = read_seed(operator_key(self.environment.home, self.operator))
        login = Login(
            url=self.environment.bus.url,
            name=f"hive of {self.operator}",
            inbox_prefix="_INBOX",
            seed=seed,
        )
        try:
            bus = await Bus.connect(login, patience_s=patience_s, say=say)
        except HiveError as error:
            if any("authorization" in words.lower() for words in heard):
                raise HiveError(
                    f"the bus at {login.url} does not know the key of operator {self.operator!r}",
                    code="refused",
                    hint="is it another hive's bus? see HIVE_HOME and HIVE_NATS_URL",
                ) from error
            raise
        try:
            yield bus
        except NatsError as error:
            raise Unavailable(
                f"the bus went away: {str(error) or type(error).__name__}",
                hint="`hive up` starts it again by itself: try once more",
            ) from error
        finally:
            await _leave(bus)


async def _leave(bus: "Bus") -> None:
    """Close the connection, also one whose server is gone."""
    if bus.connected:
        await bus.drain()
    else:
        await bus.client.close()


def run(command: Awaitable[None]) -> None:
    """Run a command to its end; a `HiveError` out of a task group comes out alone."""

    async def main() -> None:
        await command

    try:
        asyncio.run(main())
    except ExceptionGroup as group:
        known = group.subgroup(HiveError)
        if known is None:
            raise
        raise _first(known) from group


def _first(group: ExceptionGroup[HiveError]) -> HiveError:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, ExceptionGroup) else inner
