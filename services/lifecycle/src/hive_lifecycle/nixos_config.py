"""The nixos runtime's settings: where a NixOS host keeps its containers, and what it calls its tools."""

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from hivecommon.errors import HiveError

from hive_lifecycle.git import git_command
from hive_lifecycle.limits import Limits, parse_limits
from hive_lifecycle.meta_flake import NIX_FEATURES, FlakeInputs

# systemd.time(7), as far as a timeout needs it
_SPAN = re.compile(r"([0-9]+)\s*(s|sec|min|m|h|)")
_SECONDS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


@dataclass(frozen=True)
class HostPaths:
    """A NixOS host's directories; each can be somewhere else, so that tests need no NixOS."""

    conf: Path = Path("/etc/nixos-containers")
    roots: Path = Path("/var/lib/nixos-containers")
    profiles: Path = Path("/nix/var/nix/profiles/per-container")
    dropins: Path = Path("/run/systemd/system")


@dataclass(frozen=True)
class HostTools:
    """The host's programs, by name or by path."""

    nixos_container: str = "nixos-container"
    systemctl: str = "systemctl"
    machinectl: str = "machinectl"
    journalctl: str = "journalctl"
    flock: str = "flock"
    nix: str = "nix"
    git: str = "git"


@dataclass(frozen=True)
class NixosConfig:
    """How agents run in nixos-containers."""

    inputs: FlakeInputs
    paths: HostPaths = field(default_factory=HostPaths)
    tools: HostTools = field(default_factory=HostTools)
    limits: Limits = field(default_factory=Limits)
    """For agents whose agent.toml sets none."""
    start_timeout: timedelta = timedelta(minutes=5)
    build_timeout: timedelta = timedelta(hours=1)
    start_parallel: int = 3
    """Containers that may start at the same time."""
    poll_s: float = 2.0
    """How often containers are looked at."""
    nix_config: str = NIX_FEATURES
    """NIX_CONFIG of every program that asks nix: the host's own, and flakes allowed."""


def read_nixos_config(environ: Mapping[str, str]) -> NixosConfig:
    """Return the settings; raise `bad_environment` naming the variable that is wrong."""
    defaults = HostPaths()
    inputs = FlakeInputs(
        hyperhive=environ.get("HIVE_META_HYPERHIVE", ""),
        nixpkgs=environ.get("HIVE_META_NIXPKGS") or "github:NixOS/nixpkgs/nixos-25.11",
        nixpkgs_unstable=environ.get("HIVE_META_NIXPKGS_UNSTABLE")
        or "github:NixOS/nixpkgs/nixos-unstable",
        platform=f"{platform.machine()}-linux",
    )
    if not inputs.hyperhive:
        raise _wrong("HIVE_META_HYPERHIVE", "", "the flake that agents' systems are made from")
    inputs.check()
    return NixosConfig(
        inputs=inputs,
        paths=HostPaths(
            conf=_directory(environ, "HIVE_NIXOS_CONF_DIR", defaults.conf),
            roots=_directory(environ, "HIVE_NIXOS_ROOTS", defaults.roots),
            profiles=_directory(environ, "HIVE_NIXOS_PROFILES", defaults.profiles),
            dropins=_directory(environ, "HIVE_SYSTEMD_DROPINS", defaults.dropins),
        ),
        tools=HostTools(
            nixos_container=environ.get("HIVE_NIXOS_CONTAINER") or "nixos-container",
            systemctl=environ.get("HIVE_SYSTEMCTL") or "systemctl",
            machinectl=environ.get("HIVE_MACHINECTL") or "machinectl",
            journalctl=environ.get("HIVE_JOURNALCTL") or "journalctl",
            flock=environ.get("HIVE_FLOCK") or "flock",
            nix=environ.get("HIVE_NIX") or "nix",
            git=git_command(environ),
        ),
        limits=parse_limits(
            {
                key: environ[name]
                for key, name in (("memory", "HIVE_AGENT_MEMORY"), ("cpu", "HIVE_AGENT_CPU"))
                if environ.get(name)
            },
            "HIVE_AGENT_MEMORY and HIVE_AGENT_CPU",
        ),
        start_timeout=_span(environ, "HIVE_START_TIMEOUT", timedelta(minutes=5)),
        build_timeout=_span(environ, "HIVE_BUILD_TIMEOUT", timedelta(hours=1)),
        start_parallel=_count(environ, "HIVE_START_PARALLEL", 3),
        poll_s=_seconds(environ, "HIVE_POLL_S", 2.0),
        nix_config=f"{environ.get('NIX_CONFIG', '')}\n{NIX_FEATURES}".lstrip("\n"),
    )


def require_access(paths: HostPaths) -> None:
    """Raise `not_root`: nixos-container and systemd take orders from root alone."""
    # Under ProtectSystem=strict the directory above it is read-only, and this one alone is not.
    place = paths.conf if paths.conf.exists() else paths.conf.parent
    if not os.access(place, os.W_OK):
        raise HiveError(
            f"HIVE_RUNTIME=nixos must be able to write {paths.conf}",
            code="not_root",
            hint="run lifecycle as root, as services.hyperhive does, or use HIVE_RUNTIME=local",
        )


def _directory(environ: Mapping[str, str], name: str, default: Path) -> Path:
    path = Path(environ.get(name) or default)
    if not path.is_absolute():
        raise _wrong(name, str(path), "an absolute path")
    return path


def _span(environ: Mapping[str, str], name: str, default: timedelta) -> timedelta:
    text = environ.get(name) or ""
    if not text:
        return default
    match = _SPAN.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise _wrong(name, text, "a time like 90s, 5min or 1h")
    return timedelta(seconds=int(match[1]) * _SECONDS[match[2]])


def _count(environ: Mapping[str, str], name: str, default: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or int(text) == 0:
        raise _wrong(name, text, "a number from 1")
    return int(text)


def _seconds(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.01 <= value <= 60:  # noqa: PLR2004 - from busy looping to not seeing anything
        raise _wrong(name, text, "a number of seconds from 0.01 to 60")
    return value


def _wrong(name: str, value: str, wanted: str) -> HiveError:
    return HiveError(f"{name}={value!r} is not {wanted}", code="bad_environment", hint="correct it")
