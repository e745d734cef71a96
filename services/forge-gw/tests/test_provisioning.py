"""Accounts, tokens, places and mirrors: made once, repaired, renamed, removed."""

import asyncio
import json
import shutil
import stat
from pathlib import Path

import pytest
from hive_forge_gw.accounts import SCOPES, email
from hivecommon.bus import Bus
from hivecommon.contracts.forge import (
    AccountState,
    ForgeState,
    ProvisionForge,
    RemoveForgeAccount,
    RotateForgeToken,
)
from hivecommon.errors import HiveError
from hivetesting.forge.gateway import (
    GatewayProcess,
    commit,
    forge_status,
    mirrored,
    ready,
    set_roster,
    tell,
)
from hivetesting.forge.site import Site


async def test_an_agent_gets_an_account_a_token_and_a_place_to_work(
    gateway: GatewayProcess, operator: Bus, names: tuple[str, str]
) -> None:
    alice, _ = names
    gateway.add_agent(alice)
    gateway.start()
    status = await forge_status(operator, ready(alice))
    assert (status.product in {"Gitea", "Forgejo"}, status.repo) == (
        True,
        f"{gateway.organization}/work",
    )

    file = gateway.state(alice) / "forge-token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = gateway.token(alice)
    me = gateway.site.made("GET", "/user", token=token)
    assert (me["login"], me["is_admin"]) == (alice, False)
    assert gateway.site.tokens_of(alice) == [token[-8:]]
    assert status.accounts[0].token_last_eight == token[-8:]
    about = json.loads((gateway.state(alice) / "forge.json").read_text())
    assert about == {"url": gateway.site.url, "repo": status.repo, "user": alice}
    gateway.site.made("POST", f"/repos/{status.repo}/issues", {"title": "hello"}, token=token)


async def test_a_token_reaches_no_further_than_its_scopes(
    gateway: GatewayProcess, operator: Bus, names: tuple[str, str]
) -> None:
    alice, bob = names
    for agent in names:
        gateway.add_agent(agent)
    gateway.start()
    await forge_status(operator, ready(*names))
    token = gateway.token(alice)
    for method, path in (
        ("GET", "/admin/users"),
        ("GET", f"/users/{bob}/tokens"),
        ("POST", "/orgs"),
        ("GET", f"/notifications?sudo={bob}"),
        ("DELETE", f"/repos/{gateway.organization}/work"),
        ("PATCH", f"/admin/users/{bob}"),
    ):
        answer = gateway.site.ask(method, path, {"username": "x"}, token=token)
        assert answer.status_code in {401, 403, 404}, (method, path, answer.status_code)
    assert not any(
        scope.endswith((":admin", "write:user", "write:organization")) for scope in SCOPES
    )


async def test_the_applied_config_is_mirrored_and_follows(
    gateway: GatewayProcess, operator: Bus, names: tuple[str, str]
) -> None:
    alice, bob = names
    for agent in names:
        gateway.add_agent(agent)
    gateway.apply(alice, "one")
    gateway.start()
    mirror = f"{gateway.organization}/config-{alice}"
    await forge_status(operator, mirrored(mirror))
    second = gateway.apply(alice, "two")
    await operator.request(ProvisionForge(agent=alice), timeout_s=20)
    await _until_mirrored(gateway.site, mirror, second)
    own = gateway.site.ask(
        "GET", f"/repos/{mirror}/contents/agent.toml", token=gateway.token(alice)
    )
    assert own.status_code == 200
    assert gateway.site.ask("GET", f"/repos/{mirror}", token=gateway.token(bob)).status_code == 404
    pushed = gateway.site.ask(
        "PUT", f"/repos/{mirror}/contents/agent.toml", {}, token=gateway.token(alice)
    )
    assert pushed.status_code in {403, 422}


async def _until_mirrored(site: Site, repo: str, head: str) -> None:
    """Wait for a commit: a real forge takes note of a push a moment later, and errs until then."""
    found = ""
    async with asyncio.timeout(20):
        while found != head:
            answer = site.ask("GET", f"/repos/{repo}/branches/main")
            found = answer.json()["commit"]["id"] if answer.is_success else ""
            await asyncio.sleep(0.05)


async def test_starting_again_changes_nothing(
    gateway: GatewayProcess, operator: Bus, names: tuple[str, str]
) -> None:
    alice, _ = names
    gateway.add_agent(alice)
    gateway.start()
    await forge_status(operator, ready(alice))
    before = gateway.token(alice)
    for _ in range(2):
        assert gateway.stop() == 0
        gateway.start()
        await forge_status(operator, ready(alice))
    assert gateway.token(alice) == before
    assert gateway.site.tokens_of(alice) == [before[-8:]]


