"""forge-gw killed with -9 in each step of provisioning, and run again."""

import asyncio
import re

import pytest
from hivecommon.bus import Bus
from hivetesting.forge.faults import Fault
from hivetesting.forge.gateway import GatewayProcess, forge_status, mirrored, ready

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
