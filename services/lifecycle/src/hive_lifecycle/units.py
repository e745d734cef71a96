"""What systemd says of container@ units, and what that means for an agent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from hivecommon.contracts.roster import ContainerState

PROPERTIES = (
    "Id", "ActiveState", "SubState", "Result", "NRestarts", "InvocationID", "ExecMainStatus",
    "StateChangeTimestamp", "ActiveEnterTimestamp",
)  # fmt: skip
_PREFIX, _SUFFIX = "container@", ".service"
_RESULTS = {
    "start-limit-hit": "it failed five times in ten seconds, and systemd gave up",
    "timeout": "it did not get ready in time",
    "oom-kill": "it used more memory than it may, and the kernel killed it",
    "watchdog": "it hung",
    "signal": "its nspawn was killed",
}


@dataclass(frozen=True)
class UnitState:
    """One container's unit."""

    container: str
    active: str = "inactive"
    sub: str = "dead"
    result: str = "success"
    restarts: int = 0
    invocation: str = ""
    exit_status: int = 0
    changed_at: datetime | None = None
    """None: never in this boot."""
    ready_at: datetime | None = None
    """When it last became active."""

    @property
    def waits_for_restart(self) -> bool:
        """Whether systemd is between two attempts."""
        return self.sub == "auto-restart"

    @property
    def runs(self) -> bool:
        """Whether the container is up; `nixos-container status` says `down` while it reloads."""
        return self.active in {"active", "reloading"}


def unit_name(container: str) -> str:
    """Return the unit of a container."""
    return f"{_PREFIX}{container}{_SUFFIX}"


def parse_show(text: str) -> list[UnitState]:
    """Read `systemctl show -p …` of one or more units, blocks parted by empty lines."""
    blocks = (block.splitlines() for block in text.split("\n\n"))
    found = (dict(line.split("=", 1) for line in block if "=" in line) for block in blocks)
    return [_unit(each) for each in found if each.get("Id", "").startswith(_PREFIX)]


def container_state(unit: UnitState) -> ContainerState:
    """Say what a unit's state means for its agent."""
    match unit.active:
        case "active" | "reloading":
            return ContainerState.RUNNING
        case "activating":
            return ContainerState.STARTING
        case "deactivating":
            return ContainerState.STOPPING
        case "failed":
            return ContainerState.FAILED
        case _:
            return ContainerState.STOPPED


def note(unit: UnitState) -> str:
    """Say why a unit is as it is; empty when there is nothing to say."""
    why = _RESULTS.get(unit.result, f"it ended with status {unit.exit_status}")
    if unit.active == "failed":
        # systemd keeps the reason of the last end where its limit of starts ends the retries.
        gave_up = unit.restarts and unit.result != "start-limit-hit"
        return f"{why}; systemd tried {unit.restarts} times and gave up" if gave_up else why
    if unit.waits_for_restart:
        return f"{why}; systemd tries again"
    if unit.restarts:
        times = "once" if unit.restarts == 1 else f"{unit.restarts} times"
        return f"systemd started it again {times} after it had ended"
    return ""


def changed(before: Iterable[UnitState], after: Iterable[UnitState]) -> set[str]:
    """Name the containers that are not what they were; one that is not listed is inactive."""
    old = {unit.container: unit for unit in before}
    new = {unit.container: unit for unit in after}
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}


def _unit(shown: Mapping[str, str]) -> UnitState:
    return UnitState(
        container=shown["Id"].removeprefix(_PREFIX).removesuffix(_SUFFIX),
        active=shown.get("ActiveState", "inactive"),
        sub=shown.get("SubState", "dead"),
        result=shown.get("Result", "success"),
        restarts=_number(shown.get("NRestarts")),
        invocation=shown.get("InvocationID", ""),
        exit_status=_number(shown.get("ExecMainStatus")),
        changed_at=_moment(shown.get("StateChangeTimestamp", "")),
        ready_at=_moment(shown.get("ActiveEnterTimestamp", "")),
    )


def _moment(text: str) -> datetime | None:
    """Read what `--timestamp=us+utc` prints: `Sun 2026-11-22 20:41:11.648086 UTC`."""
    try:
        return datetime.strptime(text, "%a %Y-%m-%d %H:%M:%S.%f UTC").replace(tzinfo=UTC)
    except ValueError:
        return None


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0