@pytest.mark.parametrize(
    "harm", ["removed", "garbled", "a link", "a directory's link", "another's"]
)
async def test_a_spoilt_token_file_is_made_good_and_the_old_token_dies(
    gateway: GatewayProcess, operator: Bus, names: tuple[str, str], harm: str
) -> None:
    alice, bob = names
    for agent in names:
        gateway.add_agent(agent)
    gateway.start()
    await forge_status(operator, ready(*names))
    before, file = gateway.token(alice), gateway.state(alice) / "forge-token"
    victim = gateway.root / "victim"
    victim.write_text("precious")
    file.unlink()
    match harm:
        case "garbled":
            file.write_bytes(b"\xff\0" * 5000)
        case "a link":
            file.symlink_to(victim)
        case "a directory's link":
            file.symlink_to(gateway.root)
        case "another's":
            file.write_text(gateway.token(bob))
        case _:
            assert harm == "removed"
    await operator.request(ProvisionForge(agent=alice), timeout_s=20)
    after = gateway.token(alice)
    assert after not in {before, gateway.token(bob), ""}
    assert not file.is_symlink()
    assert victim.read_text() == "precious"
    assert gateway.site.ask("GET", "/user", token=before).status_code == 401
    assert gateway.site.tokens_of(alice) == [after[-8:]]


async def test_a_directory_in_the_way_is_said_and_holds_nobody_up(
    scripted: GatewayProcess, operator: Bus
) -> None:
    for agent in ("alice", "bob"):
        scripted.add_agent(agent)
    (scripted.state("alice") / "forge-token").mkdir()
    (scripted.state("alice") / ".forge-token.1.tmp").mkdir()
    scripted.start()
    status = await forge_status(
        operator,
        lambda s: ready("bob")(s) and any(a.state is AccountState.FAILED for a in s.accounts),
    )
    alice = status.accounts[0]
    assert "cannot write" in alice.detail


async def test_rotation_gives_a_new_token_and_deletes_the_old_one(
    gateway: GatewayProcess, operator: Bus, names: tuple[str, str]
) -> None:
    alice, _ = names
    gateway.add_agent(alice)
    gateway.start()
    await forge_status(operator, ready(alice))
    before = gateway.token(alice)
    reply = await operator.request(RotateForgeToken(agent=alice), timeout_s=20)
    after = gateway.token(alice)
    assert after != before
    assert reply.account.token_last_eight == after[-8:]
    assert gateway.site.tokens_of(alice) == [after[-8:]]
    assert gateway.site.ask("GET", "/user", token=before).status_code == 401


async def test_an_account_that_somebody_else_made_is_left_alone(
    scripted: GatewayProcess, operator: Bus
) -> None:
    scripted.site.user("alice")
    theirs = [token.value for token in scripted.site.script.world.tokens]  # type: ignore[union-attr]
    scripted.add_agent("alice")
    scripted.start()
    status = await forge_status(
        operator, lambda s: any(a.state is AccountState.FAILED for a in s.accounts)
    )
    assert "that this hive did not make" in status.accounts[0].detail
    assert scripted.token("alice") == ""
    assert [token.value for token in scripted.site.script.world.tokens] == theirs  # type: ignore[union-attr]


async def test_a_name_that_the_forge_keeps_for_itself_is_said(
    gateway: GatewayProcess, operator: Bus, names: tuple[str, str]
) -> None:
    alice, _ = names
    for agent in (alice, "api"):
        gateway.add_agent(agent)
    gateway.start()
    status = await forge_status(
        operator,
        lambda s: ready(alice)(s) and any(a.state is AccountState.FAILED for a in s.accounts),
    )
    failed = next(each for each in status.accounts if each.agent == "api")
    assert "the forge lets no account be called api: name is reserved" in failed.detail


async def test_the_meta_flake_is_mirrored_and_no_agent_may_write_there(
    gateway: GatewayProcess, operator: Bus, names: tuple[str, str]
) -> None:
    alice, _ = names
    gateway.add_agent(alice)
    first = commit(gateway.broker.home.meta, "flake.nix", "{ }")
    gateway.start()
    await forge_status(operator, ready(alice))
    meta = f"{gateway.organization}/meta"
    await _until_mirrored(gateway.site, meta, first)
    second = commit(gateway.broker.home.meta, "flake.nix", "{ outputs = 1; }")
    await _until_mirrored(gateway.site, meta, second)
    path = f"/repos/{meta}/contents/flake.nix"
    answer = gateway.site.ask("DELETE", path, {"sha": first}, token=gateway.token(alice))
    assert answer.status_code in {403, 404}


async def test_a_renamed_agent_keeps_its_account(
    gateway: GatewayProcess, operator: Bus, lifecycle: Bus, names: tuple[str, str]
) -> None:
    old, new = names
    gateway.add_agent(old)
    gateway.start()
    await forge_status(operator, ready(old))
    token = gateway.token(old)
    number = gateway.site.made("GET", f"/users/{old}")["id"]
    gateway.broker.home.agent(old).rename(gateway.broker.home.agent(new))  # type: ignore[arg-type]
    await set_roster(lifecycle, new)
    await tell(lifecycle, new, "renamed")
    await forge_status(operator, ready(new))
    assert gateway.token(new) == token
    me = gateway.site.made("GET", "/user", token=token)
    assert (me["login"], me["id"], me["email"]) == (new, number, email(new))


