"""Whether bubblewrap can make its sandboxes on this host, found out by making one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from hivecommon.command import Run
from hivecommon.errors import HiveError

from hive_lifecycle.config import LifecycleConfig
from hive_lifecycle.sandbox import HostView, probe_argv, survey_host

_PROBE_S: Final = 5.0

_log = structlog.get_logger()


@dataclass(frozen=True)
class Isolation:
    """What an agent started now would be given."""

    host: HostView | None
    """What it would see of the host; None: everything, since there is no sandbox."""
    reason: str = ""
    """Why there is none."""

    @property
    def sandboxed(self) -> bool:
        """Whether there would be a sandbox."""
        return self.host is not None


async def find_isolation(config: LifecycleConfig, run: Run) -> Isolation:
    """Return what is possible here; user namespaces may be refused although bubblewrap is there."""
    if config.bwrap is None:
        return Isolation(None, "unsandboxed: bubblewrap is not installed, or HIVE_SANDBOX=off")
    cli = config.hive.agent_environment.get("HIVE_CLAUDE_CLI")
    host = survey_host(
        private=(config.hive.home.root, config.hive.run.root), programs=[Path(cli)] if cli else []
    )
    try:
        (await run(probe_argv(config.bwrap, host), timeout_s=_PROBE_S)).check()
    except HiveError as error:
        _log.warning("sandbox_unavailable", reason=error.message)
        return Isolation(None, f"unsandboxed: {error.message}")
    return Isolation(host)
