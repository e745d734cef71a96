"""nixos-container, systemctl and machinectl: one function per command, each with its argv."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hivecommon.command import Completed, Run
from hivecommon.errors import HiveError
from hivecommon.home import make_private

from hive_lifecycle.errors import BuildFailed
from hive_lifecycle.nixos_config import NixosConfig
from hive_lifecycle.units import PROPERTIES, UnitState, parse_show, unit_name

_QUICK_S = 30.0
_STOP_S = 120.0
"""container@ has systemd's own 90 s to stop, and is killed then."""
_GONE_S = 30.0
_POLL_S = 0.05
_RELOAD_FAILED = b"failed to reload container"
_LOCKED = 75
"""What flock shall exit with when another call holds the lock (EX_TEMPFAIL)."""


class Containers:
    """Drives the containers of one host."""

    def __init__(self, config: NixosConfig, run: Run, directory: Path) -> None:
        self._config = config
        self._tools = config.tools
        self._run = run
        self._directory = directory

    def conf(self, container: str) -> Path:
        """Return the conf file; a container exists exactly when it does."""
        return self._config.paths.conf / f"{container}.conf"

    def exists(self, container: str) -> bool:
        """Return whether nixos-container knows the container."""
        return self.conf(container).exists()

    def names(self) -> list[str]:
        """Return all containers of the host, as `nixos-container list` finds them."""
        return sorted(path.stem for path in self._config.paths.conf.glob("*.conf"))

    def root(self, container: str) -> Path:
        """Return the container's own root file system."""
        return self._config.paths.roots / container

    def system(self, container: str) -> Path | None:
        """Return the store path of the system that the next start will run; None without one."""
        profile = self._config.paths.profiles / container / "system"
        return profile.resolve() if profile.exists() else None

    async def create(self, container: str, flake: str) -> None:
        """Create a container from a flake; a failed one is not left behind."""
        had_root = self.root(container).exists()
        done = await self._container("create", container, "--flake", flake)
        if done.code == 0:
            return
        if self.exists(container) and not had_root:
            # It leaves its conf behind, and the next create would say "already exists".
            await self._container("destroy", container)
        raise build_failed(container, done)

    async def update(self, container: str, flake: str) -> bool:
        """Build a flake into a container; a running one is reloaded, which may fail by itself.

        Returns whether the container runs well with it. Raises `build_failed` when it was not
        built: the exit status alone does not tell the two apart.
        """
        before = self._generation(container)
        (self._config.paths.profiles / container).mkdir(mode=0o755, parents=True, exist_ok=True)
        done = await self._container("update", container, "--flake", flake)
        moved = self._generation(container) != before
        if done.code and not moved and _RELOAD_FAILED not in done.stderr:
            raise build_failed(container, done)
        return done.code == 0

    async def destroy(self, container: str) -> None:
        """Remove a stopped container, its profile and its root; what is bound into it stays.

        A running or starting one must be stopped first: it would go on without its root.
        """
        (await self._container("destroy", container)).check()

    async def start(self, container: str) -> None:
        """Start from whatever state there is, and return once the container is ready.

        After an nspawn that was killed, a start fails until machined has forgotten the machine;
        after five failures systemd refuses until the unit is reset.
        """
        unit = await self.show(container)
        if unit.active != "activating" or unit.waits_for_restart:
            await self.stop(container)
        timeout_s = self._config.start_timeout.total_seconds() + _QUICK_S
        done = await self._systemctl("start", unit_name(container), timeout_s=timeout_s)
        if done.code:
            words = await self.last_words(container) or _last_line(done)
            raise HiveError(
                f"the container {container} did not start: {words}",
                code="start_failed",
                hint=f"see `journalctl -u {unit_name(container)}`",
            )

    async def stop(self, container: str) -> None:
        """Stop and return once nothing of the container is left, the failures' count included."""
        unit = unit_name(container)
        done = await self._systemctl("stop", unit, timeout_s=_STOP_S)
        if done.code:
            raise HiveError(
                f"the container {container} does not stop: {_last_line(done)}",
                code="stop_failed",
                hint=f"see `systemctl status {unit}`",
            )
        try:
            async with asyncio.timeout(_GONE_S):
                while await self.leader(container) is not None:  # noqa: ASYNC110 - machined has no event for it
                    await asyncio.sleep(_POLL_S)
        except TimeoutError as error:
            raise HiveError(
                f"machined still knows the container {container}, {_GONE_S:.0f} s after its stop",
                code="stop_failed",
                hint=f"see `machinectl status {container}` and `journalctl -u {unit}`",
            ) from error
        await self._systemctl("reset-failed", unit)

    async def show(self, container: str) -> UnitState:
        """Look at one container's unit."""
        return next(iter(await self._show(unit_name(container))), UnitState(container))

    async def show_all(self) -> list[UnitState]:
        """Look at every container's unit that systemd holds; stopped ones are not among them."""
        return await self._show(unit_name("*"))

    async def leader(self, container: str) -> int | None:
        """Return the container's first process in the host's numbering; None without one."""
        argv = [self._tools.machinectl, "show", container, "-p", "Leader"]
        done = await self._run(argv, timeout_s=_QUICK_S)
        number = done.stdout.decode(errors="replace").strip().removeprefix("Leader=")
        return int(number) if done.code == 0 and number.isdecimal() else None

    async def daemon_reload(self) -> None:
        """Make systemd read its files again."""
        (await self._systemctl("daemon-reload")).check()

    async def last_words(self, container: str) -> str:
        """Return what the container's nspawn last wrote to the journal, at most three lines.

        systemd writes about the unit as well, and comes last; the unit's own lines bear its
        SyslogIdentifier=, which is nixos-container's. Without such lines, all count.
        """
        argv = [self._tools.journalctl, "-u", unit_name(container), "-n", "3", "-o", "cat"]
        for own in (["-t", f"container {container}"], []):
            try:
                done = await self._run([*argv, *own, "--no-pager"], timeout_s=_QUICK_S)
            except HiveError:  # it only adds to an error that is on its way
                return ""
            words = done.stdout.decode(errors="replace").split("\n") if done.code == 0 else []
            if said := "; ".join(line.strip() for line in words if line.strip()):
                return said[:500]
        return ""

    async def _show(self, pattern: str) -> list[UnitState]:
        done = await self._systemctl(
            "show", "--timestamp=us+utc", "--property", ",".join(PROPERTIES), pattern
        )
        return parse_show(done.check().stdout.decode(errors="replace"))

    async def _systemctl(self, *argv: str, timeout_s: float = _QUICK_S) -> Completed:
        return await self._run([self._tools.systemctl, *argv], timeout_s=timeout_s)

    async def settle(self, container: str) -> None:
        """Wait for a nixos-container that an earlier lifecycle left behind; raise `container_busy`.

        What is looked at before that may be changed under our hands. Nobody uses the directories
        of its calls any more then: a kill left them behind.
        """
        await self._locked(container, "true")
        for left in self._directory.glob(f"work.{container}.*"):
            shutil.rmtree(left, ignore_errors=True)

    async def _container(self, verb: str, container: str, *argv: str) -> Completed:
        return await self._locked(container, self._tools.nixos_container, verb, container, *argv)

    async def _locked(self, container: str, *command: str) -> Completed:
        """Run a command in a directory of its own, under the container's lock.

        `nix build -o .tmp` in a shared directory swaps agents' systems. flock(1) holds the lock
        for as long as the call runs, also when lifecycle is killed meanwhile.
        """
        make_private(self._directory)
        lock = self._directory / f"{container}.lock"
        timeout_s = self._config.build_timeout.total_seconds()
        argv = [
            self._tools.flock, "--exclusive", "--timeout", f"{timeout_s:.0f}",
            "--conflict-exit-code", str(_LOCKED), str(lock), *command,
        ]  # fmt: skip
        env = {"NIX_CONFIG": self._config.nix_config}
        with self._private_directory(container) as cwd:
            done = await self._run(argv, timeout_s=timeout_s + _QUICK_S, cwd=cwd, env=env)
        if done.code == _LOCKED:
            raise HiveError(
                f"another nixos-container works on {container} and does not end",
                code="container_busy",
                hint=f"see `fuser -v {lock}`",
            )
        return done

    @contextmanager
    def _private_directory(self, container: str) -> Iterator[Path]:
        path = Path(tempfile.mkdtemp(prefix=f"work.{container}.", dir=self._directory))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _generation(self, container: str) -> str | None:
        """Return which generation the profile is at; each other system makes a new one."""
        profile = self._config.paths.profiles / container / "system"
        try:
            return str(profile.readlink())
        except OSError:
            return None


def build_failed(container: str, done: Completed) -> HiveError:
    """Return the error of a system that was not built, with the builder's log."""
    said = done.stderr.decode(errors="replace")
    words = [line for line in said.splitlines() if line.strip()]
    return BuildFailed(
        f"the system of {container} was not built: {' '.join(words[-6:])[-800:]}",
        log=said,
        hint="correct agent.nix (or its inputs) and rebuild; what ran before still runs",
    )


def _last_line(done: Completed) -> str:
    words = (done.stdout.strip() or done.stderr.strip()).decode(errors="replace").splitlines()
    return words[-1][:500] if words else ""
