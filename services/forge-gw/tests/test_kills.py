"""forge-gw killed with -9 in each step of provisioning, and run again."""

import asyncio
import re
import shutil

import pytest
from hivecommon.bus import Bus
from hivecommon.names import AgentName
from hivetesting.forge.faults import Fault
from hivetesting.forge.gateway import (
    GatewayProcess,
    forge_status,
    mirrored,
    ready,
    set_roster,
)

# Everything that provisioning changes on a forge, in its order; SCOUT is the agent.
STEPS = (
    "POST /api/v1/orgs",
    "POST /api/v1/orgs/hive/teams",
    "POST /api/v1/orgs/hive/repos",
    "PUT /api/v1/teams/ID/repos/hive/work",
    "POST /api/v1/admin/users",
    "PATCH /api/v1/admin/users/SCOUT",
    "POST /api/v1/users/SCOUT/tokens",
    "PUT /api/v1/teams/ID/members/SCOUT",
    "POST /hive/config-SCOUT.git/git-receive-pack",
    "PUT /api/v1/repos/hive/config-SCOUT/collaborators/SCOUT",
)


async def settled(gateway: GatewayProcess, operator: Bus) -> None:
    """Start the service and wait until there is nothing left to be done."""
    gateway.start()
    await forge_status(operator, ready("scout"))
    await forge_status(operator, mirrored("hive/config-scout"))


async def test_the_steps_that_follow_are_all_there_are(
    scripted: GatewayProcess, operator: Bus
) -> None:
    script = scripted.site.script
    assert script is not None
    scripted.add_agent("scout")
    scripted.apply("scout", "x")
    await settled(scripted, operator)
    seen = [f"{seen.method} {seen.path}" for seen in script.faults.seen if seen.method != "GET"]
    steps = dict.fromkeys(re.sub(r"/\d+", "/ID", step).replace("scout", "SCOUT") for step in seen)
    assert set(steps) == set(STEPS)


@pytest.mark.parametrize("step", STEPS)
async def test_killed_in_any_step_and_run_again_there_is_one_account_and_one_token(
    scripted: GatewayProcess, operator: Bus, step: str
) -> None:
    script = scripted.site.script
    assert script is not None
    scripted.add_agent("scout")
    scripted.apply("scout", "x")
    await _kill_in(scripted, step)
    await settled(scripted, operator)
    names = [user.login for user in script.world.users]
    assert sorted(names) == ["hive", "root", "scout"]
    assert scripted.site.tokens_of("scout") == [scripted.token("scout")[-8:]]
    assert scripted.site.made("GET", "/user", token=scripted.token("scout"))["login"] == "scout"
    assert sorted(team.name for team in script.world.teams) == ["Owners", "agents"]
    assert sorted(repo.name for repo in script.world.repos) == ["config-scout", "work"]
    assert list(scripted.state("scout").glob(".*")) == []


@pytest.mark.parametrize(
    "step", ["DELETE /api/v1/repos/hive/config-SCOUT", "DELETE /api/v1/admin/users/SCOUT"]
)
async def test_killed_while_a_purged_agent_s_things_go_nothing_of_it_stays(
    scripted: GatewayProcess, operator: Bus, lifecycle: Bus, step: str
) -> None:
    script = scripted.site.script
    assert script is not None
    for agent in ("scout", "other"):
        scripted.add_agent(agent)
    scripted.apply("scout", "x")
    await settled(scripted, operator)
    scripted.kill()
    shutil.rmtree(scripted.broker.home.agent(AgentName("scout")))
    shutil.rmtree(scripted.broker.home.applied(AgentName("scout")))
    await set_roster(lifecycle, "other")
    await _kill_in(scripted, step)
    scripted.start()
    await forge_status(operator, ready("other"))
    assert sorted(user.login for user in script.world.users) == ["hive", "other", "root"]
    assert [repo.name for repo in script.world.repos] == ["work"]
    assert {token.owner.login for token in script.world.tokens} == {"root", "other"}


@pytest.mark.parametrize(
    "step", ["POST /api/v1/admin/users/SCOUT/rename", "PATCH /api/v1/admin/users/ranger"]
)
async def test_killed_in_a_rename_the_account_keeps_its_token_under_the_new_name(
    scripted: GatewayProcess, operator: Bus, lifecycle: Bus, step: str
) -> None:
    script = scripted.site.script
    assert script is not None
    scripted.add_agent("scout")
    scripted.start()
    await forge_status(operator, ready("scout"))
    token = scripted.token("scout")
    scripted.kill()
    home = scripted.broker.home
    home.agent(AgentName("scout")).rename(home.agent(AgentName("ranger")))
    await set_roster(lifecycle, "ranger")
    await _kill_in(scripted, step)
    scripted.start()
    await forge_status(operator, ready("ranger"))
    assert sorted(user.login for user in script.world.users) == ["hive", "ranger", "root"]
    assert scripted.site.tokens_of("ranger") == [token[-8:]]
    assert scripted.token("ranger") == token


async def _kill_in(gateway: GatewayProcess, step: str) -> None:
    """Start the service and end it with -9 when the forge has acted, but not yet answered."""
    assert gateway.site.script is not None
    faults = gateway.site.script.faults
    pattern = re.escape(step.replace("SCOUT", "scout")).replace("ID", r"\d+")
    faults.order(f"^{pattern}$", Fault(after=True, hang=True))
    gateway.start()
    assert gateway.process is not None
    async with asyncio.timeout(40):
        while not any(re.fullmatch(pattern, f"{s.method} {s.path}") for s in faults.seen):
            assert gateway.process.poll() is None, gateway.log[-3000:]
            await asyncio.sleep(0.01)
    gateway.kill()
