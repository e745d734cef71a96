"""The conf file of one nixos-container: how systemd and its start script read it, and our rewrite.

`/etc/nixos-containers/NAME.conf` is a systemd EnvironmentFile (systemd.exec(5)); the start script
then expands EXTRA_NSPAWN_FLAGS unquoted, so that bash splits it into words and globs each of them.
"""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hivecommon.errors import HiveError

from hive_lifecycle.env_file import Statement, UnterminatedQuote, environment, statements

FLAGS_KEY = "EXTRA_NSPAWN_FLAGS"
OPERATOR_FLAGS_KEY = "HIVE_EXTRA_NSPAWN_FLAGS"
DROPPED_CAPABILITIES = ("CAP_NET_RAW", "CAP_NET_BIND_SERVICE")

# Any of these gives the container a network of its own, or makes nspawn refuse to start without
# one. Empty is as good as unset to the start script.
CLEARED_KEYS = (
    "HOST_ADDRESS",
    "LOCAL_ADDRESS",
    "HOST_ADDRESS6",
    "LOCAL_ADDRESS6",
    "LOCAL_MAC_ADDRESS",
    "HOST_BRIDGE",
    "HOST_PORT",
)
CLEARED_WHERE_PRESENT = ("NETWORK_NAMESPACE_PATH", "INTERFACES", "MACVLANS", "PRIVATE_USERS")

_PATH = re.compile(r"/[A-Za-z0-9_./+-]*")
_FLAG = re.compile(r"--[a-z][a-z0-9-]*(=[A-Za-z0-9_./+,:=@%-]+)?")


@dataclass(frozen=True, slots=True)
class Bind:
    """A directory of the host, and where the container sees it."""

    source: str
    target: str
    read_only: bool = False

    def flag(self) -> str:
        """Give the nspawn flag; `container_conf` for a path that the conf file cannot hold."""
        for path in (self.source, self.target):
            _check_path(path)
        return f"--bind{'-ro' if self.read_only else ''}={self.source}:{self.target}"


def set_nspawn_flags(conf: str, binds: Iterable[Bind], flags: Iterable[str] = ()) -> str:
    """Rewrite a container's conf so that it shares the host's network and sees `binds`.

    Comments, unknown keys and their order stay; of duplicates the winner stays, which is the
    last one. EXTRA_NSPAWN_FLAGS belongs to the hive; an operator's own flags go into
    HIVE_EXTRA_NSPAWN_FLAGS of the same file and come after ours. The result is a fixed point.
    Raises HiveError `container_conf`, and then nothing was decided.
    """
    cut = _cut(conf)
    today = environment(cut)
    wanted = dict.fromkeys(CLEARED_KEYS, "")
    wanted |= {key: "" for key in CLEARED_WHERE_PRESENT if today.get(key)}
    wanted["PRIVATE_NETWORK"] = "0"
    words = [bind.flag() for bind in binds]
    words += [_checked_flag(flag) for flag in (*flags, *today.get(OPERATOR_FLAGS_KEY, "").split())]
    wanted[FLAGS_KEY] = f'"{" ".join(dict.fromkeys(words))}"'
    return _render(cut, wanted)


def drop_capabilities(names: Sequence[str] = DROPPED_CAPABILITIES) -> str:
    """Give the nspawn flag that takes capabilities away from a container."""
    return f"--drop-capability={','.join(names)}"


def read_conf(text: str) -> dict[str, str]:
    """Read a conf the way systemd does: what the start script finds in its environment."""
    return environment(_cut(text))


def load_conf(path: Path) -> str:
    """Read the file without losing a byte of it, whatever its encoding."""
    return path.read_bytes().decode(errors="surrogateescape")


def write_conf(path: Path, text: str) -> bool:
    """Replace the file in one step and say whether that changed it; its mode stays.

    The temporary name is NAME.conf.tmp, since `nixos-container list` takes every `*.conf` for a
    container; two writers of one file need a lock between them.
    """
    wanted = text.encode(errors="surrogateescape")
    try:
        if path.read_bytes() == wanted:
            return False
        mode = path.stat().st_mode & 0o7777
    except FileNotFoundError:
        mode = 0o644
    temporary = path.with_name(f"{path.name}.tmp")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with os.fdopen(os.open(temporary, flags, 0o600), "wb") as file:
        file.write(wanted)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    temporary.replace(path)
    return True


def _refusal(message: str, hint: str) -> HiveError:
    return HiveError(message, code="container_conf", hint=hint)


def _check_path(path: str) -> None:
    if not path.startswith("/"):
        message = f"cannot bind {path!r} into a container: the path must be absolute"
        raise _refusal(message, "give the full path, from /")
    if not _PATH.fullmatch(path):
        bad = next(char for char in path if not re.fullmatch(r"[A-Za-z0-9_./+-]", char))
        message = (
            f"cannot bind {path!r} into a container: the character {bad!r} cannot be written to "
            f"{FLAGS_KEY}, whose words bash splits and globs without any escape"
        )
        raise _refusal(message, "use a path of A-Z a-z 0-9 _ . / + - only")
    if ".." in path.split("/"):
        message = f"cannot bind {path!r} into a container: '..' may lead anywhere"
        raise _refusal(message, "give the path without '..'")


def _checked_flag(flag: str) -> str:
    if not _FLAG.fullmatch(flag):
        message = f"cannot pass {flag!r} to systemd-nspawn: it would not survive {FLAGS_KEY}"
        hint = "write --flag or --flag=value without spaces, quotes, $ or globs"
        raise _refusal(message, hint)
    return flag


def _cut(conf: str) -> list[Statement]:
    try:
        return list(statements(conf))
    except UnterminatedQuote as error:
        message = f"the container's conf file cannot be read: {error}"
        hint = "close the quote; systemd takes the rest of the file for its value"
        raise _refusal(message, hint) from error


def _render(cut: Sequence[Statement], wanted: dict[str, str]) -> str:
    winners = {each.key: index for index, each in enumerate(cut)}
    parts: list[str] = []
    for index, each in enumerate(cut):
        if each.key is None:
            parts.append(_closed_comment(each.raw))
        elif winners[each.key] == index:
            parts.append(f"{each.key}={wanted[each.key]}\n" if each.key in wanted else each.raw)
    if parts and not parts[-1].endswith("\n"):
        parts[-1] += "\n"
    parts += [f"{key}={value}\n" for key, value in wanted.items() if key not in winners]
    return "".join(parts)


def _closed_comment(raw: str) -> str:
    """Blunt a trailing backslash: systemd before 254 took the next line into the comment."""
    return re.sub(r"(?<!\\)((?:\\\\)*\\)(\n?)\Z", r"\1 \2", raw)
