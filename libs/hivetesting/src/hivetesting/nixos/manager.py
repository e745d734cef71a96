"""Stand-in for process 1 and machined: answers the systemctl and machinectl of one host.

Runs as `python -m hivetesting.nixos.manager ROOT`; a client sends its argv, parted by NULs, as one line;
the answer is a line with exit status and length of the output, the output, and the errors.
"""

# One branch a verb, as in systemctl.
# ruff: noqa: C901, PLR0911

import asyncio
import contextlib
import fnmatch
import os
import signal
import sys
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from pathlib import Path

from hivetesting.nixos.layout import Layout
from hivetesting.nixos.unit import JobFailed, Machine, Unit


@dataclass
class Answer:
    """What a client prints and exits with."""

    code: int = 0
    out: str = ""
    err: str = ""


@dataclass
class Options:
    """A command line as systemctl reads it."""

    words: list[str] = field(default_factory=list)
    properties: list[str] = field(default_factory=list)
    value_only: bool = False
    signal: int = signal.SIGTERM


class Manager:
    """Every unit and machine of the host."""

    def __init__(self, layout: Layout, group: asyncio.TaskGroup) -> None:
        self.layout = layout
        self.group = group
        self.units: dict[str, Unit] = {}
        self.machines: dict[str, Machine] = {}

    async def answer(self, argv: list[str]) -> Answer:
        """Carry out one command line; argv[0] names the program."""
        program, options = argv[0], _parse(argv[1:])
        if not options.words:
            return Answer(1, err=f"{program}: no verb given\n")
        verb, *names = options.words
        if program == "machinectl":
            return self._machinectl(verb, names, options)
        if verb in ("start", "stop", "restart", "reload"):
            return await self._jobs(verb, names)
        if verb == "daemon-reload":
            for unit in self.units.values():
                unit.load_properties()
            return Answer()
        if verb == "show":
            return self._show(names, options)
        units = [self._unit(name) for name in self._expand(names)]
        if verb == "reset-failed":
            for unit in units:
                unit.reset_failed()
            return Answer()
        if verb == "kill":
            for unit in units:
                unit.kill(options.signal)
            return Answer()
        if verb in ("is-active", "is-failed"):
            wanted = "active" if verb == "is-active" else "failed"
            hit = any(unit.active == wanted for unit in units)
            return Answer(0 if hit else 3, "".join(f"{unit.active}\n" for unit in units))
        return Answer(1, err=f"Unknown command verb '{verb}'.\n")

    async def _jobs(self, verb: str, names: list[str]) -> Answer:
        err = ""
        for name in self._expand(names):
            unit = self._unit(name)
            try:
                if verb in ("stop", "restart"):
                    await unit.stop()
                if verb in ("start", "restart"):
                    await unit.start()
                if verb == "reload":
                    await unit.reload()
            except JobFailed as failure:
                err += f"{failure}\n"
        return Answer(1 if err else 0, err=err)

    def _show(self, names: list[str], options: Options) -> Answer:
        blocks = []
        for name in self._expand(names):
            shown = self._unit(name).show()
            wanted = options.properties or list(shown)
            if options.value_only:
                blocks.append("".join(f"{shown.get(key, '')}\n" for key in wanted))
            else:
                blocks.append("".join(f"{key}={shown.get(key, '')}\n" for key in wanted))
        return Answer(out="\n".join(blocks))

    def _machinectl(self, verb: str, names: list[str], options: Options) -> Answer:
        alive = {n: m for n, m in self.machines.items() if time.monotonic() < m.gone_at}
        if verb == "list":
            return Answer(out="".join(f"{name} container systemd-nspawn\n" for name in alive))
        if verb not in ("show", "terminate"):
            return Answer(1, err=f"Unknown command verb '{verb}'.\n")
        out = ""
        for name in names:
            if name not in alive:
                return Answer(1, out, f"Could not get path to machine: No machine '{name}' known\n")
            if verb == "show":
                shown = {"Name": name, "Leader": str(alive[name].leader), "State": "running"}
                wanted = options.properties or list(shown)
                keyless = options.value_only
                out += "".join(shown[k] + "\n" if keyless else f"{k}={shown[k]}\n" for k in wanted)
            else:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(alive[name].leader, signal.SIGRTMIN + 3)
        return Answer(0, out)

    def _expand(self, names: list[str]) -> list[str]:
        """Globs match the units that are loaded: the ones that are neither inactive nor unknown."""
        found: list[str] = []
        for name in names:
            if any(char in name for char in "*?["):
                pattern = name if name.endswith(".service") else f"{name}.service"
                loaded = [u for u in self.units.values() if u.active != "inactive"]
                found += [u.unit for u in loaded if fnmatch.fnmatch(u.unit, pattern)]
            else:
                found.append(name)
        return found

    def _unit(self, name: str) -> Unit:
        short = name.removesuffix(".service").removeprefix("container@")
        if short not in self.units:
            unit = Unit(self.layout, short, self._spawn, self.machines)
            unit.load_properties()
            self.units[short] = unit
        return self.units[short]

    def _spawn(self, work: Awaitable[None]) -> None:
        async def run() -> None:
            await work

        self.group.create_task(run())


def _parse(argv: list[str]) -> Options:
    options = Options()
    words = iter(argv)
    for word in words:
        if word in ("-p", "--property", "-P"):
            options.properties += next(words, "").split(",")
            options.value_only = options.value_only or word == "-P"
        elif word.startswith("--property="):
            options.properties += word.partition("=")[2].split(",")
        elif word == "--value":
            options.value_only = True
        elif word in ("-s", "--signal"):
            options.signal = signal.Signals[f"SIG{next(words, 'TERM').removeprefix('SIG')}"]
        elif not word.startswith("-"):
            options.words.append(word)
    return options


async def serve(layout: Layout) -> None:
    """Answer until SIGTERM, and kill every container then."""
    layout.socket.unlink(missing_ok=True)
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    async with asyncio.TaskGroup() as group:
        manager = Manager(layout, group)

        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.closing(writer):
                line = await reader.readline()
                if line:
                    answer = await manager.answer(line.decode().rstrip("\n").split("\0"))
                    out, err = answer.out.encode(), answer.err.encode()
                    writer.write(b"%d %d\n%b%b" % (answer.code, len(out), out, err))
                    with contextlib.suppress(ConnectionError):
                        await writer.drain()

        server = await asyncio.start_unix_server(client, layout.socket)
        async with server:
            await over.wait()
        for unit in manager.units.values():
            unit._stopping = True  # noqa: SLF001 - the host goes down: no restarts any more
            unit._kill_all()  # noqa: SLF001


if __name__ == "__main__":
    asyncio.run(serve(Layout(Path(sys.argv[1]))))