async def test_a_purged_agent_s_account_and_mirror_go(
    gateway: GatewayProcess, operator: Bus, lifecycle: Bus, names: tuple[str, str]
) -> None:
    alice, bob = names
    for agent in names:
        gateway.add_agent(agent)
    gateway.apply(alice, "x")
    gateway.start()
    mirror = f"{gateway.organization}/config-{alice}"
    await forge_status(operator, mirrored(mirror))
    await forge_status(operator, ready(*names))
    token = gateway.token(alice)
    shutil.rmtree(gateway.broker.home.agent(alice))  # type: ignore[arg-type]
    shutil.rmtree(gateway.broker.home.applied(alice))  # type: ignore[arg-type]
    await set_roster(lifecycle, bob)
    await tell(lifecycle, alice, "destroyed")
    await forge_status(operator, lambda s: [each.agent for each in s.accounts] == [bob])
    assert gateway.site.ask("GET", f"/users/{alice}").status_code == 404
    assert gateway.site.ask("GET", f"/repos/{mirror}").status_code == 404
    assert gateway.site.ask("GET", "/user", token=token).status_code == 401
    assert gateway.site.made("GET", "/user", token=gateway.token(bob))["login"] == bob


async def test_a_state_directory_that_merely_vanished_costs_no_account(
    scripted: GatewayProcess, operator: Bus, lifecycle: Bus
) -> None:
    await set_roster(lifecycle, "alice")
    for agent in ("alice", "bob"):
        scripted.add_agent(agent)
    scripted.start()
    await forge_status(operator, ready("alice", "bob"))
    shutil.rmtree(scripted.broker.home.agent("alice"))  # type: ignore[arg-type]
    shutil.rmtree(scripted.broker.home.agent("bob"))  # type: ignore[arg-type]
    await tell(lifecycle, "bob", "destroyed")
    await forge_status(operator, lambda s: [each.agent for each in s.accounts] == ["alice"])
    assert scripted.site.ask("GET", "/users/alice").status_code == 200
    assert scripted.site.ask("GET", "/users/bob").status_code == 404


async def test_an_account_is_not_removed_while_its_agent_is_there(
    scripted: GatewayProcess, operator: Bus
) -> None:
    scripted.add_agent("alice")
    scripted.start()
    await forge_status(operator, ready("alice"))
    with pytest.raises(HiveError, match="the state of alice is still there"):
        await operator.request(RemoveForgeAccount(agent="alice"))
    reply = await operator.request(RemoveForgeAccount(agent="nobody"))
    assert not reply.changed


async def test_forge_states_are_seen_and_left_again(
    scripted: GatewayProcess, operator: Bus
) -> None:
    script = scripted.site.script
    assert script is not None
    scripted.add_agent("alice")
    script.faults.down = True
    scripted.start()
    await forge_status(operator, lambda s: s.state is ForgeState.AWAY)
    with pytest.raises(HiveError, match="the forge is not ready: away"):
        await operator.request(ProvisionForge(agent="alice"))
    script.faults.down = False
    await forge_status(operator, ready("alice"))

    kept, script.world.tokens[:] = list(script.world.tokens), []
    status = await forge_status(operator, lambda s: s.state is ForgeState.REFUSED)
    assert "invalid username, password or token" in status.detail
    script.world.tokens[:] = kept
    await forge_status(operator, ready("alice"))


async def test_an_old_forge_is_named_and_not_touched(
    scripted: GatewayProcess, operator: Bus
) -> None:
    script = scripted.site.script
    assert script is not None
    script.world.version = "7.0.1+gitea-1.21.11"
    scripted.add_agent("alice")
    scripted.start()
    status = await forge_status(operator, lambda s: s.state is ForgeState.UNSUPPORTED)
    assert status.detail == "Forgejo 7.0.1+gitea-1.21.11 is too old: at least 11.0 is needed"
    assert [user.login for user in script.world.users] == ["root"]


async def test_without_an_address_it_says_so_and_runs_on(
    scripted: GatewayProcess, operator: Bus
) -> None:
    scripted.settings["HIVE_FORGE_URL"] = ""
    scripted.start()
    status = await forge_status(operator, lambda s: s.state is ForgeState.UNCONFIGURED)
    assert (status.detail, status.url, status.webhook) == ("HIVE_FORGE_URL is not set", "", "")


async def test_a_token_file_that_others_can_read_is_refused_until_it_is_closed(
    scripted: GatewayProcess, operator: Bus
) -> None:
    _set_mode(scripted, 0o644)
    scripted.start()
    status = await forge_status(operator, lambda s: s.state is ForgeState.REFUSED)
    assert "can be read by everybody" in status.detail
    _set_mode(scripted, 0o600)
    await forge_status(operator, ready())


def _set_mode(gateway: GatewayProcess, mode: int) -> None:
    Path(gateway.environment["HIVE_FORGE_TOKEN_FILE"]).chmod(mode)
