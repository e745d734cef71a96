"""`hive up`: the whole hive in the foreground, started in order, kept running, stopped in order."""

import asyncio
import socket
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from hivecommon.command import run
from hivecommon.contracts.logs import Level
from hivecommon.environment import HiveEnvironment
from hivecommon.errors import HiveError

from hivectl.supervisor.child import Child, Program
from hivectl.supervisor.display import Display
from hivectl.supervisor.ports import Ports
from hivectl.supervisor.process_id import ProcessId, end_all
from hivectl.supervisor.programs import Programs
from hivectl.supervisor.record import READY, Record, RecordFile
from hivectl.supervisor.words import check

PREPARE_S: Final = 60.0
STOP_AGENTS_S: Final = 120.0
"""Agents end in parallel, each after its current step; lifecycle kills those that do not."""


@dataclass
class Requests:
    """What was asked of us: by a signal, or by whoever runs us."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    def stop_or_hurry(self) -> None:
        """Stop; asked a second time, hurry."""
        if self.stop.is_set():
            self.hurry.set()
        self.stop.set()


class Readiness(Protocol):
    """Knows when what was started can be used."""

    async def bus(self) -> None:
        """Return once the bus takes connections."""

    async def services(self, names: Sequence[str]) -> None:
        """Return once these services answer."""


class Supervisor:
    """Runs one hive."""

    def __init__(
        self,
        environment: HiveEnvironment,
        environ: Mapping[str, str],
        programs: Programs,
        display: Display,
        records: RecordFile,
    ) -> None:
        self._environment = environment
        self._environ = environ
        self._programs = programs
        self._display = display
        self._records = records
        self._ports = Ports(environment)
        self._children: list[Child] = []
        self._dashboard: socket.socket | None = None
        self._record = Record(supervisor=ProcessId.own(), phase="starting")

    async def run(self, requests: Requests, ready: Readiness) -> None:
        """Run the hive until `requests.stop`; `ready` is awaited once the services are started.

        Raises what kept it from starting: `port_in_use`, `command_failed` and the like.
        """
        await self._end_leftovers()
        self._phase("starting")
        failure: HiveError | None = None
        async with asyncio.TaskGroup() as group:
            try:
                if await run_unless(requests.stop, self._start(group, ready)):
                    self._phase(READY)
                    await requests.stop.wait()
            except HiveError as error:
                failure = error
            await self._stop(group, requests)
        if self._dashboard is not None:
            self._dashboard.close()
        self._records.remove()
        if failure is not None:
            raise failure

    async def _start(self, group: asyncio.TaskGroup, ready: Readiness) -> None:
        await self._ports.wait_until_free()
        self._dashboard = await self._ports.hold_dashboard()
        prepared = await run(
            self._programs.prepare_bus, timeout_s=PREPARE_S, env=dict(self._environ)
        )
        conf = check(prepared).stdout.decode().strip()
        bus = Program("bus", (*self._programs.bus, conf), self._environ)
        self._keep(group, bus)
        await ready.bus()
        for name, argv in self._programs.services.items():
            self._keep(group, self._service(name, argv, self._dashboard))
        await ready.services(list(self._programs.services))

    def _service(self, name: str, argv: Sequence[str], dashboard: socket.socket) -> Program:
        if name != "dashboard":
            return Program(name, argv, self._environ)
        descriptor = dashboard.fileno()
        environ = {**self._environ, "HIVE_DASHBOARD_FD": str(descriptor)}
        return Program(name, argv, environ, descriptors=(descriptor,))

    def _keep(self, group: asyncio.TaskGroup, program: Program) -> None:
        child = Child(
            program,
            self._display,
            changed=self._child_changed,
            free_ports=self._ports.wait_until_bus_is_free if program.name == "bus" else None,
        )
        self._children.append(child)
        group.create_task(child.keep_running())

    async def _stop(self, group: asyncio.TaskGroup, requests: Requests) -> None:
        hurrying = group.create_task(self._kill_on(requests.hurry))
        try:
            services = self._children[1:]
            for child in reversed(services):
                self._phase(f"stopping {child.name}")
                await child.stop()
            if services:
                await self._stop_agents(requests)
            for bus in self._children[:1]:
                self._phase("stopping the bus")
                await bus.stop()
        finally:
            hurrying.cancel()

    async def _kill_on(self, hurry: asyncio.Event) -> None:
        await hurry.wait()
        self._display.say(Level.WARNING, "hurrying", note="agents that run are adopted next time")
        for child in self._children:
            child.kill()

    async def _stop_agents(self, requests: Requests) -> None:
        """Stop the agents, unless somebody is in a hurry: then they go on and are adopted later."""
        if requests.hurry.is_set():
            return
        self._phase("stopping agents")
        await run_unless(requests.hurry, self._stop_agents_quietly())

    async def _stop_agents_quietly(self) -> None:
        try:
            stopped = await run(
                self._programs.stop_agents, timeout_s=STOP_AGENTS_S, env=dict(self._environ)
            )
            check(stopped)
        except HiveError as error:
            self._display.say(Level.ERROR, "agents_not_stopped", reason=error.message)

    async def _end_leftovers(self) -> None:
        """End children of a predecessor that was killed; its agents go on and are adopted."""
        before = self._records.read()
        if before is None:
            return
        left = [child for child in before.children.values() if child.alive]
        if left:
            self._display.say(Level.WARNING, "ending_leftovers", children=sorted(before.children))
            await end_all(left)

    def _child_changed(self, name: str, process: ProcessId | None) -> None:
        if process is None:
            self._record.children.pop(name, None)
        else:
            self._record.children[name] = process
        self._records.write(self._record)

    def _phase(self, phase: str) -> None:
        self._record.phase = phase
        self._records.write(self._record)
        self._display.say(Level.INFO, phase.replace(" ", "_"))


async def run_unless(event: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Run `work` to its end, but only until `event` is set; return whether it came to its end."""
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return True
        return False
    finally:
        working.cancel()
        waiting.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
