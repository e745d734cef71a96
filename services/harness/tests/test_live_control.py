"""The real CLI under control: shorter and new conversations, another model, a CLI that grew."""

import pytest
from hivecommon.contracts.events import HarnessStarted, TurnEnded, TurnStarted
from hivecommon.contracts.harness import (
    AskHarness,
    Compact,
    Interrupt,
    NewSession,
    ReadOpenItems,
    SetModel,
)
from hivecommon.contracts.roster import Activity
from hivecommon.errors import HiveError
from hivetesting.agents import Agents
from hivetesting.harness import AgentWatch, tell
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.steps import Hang, Text, ToolUse, Usage

NOTES = "Save now what must outlast it"
SUMMARY = "Your task is to create a detailed summary of the conversation"
WRITE = ToolUse("Bash", {"command": "echo the answer is 42 > notes.md"})
OTHER_MODEL = "claude-opus-4-6"


async def own_turn(watch: AgentWatch, own: str) -> TurnEnded:
    """Wait for the end of a turn that the harness itself began."""
    started = await watch.until(lambda e: isinstance(e.body, TurnStarted) and e.body.own == own)
    assert isinstance(started.body, TurnStarted)
    return await watch.turn_ended(started.body.message_id)


async def test_a_conversation_is_made_shorter_after_the_agent_has_saved_its_notes(
    agents: Agents,
) -> None:
    agents.api.script = Rules(
        Rule(text=NOTES, answer=[WRITE]),
        Rule(text=SUMMARY, answer=[Text("<summary>there was a question</summary>")]),
        Rule(text="go", answer=[Text("x" * 3000)]),
    )
    agent, watch = await agents.spawn("anna")
    await watch.turn_ended(await tell(agents.operator, "anna", "go"))
    assert (await agents.operator.request(Compact(), agent="anna")).changed
    notes, compacted = await own_turn(watch, "save_notes"), await own_turn(watch, "compact")
    assert (notes.outcome, notes.tool_calls, compacted.outcome) == ("answered", 1, "answered")
    assert (agent.state / "notes.md").read_text() == "the answer is 42\n"
    # What that cost is the agent's.
    assert notes.cost_usd > 0
    assert compacted.cost_usd > 0
    status = await watch.status(
        lambda s: s.turn == 3 and s.activity is Activity.IDLE and s.context_used is None
    )
    spent = sum(end.cost_usd for end in watch.bodies(TurnEnded))
    await watch.status(lambda s: s.cost_today_usd == pytest.approx(spent))
    assert Activity.COMPACTING in [e.status.activity for e in watch.statuses()]
    await watch.turn_ended(await tell(agents.operator, "anna", "what now"))
    last = agents.api.requests[-1]
    said = str(last.messages)
    assert "there was a question" in said
    assert "xxxx" not in said
    assert (
        status.session_id
        == (await agents.operator.request(AskHarness(), agent="anna")).status.session_id
    )


async def test_at_the_watermark_a_conversation_is_made_shorter_once(agents: Agents) -> None:
    full = Usage(input_tokens=150_000, output_tokens=10)
    agents.api.script = Rules(
        Rule(text=SUMMARY, answer=[Text("<summary>nothing much</summary>")]),
        Rule(text="fill", answer=[Text("so much"), full]),
    )
    _, watch = await agents.spawn("berta", compact_at=0.7)
    await watch.turn_ended(await tell(agents.operator, "berta", "fill"))
    await own_turn(watch, "save_notes")
    await own_turn(watch, "compact")
    # What could not be made smaller is not paid for again after each turn.
    await watch.turn_ended(await tell(agents.operator, "berta", "fill again"))
    await watch.turn_ended(await tell(agents.operator, "berta", "fill more"))
    await watch.status(lambda s: s.turn == 5 and s.activity is Activity.IDLE)
    assert [turn.own for turn in watch.bodies(TurnStarted)] == ["", "save_notes", "compact", "", ""]


async def test_below_the_watermark_nothing_is_made_shorter(agents: Agents) -> None:
    _, watch = await agents.spawn("clara")
    await watch.turn_ended(await tell(agents.operator, "clara", "one"))
    await watch.turn_ended(await tell(agents.operator, "clara", "two"))
    assert [turn.own for turn in watch.bodies(TurnStarted)] == ["", ""]


async def test_a_compaction_that_was_asked_for_in_a_turn_survives_a_restart_and_comes_after_it(
    agents: Agents,
) -> None:
    agents.api.script = Rules(
        Rule(text="hang", answer=[Hang()], times=1),
        Rule(text=SUMMARY, answer=[Text("<summary>nothing much</summary>")]),
    )
    agent, watch = await agents.spawn("dora")
    await watch.turn_ended(await tell(agents.operator, "dora", "hello"))
    asked = await tell(agents.operator, "dora", "hang")
    await agents.asked("hang")
    assert (await agents.operator.request(Compact(), agent="dora")).changed
    assert not (await agents.operator.request(Compact(), agent="dora")).changed
    agent.kill()
    agent.start()
    await own_turn(watch, "compact")
    await watch.turn_ended(asked)
    await watch.status(lambda s: s.turn == 5 and s.activity is Activity.IDLE)
    assert [turn.own for turn in watch.bodies(TurnStarted)].count("compact") == 1


