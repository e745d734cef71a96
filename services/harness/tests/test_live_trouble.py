"""What goes wrong at the API or with the CLI: shown, waited out, gone on from; no message is lost."""

import json
import time
from pathlib import Path

import pytest
from hivecommon.contracts.events import HarnessStarted, TurnEnded, TurnStarted
from hivecommon.contracts.harness import RetryNow
from hivecommon.contracts.roster import Activity, HarnessStatus
from hivetesting.agents import Agents
from hivetesting.harness import AgentWatch, tell
from hivetesting.messages_api.rules import Rules, Script, in_order
from hivetesting.messages_api.steps import (
    CutStream,
    Error,
    Step,
    forbidden,
    model_not_found,
    out_of_credit,
    overloaded,
    rate_limited,
    subscription_limited,
    unauthenticated,
)
from hivetesting.messages_api.steps import Text as Says

QUICK = {"CLAUDE_CODE_MAX_RETRIES": "0"}


async def status_with(watch: AgentWatch, trouble: str) -> HarnessStatus:
    return await watch.status(lambda status: status.trouble == trouble)


CASES = [
    (overloaded(), "overloaded"),
    (rate_limited(), "rate_limited"),
    (out_of_credit(), "credit"),
    (model_not_found("claude-sonnet-4-5"), "unknown_model"),
    (unauthenticated(), "needs_login"),
    (forbidden(), "needs_login"),
    (Error(500), "api_error"),
]


async def test_an_api_error_keeps_the_message_and_goes_on_when_asked_to(agents: Agents) -> None:
    _, watch = await agents.spawn("quita", environment=QUICK)
    for answer, trouble in CASES:
        agents.api.script = always(answer)
        watch.events.clear()
        asked = await tell(agents.operator, "quita", "please")
        status = await status_with(watch, trouble)
        assert status.trouble_text
        assert status.needs_login == (trouble == "needs_login")
        info = await agents.lifecycle.jetstream.consumer_info("INBOX", "quita")
        assert info.num_ack_pending == 1
        agents.api.script = Rules()
        assert (await agents.operator.request(RetryNow(), agent="quita")).changed
        assert (await watch.turn_ended(asked)).outcome == "answered"
        assert [turn.redelivered for turn in watch.bodies(TurnStarted)] == [False, True]
        await watch.status(lambda s: s.activity is Activity.IDLE and not s.trouble)


def always(answer: Step) -> Script:
    return lambda _request: [answer]


async def test_a_login_lost_in_mid_session_is_seen_at_the_first_refusal(agents: Agents) -> None:
    agents.api.script = Rules()
    _, watch = await agents.spawn("xenia", environment={"CLAUDE_CODE_MAX_RETRIES": "10"})
    await watch.turn_ended(await tell(agents.operator, "xenia", "one"))
    agents.api.script = always(unauthenticated())
    begun = time.monotonic()
    await tell(agents.operator, "xenia", "two")
    status = await status_with(watch, "needs_login")
    assert status.needs_login
    assert time.monotonic() - begun < 10  # the CLI alone tries for 70 s


async def test_a_subscriptions_limit_is_waited_out_until_it_resets(agents: Agents) -> None:
    token = {"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": "scripted-token"}
    _, watch = await agents.spawn("yara", environment=token)
    await watch.turn_ended(await tell(agents.operator, "yara", "first"))
    watch.events.clear()
    resets_at = int(time.time()) + 4
    agents.api.script = in_order([subscription_limited(resets_at)])
    asked = await tell(agents.operator, "yara", "please")
    status = await status_with(watch, "rate_limited")
    assert status.rate_limited
    assert status.retry_at is not None
    assert status.retry_at.timestamp() == pytest.approx(resets_at, abs=2)
    assert (await watch.turn_ended(asked)).outcome == "answered"
    [_, again] = [e for e in watch.events if isinstance(e.body, TurnStarted)]
    assert again.at >= status.retry_at


async def test_a_subscriptions_limit_is_tried_at_once_by_hand(agents: Agents) -> None:
    token = {"ANTHROPIC_API_KEY": "", "CLAUDE_CODE_OAUTH_TOKEN": "scripted-token"}
    agents.api.script = in_order([subscription_limited(int(time.time()) + 4 * 3600)])
    _, watch = await agents.spawn("ylva", environment=token)
    asked = await tell(agents.operator, "ylva", "please")
    status = await status_with(watch, "rate_limited")
    assert status.retry_at is not None
    assert status.retry_at.timestamp() > time.time() + 3 * 3600
    assert agents.api.count() == 1  # not tried again by itself
    assert (await agents.operator.request(RetryNow(), agent="ylva")).changed
    assert (await watch.turn_ended(asked)).outcome == "answered"


async def test_an_overload_is_tried_again_by_itself_after_a_pause(agents: Agents) -> None:
    agents.api.script = in_order([overloaded()])
    _, watch = await agents.spawn("zenzi", environment=QUICK)
    asked = await tell(agents.operator, "zenzi", "please")
    status = await status_with(watch, "overloaded")
    assert (await watch.turn_ended(asked)).outcome == "answered"
    [_, again] = [e for e in watch.events if isinstance(e.body, TurnStarted)]
    assert status.retry_at is not None
    assert again.at >= status.retry_at


