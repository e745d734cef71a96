"""What a turn waits for, and for how long: an API that is slow, says nothing, or asks to be left alone."""

from datetime import timedelta

from hivecommon.contracts.events import ToolResult, Trouble, TurnEnded, TurnStarted
from hivecommon.contracts.harness import RetryNow
from hivecommon.contracts.roster import Activity
from hivetesting.agents import Agents
from hivetesting.harness import tell
from hivetesting.messages_api.rules import Rule, Rules, in_order
from hivetesting.messages_api.steps import Hang, Step, ToolUse, overloaded, rate_limited
from hivetesting.messages_api.steps import Text as Says

PATIENT = {"CLAUDE_CODE_MAX_RETRIES": "10"}


async def hangs(agents: Agents, name: str, *steps: Step) -> None:
    agents.api.script = in_order(steps)
    _, watch = await agents.spawn(name, silence_s=2.0)
    asked = await tell(agents.operator, name, "please")
    status = await watch.status(lambda status: status.trouble == "api_error")
    assert "nothing came from the model for 2 s" in status.trouble_text
    assert status.retry_at is not None
    assert (await agents.operator.request(RetryNow(), agent=name)).changed
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert [end.outcome for end in watch.bodies(TurnEnded)] == ["postponed", "answered"]
    assert [turn.redelivered for turn in watch.bodies(TurnStarted)] == [False, True]
    assert "nothing came from the model" in agents.api.requests[-1].last_user_text
    await watch.status(lambda status: status.activity is Activity.IDLE and not status.trouble)


async def test_a_stream_that_hangs_is_given_up_after_a_while_and_its_turn_comes_again(
    agents: Agents,
) -> None:
    await hangs(agents, "hilda", Says("half of it"), Hang())


async def test_an_api_that_never_answers_is_given_up_after_a_while_too(agents: Agents) -> None:
    await hangs(agents, "herta", Hang())


async def test_a_slow_answer_and_a_long_tool_are_no_silence(agents: Agents) -> None:
    slowly = Says(" ".join(["word"] * 10), delay_s=0.4)
    wait = {"command": "python3 -c 'import time; time.sleep(4)'"}
    agents.api.script = Rules(
        Rule(text="please", answer=[slowly, ToolUse("Bash", wait)]),
        Rule(after_tool="Bash", answer=[Says("done")]),
    )
    _, watch = await agents.spawn("hedda", silence_s=2.0)
    asked = await tell(agents.operator, "hedda", "please")
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert len(watch.bodies(TurnEnded)) == 1


async def test_a_limit_that_the_cli_waits_for_is_shown_and_can_be_cut_short(
    agents: Agents,
) -> None:
    agents.api.script = in_order([rate_limited(50)])
    _, watch = await agents.spawn("heidi", environment=PATIENT)
    asked = await tell(agents.operator, "heidi", "please")
    status = await watch.status(lambda status: status.trouble == "rate_limited")
    assert (status.activity, status.rate_limited) == (Activity.WORKING, True)
    [retry] = [e for e in watch.events if isinstance(e.body, Trouble)]
    assert status.retry_at is not None
    assert status.retry_at - retry.at > timedelta(seconds=30)  # the CLI adds some to what is asked
    assert (await agents.operator.request(RetryNow(), agent="heidi")).changed
    assert (await watch.turn_ended(asked)).outcome == "answered"
    await watch.status(lambda s: s.activity is Activity.IDLE and s.turn == 2 and not s.trouble)


async def test_an_overload_that_passes_within_the_turn_is_shown_while_it_lasts(
    agents: Agents,
) -> None:
    agents.api.script = in_order([overloaded()], [overloaded()])
    _, watch = await agents.spawn("helga", environment=PATIENT)
    asked = await tell(agents.operator, "helga", "please")
    status = await watch.status(lambda status: status.trouble == "overloaded")
    assert (status.activity, status.rate_limited) == (Activity.WORKING, False)
    assert (await watch.turn_ended(asked)).outcome == "answered"
    assert len(watch.bodies(TurnEnded)) == 1
    await watch.status(lambda s: s.activity is Activity.IDLE and s.turn == 1 and not s.trouble)


async def test_a_call_that_its_rules_refuse_is_seen_by_the_model_and_the_operator(
    agents: Agents,
) -> None:
    agents.api.script = Rules(
        Rule(text="please", answer=[ToolUse("Bash", {"command": "rm -rf /tmp/x"})]),
        Rule(after_tool="Bash", answer=[Says("they do not let me")]),
    )
    _, watch = await agents.spawn("heike", tools_denied=["Bash(rm *)"])
    asked = await tell(agents.operator, "heike", "please")
    assert (await watch.turn_ended(asked)).outcome == "answered"
    [result] = watch.bodies(ToolResult)
    assert result.is_error
    [refused] = [trouble for trouble in watch.bodies(Trouble) if trouble.code == "tool_refused"]
    assert "Bash" in refused.message