async def test_an_interrupted_compaction_is_given_up(agents: Agents) -> None:
    agents.api.script = Rules(Rule(text=NOTES, answer=[Hang()]))
    _, watch = await agents.spawn("emma")
    await watch.turn_ended(await tell(agents.operator, "emma", "hello"))
    await agents.operator.request(Compact(), agent="emma")
    await agents.asked(NOTES)
    assert (await agents.operator.request(Interrupt(), agent="emma")).changed
    assert (await own_turn(watch, "save_notes")).outcome == "interrupted"
    after = await tell(agents.operator, "emma", "and now")
    await watch.turn_ended(after)
    assert [turn.own for turn in watch.bodies(TurnStarted)] == ["", "save_notes", ""]


async def test_a_new_session_begins_with_the_next_turn_and_knows_nothing_of_the_old(
    agents: Agents,
) -> None:
    _, watch = await agents.spawn("frida")
    assert not (await agents.operator.request(NewSession(), agent="frida", timeout_s=15)).changed
    await watch.turn_ended(await tell(agents.operator, "frida", "remember the turnip"))
    assert (await agents.operator.request(NewSession(), agent="frida")).changed
    assert not (await agents.operator.request(NewSession(), agent="frida")).changed
    await watch.turn_ended(await tell(agents.operator, "frida", "what was it?"))
    last = agents.api.requests[-1]
    assert "what was it?" in str(last.messages)
    assert "turnip" not in str(last.messages)
    first, second = watch.bodies(HarnessStarted)
    assert first.session_id != second.session_id
    assert not second.resumed


async def test_a_new_session_that_was_asked_for_in_a_turn_begins_also_after_a_kill(
    agents: Agents,
) -> None:
    agents.api.script = Rules(Rule(text="hang", answer=[Hang()], times=1))
    agent, watch = await agents.spawn("fritzi")
    await watch.turn_ended(await tell(agents.operator, "fritzi", "remember the turnip"))
    asked = await tell(agents.operator, "fritzi", "hang")
    await agents.asked("hang")
    assert (await agents.operator.request(NewSession(), agent="fritzi")).changed
    agent.kill()
    agent.start()
    await watch.turn_ended(asked)
    assert "turnip" not in str(agents.api.requests[-1].messages)


async def test_model_and_effort_count_from_the_next_turn_on_and_after_restarts(
    agents: Agents,
) -> None:
    agents.api.script = Rules(Rule(text="hang", answer=[Hang(), Text("one")]))
    agent, watch = await agents.spawn("gerda", effort="")
    running = await tell(agents.operator, "gerda", "hang")
    await agents.asked("hang")
    chosen = await agents.operator.request(SetModel(model=OTHER_MODEL, effort="low"), agent="gerda")
    assert (chosen.status.model, chosen.status.effort) == (OTHER_MODEL, "low")
    agents.api.release()
    assert (await watch.turn_ended(running)).outcome == "answered"
    await watch.turn_ended(await tell(agents.operator, "gerda", "two"))
    agent.kill()
    agent.start()
    await watch.turn_ended(await tell(agents.operator, "gerda", "three"))
    await agents.operator.request(SetModel(effort="high"), agent="gerda")
    await watch.turn_ended(await tell(agents.operator, "gerda", "four"))
    await agents.operator.request(SetModel(model="", effort=""), agent="gerda")
    await watch.turn_ended(await tell(agents.operator, "gerda", "five"))
    asked = [(request.model, request.effort) for request in agents.api.requests]
    default = asked[0]
    assert default[0] == "claude-sonnet-4-5"
    assert asked == [
        default,
        (OTHER_MODEL, "low"),
        (OTHER_MODEL, "low"),
        (OTHER_MODEL, "high"),
        default,
    ]
    # One conversation through all of it.
    assert "two" in str(agents.api.requests[-1].messages)
    with pytest.raises(HiveError, match="effort"):
        await agents.operator.request(SetModel(effort="enormous"), agent="gerda")


async def test_a_model_that_is_chosen_while_the_cli_starts_counts_for_the_first_turn(
    agents: Agents,
) -> None:
    _, watch = await agents.spawn("gesa")
    await agents.operator.request(SetModel(model=OTHER_MODEL), agent="gesa", timeout_s=20)
    await watch.turn_ended(await tell(agents.operator, "gesa", "one"))
    assert [request.model for request in agents.api.requests] == [OTHER_MODEL]


async def test_a_cli_that_grew_too_large_is_started_anew_between_turns(agents: Agents) -> None:
    _, watch = await agents.spawn("hanna", cli_memory_bytes=50 << 20)  # it holds 200 MiB when new
    await watch.turn_ended(await tell(agents.operator, "hanna", "remember the turnip"))
    await watch.until(lambda e: isinstance(e.body, HarnessStarted) and e.body.resumed)
    await watch.turn_ended(await tell(agents.operator, "hanna", "what was it?"))
    assert "turnip" in str(agents.api.requests[-1].messages)
    first, second = watch.bodies(HarnessStarted)[:2]
    assert first.session_id == second.session_id


async def test_an_idle_agent_asks_the_api_nothing(agents: Agents) -> None:
    agent, watch = await agents.spawn("ida")
    await watch.status(lambda s: s.activity is Activity.IDLE)
    await agents.operator.request(ReadOpenItems(), agent="ida", timeout_s=15)
    await agents.operator.request(SetModel(effort="low"), agent="ida")
    await watch.until(lambda e: isinstance(e.body, HarnessStarted) and e.body.resumed is False)
    await agents.operator.request(NewSession(), agent="ida")
    agent.kill()
    watch.events.clear()
    agent.start()
    await watch.status(lambda s: s.activity is Activity.IDLE)
    await agent.stop()
    assert not agents.api.requests