async def test_a_stream_that_is_cut_recovers_within_the_turn(agents: Agents) -> None:
    agents.api.script = in_order([Says("half of it"), CutStream()], [Says("all of it")])
    _, watch = await agents.spawn("zita")
    asked = await tell(agents.operator, "zita", "please")
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert len(watch.bodies(TurnEnded)) == 1


async def test_a_message_waits_for_the_login_and_then_goes_on(agents: Agents) -> None:
    agent = await agents.register("astrid", environment={"ANTHROPIC_API_KEY": ""})
    watch = await agents.watch("astrid")
    agent.start()
    asked = await tell(agents.operator, "astrid", "please")
    await status_with(watch, "needs_login")
    info = await agents.lifecycle.jetstream.consumer_info("INBOX", "astrid")
    assert info.num_pending + info.num_ack_pending == 1
    log_in(agent.claude, "scripted-access-token")
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert agents.api.requests[0].credential == "scripted-access-token"
    assert [turn.redelivered for turn in watch.bodies(TurnStarted)] == [False]


async def test_a_cli_that_is_missing_is_said_and_looked_for_again(
    agents: Agents, tmp_path: Path
) -> None:
    _, watch = await agents.spawn(
        "birgit", environment={"HIVE_CLAUDE_CLI": str(tmp_path / "no" / "claude")}
    )
    asked = await tell(agents.operator, "birgit", "please")
    status = await status_with(watch, "cli_missing")
    assert "HIVE_CLAUDE_CLI" in status.trouble_text
    assert status.retry_at is not None
    assert not [e for e in watch.bodies(TurnStarted) if e.message_id == asked]


async def test_a_login_lost_in_mid_session_is_waited_for_and_the_message_kept(
    agents: Agents,
) -> None:
    agents.api.script = Rules()
    agent = await agents.register("beate", environment={"ANTHROPIC_API_KEY": ""})
    log_in(agent.claude, "first-token")
    watch = await agents.watch("beate")
    agent.start()
    await watch.turn_ended(await tell(agents.operator, "beate", "one"))
    agents.api.script = refuses("first-token")
    asked = await tell(agents.operator, "beate", "two")
    status = await status_with(watch, "needs_login")
    assert (status.needs_login, status.retry_at) == (True, None)
    info = await agents.lifecycle.jetstream.consumer_info("INBOX", "beate")
    assert info.num_ack_pending == 1
    log_in(agent.claude, "second-token")
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert agents.api.requests[-1].credential == "second-token"
    assert len({started.session_id for started in watch.bodies(HarnessStarted)}) == 1
    await watch.status(lambda s: s.activity is Activity.IDLE and not s.needs_login)


def refuses(token: str) -> Script:
    return lambda request: [unauthenticated() if request.credential == token else Says("yes")]


async def test_a_spend_cap_parks_the_agent_until_an_operator_lifts_it(agents: Agents) -> None:
    _, watch = await agents.spawn("dagmar", spend_cap_usd=0.01)
    await watch.turn_ended(await tell(agents.operator, "dagmar", "one"))
    status = await status_with(watch, "spend_cap")
    assert status.cost_today_usd > 0.01
    waiting = await tell(agents.operator, "dagmar", "two")
    info = await agents.lifecycle.jetstream.consumer_info("INBOX", "dagmar")
    assert info.num_pending + info.num_ack_pending == 1
    assert (await agents.operator.request(RetryNow(), agent="dagmar")).changed
    assert (await watch.turn_ended(waiting)).outcome == "answered"


def log_in(directory: Path, token: str) -> None:
    """Leave credentials as a login does."""
    login = {
        "accessToken": token,
        "refreshToken": "scripted-refresh-token",
        "expiresAt": int((time.time() + 3600) * 1000),
        "scopes": ["user:inference", "user:profile"],
        "subscriptionType": "max",
    }
    file = directory / ".credentials.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps({"claudeAiOauth": login}))


async def test_a_conversation_that_the_api_refuses_is_left_and_the_message_answered_in_a_new_one(
    agents: Agents,
) -> None:
    agents.api.script = Rules()
    _, watch = await agents.spawn("emilia")
    await watch.turn_ended(await tell(agents.operator, "emilia", "the poison"))
    agents.api.script = lambda request: (
        [Error(400, "messages.1: this cannot be")]
        if "the poison" in str(request.messages)
        else [Says("well again")]
    )
    asked = await tell(agents.operator, "emilia", "are you well?")
    assert (await watch.turn_ended(asked)).outcome == "answered"
    [cut, _] = [end for end in watch.bodies(TurnEnded) if end.message_id == asked]
    assert "this cannot be" in cut.error
    first, second = {start.session_id: start for start in watch.bodies(HarnessStarted)}.values()
    assert not second.resumed
    assert first.session_id != second.session_id


async def test_a_message_that_is_refused_in_a_new_conversation_too_costs_only_itself(
    agents: Agents,
) -> None:
    agents.api.script = lambda request: (
        [Error(400, "this one not")] if "the poison" in request.last_user_text else [Says("yes")]
    )
    _, watch = await agents.spawn("erika")
    await watch.turn_ended(await tell(agents.operator, "erika", "remember the number 4711"))
    asked = await tell(agents.operator, "erika", "the poison")
    assert (await watch.turn_ended(asked)).outcome == "failed"
    after = await tell(agents.operator, "erika", "which number?")
    assert (await watch.turn_ended(after)).outcome == "answered"
    assert "4711" in str(agents.api.requests[-1].messages)
