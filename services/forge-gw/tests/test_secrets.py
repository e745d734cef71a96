"""Tokens and passwords reach no log, no event, no argument list, no answer and no database."""

import asyncio
import base64
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
from hive_forge_gw.config import Config
from hive_forge_gw.forge import Forge
from hive_forge_gw.mirrors import Mirrors
from hive_forge_gw.places import Places
from hive_forge_gw.store import Store
from hivecommon.bus import Bus
from hivecommon.command import Completed
from hivecommon.contracts.forge import GetForgeStatus, RotateForgeToken
from hivecommon.home import HiveHome
from hivecommon.names import AgentName
from hivetesting.forge.faults import Fault
from hivetesting.forge.gateway import GatewayProcess, forge_status, ready
from hivetesting.stream_reader import read_stream


async def test_nothing_that_is_written_or_said_holds_a_secret(
    scripted: GatewayProcess, operator: Bus
) -> None:
    script = scripted.site.script
    assert script is not None
    scripted.add_agent("alice")
    scripted.apply("alice", "x")
    await scripted.broker.register("alice")
    lines: set[bytes] = set()
    watching = asyncio.ensure_future(_watch_processes(lines))
    scripted.start()
    await forge_status(operator, lambda s: ready("alice")(s) and bool(s.accounts[0].mirror))
    secrets = {scripted.site.token, scripted.token("alice")}
    for fault in (Fault(500, "x"), Fault(401, "x"), Fault(403, "x"), Fault(cut=True)):
        for pattern in ("POST .*/tokens", "PATCH .*/admin", "GET .*/user$"):
            script.faults.order(pattern, fault)
            with contextlib.suppress(Exception):
                await operator.request(RotateForgeToken(agent="alice"), timeout_s=10)
            script.faults.queue.clear()
            await forge_status(operator, ready("alice"))
            secrets.add(scripted.token("alice"))
    secrets |= {user.password for user in script.world.users if user.password}
    status = await operator.client.request(GetForgeStatus.subject, b"", timeout=5)
    scripted.stop()
    watching.cancel()

    said = [scripted.log.encode(), status.data, *lines]
    for stream in ("LOGS", "EVENTS", "INBOX"):
        said += [data async for _, data in read_stream(operator, stream, ">")]
    home = scripted.broker.home.root
    said += [file.read_bytes() for file in home.glob("forge.sqlite*")]
    said.append((scripted.state("alice") / "forge.json").read_bytes())
    assert len(secrets) >= 4
    for secret in secrets:
        for form in (secret.encode(), base64.b64encode(f"hyperhive:{secret}".encode())):
            assert not [text for text in said if form in text], "a secret got out"


async def _watch_processes(lines: set[bytes]) -> None:
    """Collect the argument lists of everything that runs."""
    while True:
        for entry in Path("/proc").iterdir():  # noqa: ASYNC240 - no disk behind it
            if entry.name.isdecimal():
                with contextlib.suppress(OSError):
                    lines.add((entry / "cmdline").read_bytes())
        await asyncio.sleep(0.005)


async def test_a_push_has_its_login_in_the_environment_alone(tmp_path: Path) -> None:
    seen: list[tuple[list[str], dict[str, str]]] = []

    async def run(argv: Sequence[str], **how: Any) -> Completed:
        seen.append((list(argv), dict(how["env"])))
        refs = b"1234 refs/heads/main\n" if "for-each-ref" in argv else b""
        return Completed(tuple(argv), 0, refs, b"")

    home = HiveHome(tmp_path)
    home.applied(AgentName("alice")).mkdir(parents=True)
    config = Config(
        home, tmp_path / "x.sqlite", "http://forge", None, "hive", "work", 0, "", 1, "/bin/git"
    )
    store = Store(config.database)
    mirrors = Mirrors(config, Places(config, store), store, run)
    answers = httpx.MockTransport(lambda _request: httpx.Response(200, json={"id": 1}))
    async with httpx.AsyncClient(transport=answers) as client:
        forge = Forge("http://forge", "sesame", client)
        assert await mirrors.agent(forge, AgentName("alice"), "sesame") == "hive/config-alice"
    source = str(home.applied(AgentName("alice")))
    login = base64.b64encode(b"hyperhive:sesame").decode()
    assert [argv for argv, _ in seen] == [
        ["/bin/git", "-C", source, "for-each-ref", "--format=%(objectname) %(refname)",
         "refs/heads/main", "refs/tags"],
        ["/bin/git", "-C", source, "push", "--quiet", "--force", "--prune",
         "http://forge/hive/config-alice.git", "refs/heads/main:refs/heads/main",
         "refs/tags/*:refs/tags/*"],
    ]  # fmt: skip
    assert seen[1][1]["GIT_CONFIG_VALUE_0"] == f"Authorization: Basic {login}"
    assert seen[1][1]["GIT_CONFIG_KEY_0"] == "http.http://forge/.extraHeader"
    store.close()
