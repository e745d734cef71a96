"""A harness for tests: on the bus like the real one, and as ill-behaved as its state directory says.

Runs as `python -c SOURCE`, since a sandbox does not show it the tests' directory.
"""

# ruff: noqa: TID251, T201 - a program of its own: it has no hivecommon.command and no clock to take
import asyncio
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from hivecommon.bus import Bus, Login
from hivecommon.contracts.base import fill
from hivecommon.contracts.events import AgentEvent, StatusChanged
from hivecommon.contracts.harness import ApplyCap, HarnessConfig, Hello, SetPaused
from hivecommon.contracts.roster import Activity, HarnessStatus
from nats.aio.msg import Msg

RUN = Path(os.environ["HIVE_AGENT_RUN"])
STATE = Path(os.environ["HYPERHIVE_STATE_DIR"])


def asked_to(behave: str) -> bool:
    return (STATE / behave).exists()


async def main() -> None:
    if asked_to("die-at-start"):
        print("error: the notes are gone", file=sys.stderr)
        sys.exit(3)
    config = msgspec.json.decode((RUN / "harness.json").read_bytes(), type=HarnessConfig)
    if asked_to("die-by-persona") and config.persona == "die-at-start":
        sys.exit(4)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    if asked_to("ignore-term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        loop.add_signal_handler(signal.SIGTERM, stop.set)
    if asked_to("leave-a-child"):
        await asyncio.create_subprocess_exec("sleep", "1000", start_new_session=True)
    bus = await Bus.connect(
        Login(config.bus_url, config.agent, f"_INBOX_{config.agent}", (RUN / "bus.nk").read_text())
    )

    async def set_paused(msg: Msg) -> None:
        (STATE / "paused").write_bytes(msg.data)
        await msg.respond(b'{"ok": true}')

    async def apply_cap(msg: Msg) -> None:
        (STATE / "cap").write_bytes(msg.data)
        await msg.respond(b'{"ok": true}')

    await bus.subscribe(fill(ApplyCap.subject, agent=config.agent), apply_cap)
    await bus.subscribe(fill(SetPaused.subject, agent=config.agent), set_paused)
    if not asked_to("keep-silent"):
        await bus.request(Hello(), caller=config.agent)
        status = HarnessStatus(activity=Activity.IDLE, status_text="reading" + "!" * 5000)
        event = AgentEvent(seq=1, at=datetime.now(UTC), body=StatusChanged(status=status))
        await bus.publish_acked(
            event.subject_for(config.agent), msgspec.json.encode(event),
            message_id=f"{config.agent}-{os.urandom(8).hex()}",
        )  # fmt: skip
    await stop.wait()
    await bus.drain()


asyncio.run(main())
