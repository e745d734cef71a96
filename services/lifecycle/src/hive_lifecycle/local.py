"""The local runtime: each agent's harness is a process that outlives lifecycle, sandboxed if it can be."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Collection, Container, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec
import structlog
from hivecommon.command import Independent, Run, start_independent
from hivecommon.contracts.approvals import FlakeInput
from hivecommon.contracts.roster import ContainerState
from hivecommon.errors import HiveError
from hivecommon.names import MANAGER, AgentName

from hive_lifecycle import output, process
from hive_lifecycle.agent_files import MANAGED_CONFIGS
from hive_lifecycle.config import LifecycleConfig
from hive_lifecycle.errors import no_inputs
from hive_lifecycle.isolation import Isolation, find_isolation
from hive_lifecycle.launch import INSIDE, MARK, agent_environment, outside, write_accounts
from hive_lifecycle.process import ProcessId
from hive_lifecycle.records import Phase, Record, Records, read_status
from hive_lifecycle.runtime import AgentSpec, Observation, Report
from hive_lifecycle.sandbox import AgentView, bwrap_argv

_START_S: Final = 10.0
_KILL_S: Final = 5.0
_POLL_S: Final = 0.005
_SIGNALLED: Final = 128  # a shell's, and bubblewrap's, way to tell of a signal
_ENDED: Final = frozenset({Phase.STOPPED, Phase.FAILED})

_log = structlog.get_logger()


class LocalRuntime:
    """Runs harnesses as processes of this host."""

    def __init__(self, config: LifecycleConfig, run: Run, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._hive = config.hive
        self._run = run
        self._clock = clock
        self._opened_at = clock()
        self._directory = config.hive.home.root / "local"
        self._records = Records(self._directory)
        self._watch = process.EndWatch()
        self._busy: dict[AgentName, ContainerState] = {}
        # Those that this very lifecycle started: their exit status is ours to know.
        self._children: dict[AgentName, Independent] = {}
        self._probing = asyncio.Lock()
        self._isolation: Isolation | None = None

    @property
    def name(self) -> str:
        """`local`."""
        return "local"

    def close(self) -> None:
        """Look after no process any more; all of them go on."""
        self._watch.close()

    async def changes(self) -> AsyncIterator[AgentName]:
        """Yield each agent whose harness has ended."""
        while True:
            yield AgentName(await self._watch.ended.get())

    async def observe(self, name: AgentName) -> Observation:
        """Look at one agent; see `Runtime.observe`."""
        isolation = await self._isolate()
        record = await self._settled(name)
        if record is None:
            record = Record(phase=Phase.STOPPED, since=self._opened_at, boot_id="")
        harness = None if record.phase in _ENDED else record.harness
        return Observation(
            state=self._busy.get(name) or ContainerState(record.phase.value),
            since=record.since,
            sandboxed=record.sandboxed if harness else isolation.sandboxed,
            pid=harness.pid if harness else None,
            started_at=record.started_at,
            note=record.note or isolation.reason,
            # A sandbox is given its directories when it is made.
            needs_update=harness is not None and record.sandboxed
            and set(self._seen_by(name)) - set(record.configs) != set(),
        )  # fmt: skip

    def _seen_by(self, name: AgentName) -> list[str]:
        return [place.parent.name for _source, place in self._configs(name)]

    async def strangers(self, known: Container[AgentName]) -> list[AgentName]:  # noqa: ARG002 - the protocol's
        """Name none: what runs without a record is nobody's."""
        return []

    async def prepare(self, agent: AgentSpec, report: Report) -> None:
        """See anew whether a sandbox can be made; there is nothing to build."""
        async with self._probing:
            self._isolation = None
        isolation = await self._isolate()
        await report(isolation.reason or f"{agent.name} can have a sandbox", changed=False)

    async def start(self, agent: AgentSpec, report: Report) -> None:
        """Start the harness; see `Runtime.start`."""
        name = agent.name
        if (await self.observe(name)).state is ContainerState.RUNNING:
            await report("it runs already", changed=False)
            return
        isolation = await self._isolate()
        if self._config.sandbox_required and not isolation.sandboxed:
            raise HiveError(
                f"{name} is not started without a sandbox: {isolation.reason}", code="no_sandbox",
                hint="HIVE_SANDBOX=require asks for this; install bubblewrap or set it to auto",
            )  # fmt: skip
        await self._kill_remains(name, self._records.read(name))
        record = Record(
            phase=Phase.STARTING, since=self._clock(), boot_id=process.boot_id(),
            sandboxed=isolation.sandboxed, note=isolation.reason,
        )  # fmt: skip
        self._records.write(name, record)
        self._busy[name] = ContainerState.STARTING
        try:
            record = await self._launch(name, record, isolation)
        except HiveError as error:
            failed = {"phase": Phase.FAILED, "since": self._clock(), "note": error.message}
            self._records.write(name, msgspec.structs.replace(record, **failed))
            raise
        finally:
            del self._busy[name]
        self._records.write(name, record)
        observed = await self.observe(name)
        kind = "sandboxed" if record.sandboxed else "unsandboxed"
        await report(f"harness started, {kind}, pid {observed.pid}")

    async def stop(self, name: AgentName, report: Report) -> None:
        """End the harness and all it started; see `Runtime.stop`."""
        record = await self._settled(name)
        if record is None or record.phase in _ENDED:
            await self._kill_remains(name, record)
            if record is not None and record.phase is Phase.FAILED:
                self._records.write(name, self._stopped(record))
            await report("it did not run", changed=False)
            return
        record = msgspec.structs.replace(record, phase=Phase.STOPPING)
        self._records.write(name, record)
        self._watch.drop(name)
        self._busy[name] = ContainerState.STOPPING
        try:
            kindly = await self._end_harness(record)
            await self._kill_remains(name, record)
        finally:
            del self._busy[name]
        self._records.write(name, self._stopped(record))
        await report("harness stopped" if kindly else "harness killed: it did not stop in time")

    async def inputs(self) -> list[FlakeInput]:
        """Raise `no_inputs`: nothing is built here."""
        raise no_inputs()

    async def take_inputs(
        self, _wanted: Sequence[str], _agents: Collection[AgentName], _mark: str, _report: Report, /
    ) -> None:
        """Raise `no_inputs`: nothing is built here."""
        raise no_inputs()

    async def remove(self, name: AgentName, report: Report) -> None:
        """Forget the process; see `Runtime.remove`."""
        self._watch.drop(name)
        self._children.pop(name, None)
        await report("process record removed", changed=self._records.forget(name))

    async def _launch(self, name: AgentName, record: Record, isolation: Isolation) -> Record:
        output.rotate(output.harness_log(self._hive.home, name))
        places = INSIDE if isolation.sandboxed else outside(self._hive, name)
        status = self._records.status_file(name)
        descriptor = os.open(status, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            child = start_independent(
                self._argv(name, isolation, descriptor),
                env=agent_environment(self._hive, places, self._mark(name)),
                cwd=self._hive.home.state(name),
                output=output.harness_log(self._hive.home, name),
                pass_fds=[descriptor] if isolation.sandboxed else [],
            )
        finally:
            os.close(descriptor)
        self._children[name] = child
        seen = self._seen_by(name)
        harness, first = await self._find_harness(name, child, isolation)
        now = self._clock()
        return msgspec.structs.replace(
            record, phase=Phase.RUNNING, since=now, started_at=now,
            launcher=process.identify(child.pid), harness=harness, first=first, configs=seen,
        )  # fmt: skip

    def _argv(self, name: AgentName, isolation: Isolation, status_fd: int) -> list[str]:
        if isolation.host is None or self._config.bwrap is None:
            return list(self._config.harness)
        passwd, group = write_accounts(self._directory / "etc")
        own = outside(self._hive, name)
        return bwrap_argv(
            self._config.bwrap,
            isolation.host,
            AgentView(own.state, own.claude, own.run, passwd, group, self._configs(name)),
            status_fd=status_fd,
            command=self._config.harness,
        )

    def _configs(self, name: AgentName) -> tuple[tuple[Path, Path], ...]:
        """Return which directories of others an agent may write, and where it sees them."""
        if name != MANAGER:
            return ()
        found = sorted(self._hive.home.agents.glob("*/config"))
        inside = Path(MANAGED_CONFIGS)
        return tuple(
            (path, inside / path.parent.name / "config") for path in found
            if path.is_dir() and not path.is_symlink()
        )  # fmt: skip

    async def _find_harness(
        self, name: AgentName, child: Independent, isolation: Isolation
    ) -> tuple[ProcessId, ProcessId | None]:
        """Return the harness and its sandbox's first process; raise `start_failed`."""
        try:
            async with asyncio.timeout(_START_S):
                while child.poll() is None:
                    found = self._look_inside(name) if isolation.sandboxed else (child.pid, None)
                    harness = process.identify(found[0]) if found else None
                    if found and harness is not None:
                        return harness, process.identify(found[1]) if found[1] else None
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            await self._kill_remains(name, None)
        log = output.harness_log(self._hive.home, name)
        raise HiveError(
            f"{name} did not start: {output.last_words(log) or 'it said nothing'}",
            code="start_failed",
            hint=f"see {log}",
        )

    def _look_inside(self, name: AgentName) -> tuple[int, int] | None:
        first = read_status(self._records.status_file(name)).child_pid
        children = process.children_of(first) if first is not None else []
        return (children[0], first) if first is not None and children else None

    async def _settled(self, name: AgentName) -> Record | None:
        """Return the record, brought up to what is really there."""
        record = self._records.read(name)
        if record is None or name in self._busy or record.phase in _ENDED:
            return record
        if record.phase is Phase.STARTING:
            record = self._recover_start(name, record)
        if record.harness is not None and process.is_alive(record.harness):
            if record.phase is Phase.RUNNING:
                self._watch.add(name, record.harness)
            return record
        self._watch.drop(name)
        ended = await self._ended(name, record)
        self._records.write(name, ended)
        try:
            await self._kill_remains(name, record)
        except HiveError as error:
            _log.warning("remains_not_killed", agent=name, reason=error.message)
        return ended

    def _recover_start(self, name: AgentName, record: Record) -> Record:
        """Find what came of a start in whose middle a lifecycle before us went away."""
        marked = process.marked_with(MARK, self._mark(name))
        if record.sandboxed:
            pids = self._look_inside(name)
        else:
            oldest = min(marked, key=lambda p: p.start_ticks, default=None)
            pids = (oldest.pid, oldest.pid) if oldest else None
        # The number may be another process's by now; the mark tells.
        if pids is None or not {p.pid for p in marked}.intersection(pids):
            return record
        recovered = msgspec.structs.replace(
            record, phase=Phase.RUNNING,
            harness=process.identify(pids[0]), first=process.identify(pids[1]),
        )  # fmt: skip
        self._records.write(name, recovered)
        return recovered

    async def _ended(self, name: AgentName, record: Record) -> Record:
        if record.phase is Phase.STOPPING:
            return self._stopped(record)
        if record.boot_id != process.boot_id():
            return self._stopped(record, "the host was restarted")
        if record.phase is Phase.STARTING:
            return self._stopped(record, "its start was cut off")
        words = output.last_words(output.harness_log(self._hive.home, name))
        note = describe_exit(await self._exit_status(name, record))
        return msgspec.structs.replace(
            record, phase=Phase.FAILED, since=self._clock(),
            note=f"{note}: {words}" if words else note,
        )  # fmt: skip

    def _stopped(self, record: Record, note: str = "") -> Record:
        return Record(
            phase=Phase.STOPPED, since=self._clock(), boot_id=record.boot_id, note=note,
            sandboxed=record.sandboxed,
        )  # fmt: skip

    async def _exit_status(self, name: AgentName, record: Record) -> int | None:
        """Return the harness's exit status as a shell gives it; None when nobody can tell."""
        child = self._children.get(name)
        if record.sandboxed:
            if record.launcher is not None:  # it writes the status down and leaves
                await process.wait_until_gone(record.launcher, _KILL_S)
            return read_status(self._records.status_file(name)).exit_code
        if child is None or record.harness is None or child.pid != record.harness.pid:
            return None
        code = child.poll()
        return _SIGNALLED - code if code is not None and code < 0 else code

    async def _end_harness(self, record: Record) -> bool:
        """Ask the harness to end, then make it; return whether it was enough to ask."""
        if record.harness is None:
            return True
        process.send_signal(record.harness, signal.SIGTERM)
        if await process.wait_until_gone(record.harness, self._config.stop_grace_s):
            return True
        process.send_signal(record.harness, signal.SIGKILL)
        return False

    async def _kill_remains(self, name: AgentName, record: Record | None) -> None:
        """Kill whatever of the agent still runs.

        A sandbox goes with its first process; what has no sandbox is found by its mark.
        """
        known = [record.first, record.harness, record.launcher] if record else []
        try:
            await process.kill_all(filter(None, known), (MARK, self._mark(name)), _KILL_S)
        except TimeoutError as error:
            raise HiveError(
                f"processes of {name} cannot be killed", code="stop_failed",
                hint="they hang in the kernel: see `ps -eo pid,stat,wchan,args`",
            ) from error  # fmt: skip
        if (child := self._children.pop(name, None)) is not None:
            child.poll()  # reaps it

    def _mark(self, name: AgentName) -> str:
        return f"{self._hive.home.root}:{name}"

    async def _isolate(self) -> Isolation:
        async with self._probing:
            if self._isolation is None:
                self._isolation = await find_isolation(self._config, self._run)
            return self._isolation


def describe_exit(code: int | None) -> str:
    """Return in words how a process ended; `code` as a shell gives it."""
    if code is None:
        return "its harness ended; nobody saw its exit status"
    if code > _SIGNALLED:
        try:
            return f"its harness was killed by {signal.Signals(code - _SIGNALLED).name}"
        except ValueError:
            pass
    return f"its harness ended with status {code}"
