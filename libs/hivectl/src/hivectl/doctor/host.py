"""Checks of the host: programs, sandboxes, the disk."""

import importlib.util
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from hivecommon.command import Run
from hivecommon.errors import HiveError

from hivectl.doctor.check import Check, fail, ok, warn
from hivectl.supervisor.programs import find_nats_server

_PROBE_S: Final = 20.0
_LITTLE_DISK: Final = 1 << 30
_NO_DISK: Final = 100 << 20
_USER_NAMESPACES: Final = (
    ("/proc/sys/user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0",
     "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
     "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
)  # fmt: skip


async def nats_server(run: Run) -> Check:
    """Check that there is a nats-server."""
    try:
        program = find_nats_server()
        said = await run([str(program), "--version"], timeout_s=_PROBE_S)
        return ok("nats-server", f"{said.check().stdout.decode().strip()}, {program}")
    except HiveError as error:
        return fail("nats-server", error.message, error.hint)


async def claude_cli(run: Run, environ: Mapping[str, str]) -> Check:
    """Check that there is a Claude CLI that agents can use."""
    cure = "install the wheel of claude-agent-sdk (`make up` does), or set HIVE_CLAUDE_CLI"
    program = environ.get("HIVE_CLAUDE_CLI") or _bundled_cli()
    if program is None:
        return fail("claude", "no Claude CLI in claude-agent-sdk", cure)
    try:
        said = await run([program, "--version"], timeout_s=_PROBE_S)
        return ok("claude", f"{said.check().stdout.decode().strip()}, {program}")
    except HiveError as error:
        return fail("claude", error.message, cure)


def _bundled_cli() -> str | None:
    spec = importlib.util.find_spec("claude_agent_sdk")  # found without importing: that takes 0.8 s
    for folder in (spec and spec.submodule_search_locations) or ():
        program = Path(folder) / "_bundled" / "claude"
        if program.is_file():
            return str(program)
    return None


async def sandbox(run: Run) -> Check:
    """Check that bubblewrap can make sandboxes for agents."""
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return warn(
            "sandbox", "no bubblewrap: agents run unsandboxed and can read the hive's files",
            "install it: apt install bubblewrap, dnf install bubblewrap, pacman -S bubblewrap",
        )  # fmt: skip
    argv = [bwrap, "--unshare-user-try", "--unshare-pid", "--ro-bind", "/", "/"]
    try:
        tried = await run([*argv, "--proc", "/proc", "true"], timeout_s=_PROBE_S)
        tried.check()
    except HiveError as error:
        return warn(
            "sandbox", f"bubblewrap cannot make sandboxes: {error.message}",
            "see the check of user namespaces; in a container it needs more privileges",
        )  # fmt: skip
    return ok("sandbox", f"bubblewrap works, {bwrap}")


def user_namespaces() -> Check:
    """Check that users may make namespaces, as bubblewrap does when it is not root."""
    for file, bad, cure in _USER_NAMESPACES:
        if _first_line(Path(file)) == bad:
            forbidden = f"{file} is {bad}"
            if os.getuid() == 0:
                return ok("user namespaces", f"{forbidden}, which root does not mind")
            return warn("user namespaces", forbidden, cure)
    return ok("user namespaces", "allowed")


def _first_line(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""  # this kernel has no such switch


def setpriv() -> Check:
    """Check for setpriv, by which the kernel ends the services of a killed `hive up`."""
    if found := shutil.which("setpriv"):
        return ok("setpriv", found)
    return warn(
        "setpriv", "not there: services of a killed `hive up` run on until the next one",
        "install util-linux",
    )  # fmt: skip


def disk(directory: Path) -> Check:
    """Check that there is room for what the hive keeps."""
    while not directory.exists():
        directory = directory.parent
    free = shutil.disk_usage(directory).free
    found = f"{free / (1 << 30):.1f} GiB free at {directory}"
    if free < _NO_DISK:
        return fail("disk", found, "make room: the bus stops storing messages when it is full")
    if free < _LITTLE_DISK:
        return warn("disk", found, "make room soon: the streams alone may grow to 5 GiB")
    return ok("disk", found)
