"""The bubblewrap command line of an agent: what it may see of the host, and nothing else."""

import sys
import sysconfig
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STATE: Final = Path("/state")
CLAUDE: Final = Path("/root/.claude")
RUN: Final = Path("/run/hive")

# What programs need of /etc. The directory as a whole holds more than an agent should see.
_ETC: Final = (
    "alternatives", "ca-certificates", "crypto-policies", "hosts", "ld.so.cache", "ld.so.conf",
    "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf", "os-release", "pki", "protocols",
    "resolv.conf", "services", "ssl", "static", "timezone",
)  # fmt: skip
_TOP: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# NixOS keeps its programs there.
_NIX: Final = (Path("/nix/store"), Path("/run/current-system"))


@dataclass(frozen=True)
class HostView:
    """What of the host every agent sees, all of it read-only."""

    links: tuple[tuple[str, Path], ...]
    """(target, link), e.g. `usr/bin` at `/bin`."""
    directories: tuple[Path, ...]
    files: tuple[Path, ...]
    """Files and directories below /etc and single programs: bound at their own place."""
    hidden: tuple[Path, ...]
    """Directories that must stay empty, wherever they lie: the hive's own."""


@dataclass(frozen=True)
class AgentView:
    """What is the agent's own."""

    state: Path
    claude: Path
    run: Path
    passwd: Path
    group: Path
    configs: tuple[tuple[Path, Path], ...] = ()
    """(source, place) of the config repos that the manager may write."""


def bwrap_argv(
    bwrap: str, host: HostView, agent: AgentView, *, status_fd: int, command: Sequence[str]
) -> list[str]:
    """Return the whole argv. `status_fd` receives bwrap's JSON on the sandbox's first process.

    The environment is the one that bwrap is started with: as arguments its secrets would be
    readable for every user of the host.
    """
    argv = [bwrap, "--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--new-session"]
    # Started by root without a user namespace, bwrap would keep every capability.
    argv += ["--cap-drop", "ALL", "--json-status-fd", str(status_fd)]
    argv += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/root"]  # noqa: S108 - the sandbox's own
    argv += ["--ro-bind", "/usr", "/usr"]
    for target, link in host.links:
        argv += ["--symlink", target, str(link)]
    for path in (*host.directories, *host.files):
        argv += ["--ro-bind", str(path), str(path)]
    argv += ["--ro-bind", str(agent.passwd), "/etc/passwd"]
    argv += ["--ro-bind", str(agent.group), "/etc/group"]
    for path in host.hidden:
        argv += ["--tmpfs", str(path)]
    for source, place in ((agent.state, STATE), (agent.claude, CLAUDE), *agent.configs):
        argv += ["--bind", str(source), str(place)]
    # lifecycle reads what lies there: an agent that could write would answer it with a FIFO.
    argv += ["--ro-bind", str(agent.run), str(RUN)]
    return [*argv, "--chdir", str(STATE), "--", *command]


def probe_argv(bwrap: str, host: HostView) -> list[str]:
    """Return a command that succeeds where sandboxes can be made."""
    links = [word for target, link in host.links for word in ("--symlink", target, str(link))]
    nix = [
        word for path in host.directories if path in _NIX
        for word in ("--ro-bind", str(path), str(path))
    ]  # fmt: skip
    return [
        bwrap, "--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL",
        "--ro-bind", "/usr", "/usr", *links, *nix, "--proc", "/proc", "--dev", "/dev",
        "--", "/bin/sh", "-c", ":",
    ]  # fmt: skip


def survey_host(private: Iterable[Path], programs: Iterable[Path]) -> HostView:
    """Look at this host. `private` are the hive's own directories, `programs` further executables."""
    links: list[tuple[str, Path]] = []
    directories: list[Path] = [path for path in _NIX if path.exists()]
    for name in _TOP:
        path = Path("/", name)
        if path.is_symlink():
            links.append((str(path.readlink()), path))
        elif path.is_dir():
            directories.append(path)
    directories += _without_nested([*python_directories(), *_program_directories(programs)])
    files = [path for name in _ETC if (path := Path("/etc", name)).exists()]
    for program in programs:
        files += [p for p in dict.fromkeys((program, program.resolve())) if not _in_usr(p)]
    hidden = [
        path for path in dict.fromkeys(place.resolve() for place in private)
        if any(path.is_relative_to(seen) for seen in (Path("/usr"), *directories))
    ]  # fmt: skip
    return HostView(tuple(links), tuple(directories), tuple(files), tuple(hidden))


def python_directories() -> list[Path]:
    """Return what this Python needs to run the harness: its prefixes and the editable sources."""
    executable = Path(sys.executable)
    found = [Path(sys.prefix), Path(sys.base_prefix), executable.resolve().parent.parent]
    hop = executable
    while hop.is_symlink():
        hop = hop.parent / hop.readlink()
        found.append(hop.parent.parent)
    for pth in sorted(Path(sysconfig.get_path("purelib")).glob("*.pth")):
        found += [Path(line) for line in pth.read_text().splitlines() if line.startswith("/")]
    everywhere = dict.fromkeys((*found, *(path.resolve() for path in found)))
    return [path for path in everywhere if path.is_dir() and not _in_usr(path)]


def _program_directories(programs: Iterable[Path]) -> list[Path]:
    # A script of Node's needs the package around it; anything else is a file by itself.
    scripts = (program.resolve() for program in programs)
    return [s.parent for s in scripts if s.suffix in {".js", ".mjs", ".cjs"}]


def _in_usr(path: Path) -> bool:
    return path.is_relative_to("/usr") or path == Path("/")


def _without_nested(paths: Sequence[Path]) -> list[Path]:
    return [
        path for path in dict.fromkeys(paths)
        if not any(path != other and path.is_relative_to(other) for other in paths)
    ]  # fmt: skip
