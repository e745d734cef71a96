"""How a harness is started: its environment and its places, inside a sandbox and outside."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hivecommon.environment import HiveEnvironment
from hivecommon.files import write_atomically
from hivecommon.home import make_private
from hivecommon.names import AgentName

from hive_lifecycle import sandbox

MARK: Final = "HIVE_AGENT_PROCESS"
"""Carried by every process of an agent: what an unsandboxed one leaves behind is found by it."""


@dataclass(frozen=True)
class Places:
    """Where the harness finds what is its agent's own, as it sees the file system."""

    state: Path
    claude: Path
    run: Path
    home: Path


INSIDE: Final = Places(sandbox.STATE, sandbox.CLAUDE, sandbox.RUN, Path("/root"))


def outside(hive: HiveEnvironment, name: AgentName) -> Places:
    """Return an agent's places on the host; an unsandboxed agent has no other."""
    state = hive.home.state(name)
    return Places(state, hive.home.claude(name), hive.run.agent(name), state)


def agent_environment(hive: HiveEnvironment, places: Places, mark: str) -> dict[str, str]:
    """Return the whole environment of a harness. Holds secrets: never log it, never make it argv."""
    programs = ["/usr/local/bin", "/usr/bin", "/bin", "/run/current-system/sw/bin"]
    return {
        **hive.agent_environment,
        MARK: mark,
        "HIVE_AGENT_RUN": str(places.run),
        "HYPERHIVE_STATE_DIR": str(places.state),
        "CLAUDE_CONFIG_DIR": str(places.claude),
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "HOME": str(places.home),
        "LANG": "C.UTF-8",
        # Last, so that nothing of ours stands before the host's own programs.
        "PATH": ":".join([*programs, str(Path(sys.prefix) / "bin")]),
    }


def write_accounts(directory: Path) -> tuple[Path, Path]:
    """Write the passwd and group files that agents see: root and the user that runs the hive."""
    make_private(directory)
    uid, gid = os.getuid(), os.getgid()
    passwd = ["root:x:0:0:root:/root:/bin/bash", "nobody:x:65534:65534::/nonexistent:/bin/false"]
    groups = ["root:x:0:", "nogroup:x:65534:"]
    if uid not in {0, 65534}:
        passwd.append(f"agent:x:{uid}:{gid}::/root:/bin/bash")
    if gid not in {0, 65534}:
        groups.append(f"agent:x:{gid}:")
    files = directory / "passwd", directory / "group"
    for file, lines in zip(files, (passwd, groups), strict=True):
        write_atomically(file, ("\n".join(lines) + "\n").encode())
    return files
