"""The real CLI and a real bus: whose message is next, several in a turn, what is parked."""

import asyncio
from collections.abc import Sequence

import pytest
from hive_harness.inbox import consumer_of
from hivecommon.contracts.events import (
    MessageParked,
    MessageSent,
    MessageTaken,
    ToolResult,
    TurnEnded,
    TurnStarted,
)
from hivecommon.contracts.harness import ReadOpenItems, ResendParked, SetPaused
from hivecommon.contracts.inbox import inbox_consumers
from hivecommon.contracts.streams import INBOX_AHEAD
from hivecommon.errors import HiveError
from hivetesting.agents import Agents
from hivetesting.harness import AgentWatch, tell
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.steps import Error, Hang, Text, ToolUse


async def settled(agents: Agents, name: str) -> None:
    """Wait until every consumer of an agent has all its messages acknowledged."""
    async with asyncio.timeout(60):
        for consumer in inbox_consumers(name):
            while True:
                info = await agents.lifecycle.jetstream.consumer_info("INBOX", consumer)
                if not info.num_pending and not info.num_ack_pending:
                    break
                await asyncio.sleep(0.05)


def order(watch: AgentWatch) -> list[str]:
    return [turn.body for turn in watch.bodies(TurnStarted)]


async def next_two(agents: Agents, name: str) -> list[str]:
    items = await agents.operator.request(ReadOpenItems(), agent=name, timeout_s=15)
    return [one.first_line for one in items.waiting[:2]]


async def begun(watch: AgentWatch, turn: int) -> None:
    await watch.until(lambda e: isinstance(e.body, TurnStarted) and e.turn == turn)


async def say(agents: Agents, to: str, bodies: Sequence[str], sender: str) -> list[str]:
    bus = agents.lifecycle  # it may write as anybody, which spares a harness for each sender
    return [await tell(bus, to, body, sender=sender) for body in bodies]


async def test_an_operators_message_overtakes_a_crowd_and_is_handled_once(agents: Agents) -> None:
    agents.api.script = Rules(Rule(text="begin", answer=[Hang(), Text("one")]))
    crowd = [f"message {number}" for number in range(INBOX_AHEAD + 6)]
    _, watch = await agents.spawn("anna")
    await say(agents, "anna", ["begin"], "bob")
    await agents.asked("begin")
    waiting = await say(agents, "anna", crowd, "bob")
    [urgent, again] = [await tell(agents.operator, "anna", body) for body in ("urgent", "and this")]
    async with asyncio.timeout(60):
        while await next_two(agents, "anna") != ["urgent", "and this"]:
            pass
    agents.api.release()
    await watch.turn_ended(urgent)
    await watch.turn_ended(again)
    await watch.turn_ended(waiting[-1], within_s=110)
    assert order(watch) == ["begin", "urgent", "and this", *crowd]
    await settled(agents, "anna")


async def test_small_messages_of_one_sender_share_a_turn_where_the_agent_says_so(
    agents: Agents,
) -> None:
    agents.api.script = Rules(
        Rule(text="begin", answer=[Hang(), Text("one")]),
        Rule(
            text="new messages from the same sender",
            answer=[ToolUse("mcp__hive__reply", {"body": "all done"})],
        ),
    )
    _, watch = await agents.spawn("berta", batch=3)
    await say(agents, "berta", ["begin"], "bob")
    await agents.asked("begin")
    bobs = await say(agents, "berta", ["b1", "b2", "b3", "b4"], "bob")
    [eve] = await say(agents, "berta", ["e1"], "eve")
    [late] = await say(agents, "berta", ["b5"], "bob")
    agents.api.release()
    ended = await watch.turn_ended(bobs[0])
    assert (ended.outcome, ended.also) == ("answered", bobs[1:3])
    await watch.turn_ended(late)
    assert order(watch) == ["begin", "b1", "b4", "e1", "b5"]
    assert [taken.message_id for taken in watch.bodies(MessageTaken)] == bobs[1:3]
    # An answer goes to the newest of them.
    [sent] = watch.bodies(MessageSent)
    assert (sent.to, sent.reply_to) == ("bob", bobs[2])
    prompt = next(r.last_user_text for r in agents.api.requests if "\nb2\n" in r.last_user_text)
    assert [prompt.index(body) for body in ("\nb1\n", "\nb2\n", "\nb3\n")] == sorted(
        prompt.index(body) for body in ("\nb1\n", "\nb2\n", "\nb3\n")
    )
    assert eve in [turn.message_id for turn in watch.bodies(TurnStarted)]
    await settled(agents, "berta")


async def test_when_messages_that_share_a_turn_fail_each_is_tried_alone(agents: Agents) -> None:
    agents.api.script = Rules(
        Rule(text="begin", answer=[Hang(), Text("one")]),
        Rule(text="poison", answer=[Error(400, "this cannot be read")]),
    )
    _, watch = await agents.spawn("betty", batch=9)
    await say(agents, "betty", ["begin"], "bob")
    await agents.asked("begin")
    ids = await say(agents, "betty", ["b1", "poison", "b3"], "bob")
    agents.api.release()
    assert (await watch.turn_ended(ids[2])).outcome == "answered"
    ended = {end.message_id: end.outcome for end in watch.bodies(TurnEnded)}
    assert [ended[one] for one in ids] == ["answered", "failed", "answered"]
    assert order(watch) == ["begin", "b1", "b1", "poison", "b3"]
    [parked] = watch.bodies(MessageParked)
    assert parked.message_id == ids[1]
    await settled(agents, "betty")


async def test_recv_takes_an_answer_into_the_running_turn_acknowledged_once_after_it(
    agents: Agents,
) -> None:
    agents.api.script = Rules(
        Rule(text="begin", answer=[ToolUse("mcp__hive__recv", {"wait_seconds": 60})]),
        Rule(
            after_tool="mcp__hive__recv",
            answer=[ToolUse("mcp__hive__reply", {"body": "to whom?"})],
        ),
    )
    _, watch = await agents.spawn("clara")
    [first] = await say(agents, "clara", ["begin"], "bob")
    await agents.asked("begin")
    [answer] = await say(agents, "clara", ["the answer"], "eve")
    ended = await watch.turn_ended(first)
    assert (ended.outcome, ended.also) == ("answered", [answer])
    assert order(watch) == ["begin"]
    received, refused = watch.bodies(ToolResult)
    assert "From: eve: another agent" in received.text
    assert "-----\nthe answer\n-----" in received.text
    assert refused.is_error
    assert "say which one you answer, with message_id" in refused.text
    await settled(agents, "clara")
    after = await say(agents, "clara", ["later"], "bob")
    await watch.turn_ended(after[0])
    assert order(watch) == ["begin", "later"]


async def test_what_was_received_in_a_turn_that_is_cut_off_comes_again_told_as_such(
    agents: Agents,
) -> None:
    agents.api.script = Rules(
        Rule(text="begin", answer=[ToolUse("mcp__hive__recv", {"wait_seconds": 60})], times=1),
        Rule(after_tool="mcp__hive__recv", answer=[Hang()], times=1),
    )
    agent, watch = await agents.spawn("dora")
    [first] = await say(agents, "dora", ["begin"], "bob")
    await agents.asked("begin")
    [answer] = await say(agents, "dora", ["the answer"], "eve")
    await watch.until(lambda e: isinstance(e.body, ToolResult))
    agent.kill()
    agent.start()
    await watch.turn_ended(first)
    await watch.turn_ended(answer)
    turns = watch.bodies(TurnStarted)
    assert [(turn.body, turn.redelivered) for turn in turns] == [
        ("begin", False), ("begin", True), ("the answer", True),
    ]  # fmt: skip
    assert "given this message once before" in agents.api.requests[-1].last_user_text
    await settled(agents, "dora")


async def test_recv_says_when_nothing_comes(agents: Agents) -> None:
    agents.api.script = Rules(
        Rule(text="begin", answer=[ToolUse("mcp__hive__recv", {"wait_seconds": 0.2})])
    )
    _, watch = await agents.spawn("emma")
    await watch.turn_ended(await tell(agents.operator, "emma", "begin"))
    [result] = watch.bodies(ToolResult)
    assert result.is_error
    assert "no message came within 0.2 s" in result.text


async def test_a_message_that_cannot_be_handled_is_parked_shown_and_sent_again(
    agents: Agents,
) -> None:
    agents.api.script = Rules(Rule(text="poison", answer=[Error(400, "this cannot be read")]))
    _, watch = await agents.spawn("frida")
    [poison] = await say(agents, "frida", ["poison\nsecond line"], "bob")
    assert (await watch.turn_ended(poison)).outcome == "failed"
    await watch.status(lambda status: status.parked == 1)
    [parked] = watch.bodies(MessageParked)
    assert (parked.message_id, parked.sender) == (poison, "bob")
    assert "cannot be read" in parked.reason
    items = await agents.operator.request(ReadOpenItems(), agent="frida", timeout_s=15)
    [item] = items.parked
    assert (item.number, item.sender, item.first_line) == (parked.number, "bob", "poison")
    await settled(agents, "frida")
    watch.events.clear()
    agents.api.script = Rules()
    again = await agents.operator.request(ResendParked(number=item.number), agent="frida")
    assert again.changed
    assert (await watch.turn_ended(poison)).outcome == "answered"
    assert "an operator has sent it again" in agents.api.requests[-1].last_user_text
    await watch.status(lambda status: status.parked == 0)
    with pytest.raises(HiveError) as refused:
        await agents.operator.request(ResendParked(number=item.number), agent="frida")
    assert refused.value.code == "not_parked"


async def test_a_message_that_kills_the_harness_five_times_is_parked(agents: Agents) -> None:
    agents.api.script = Rules(Rule(text="poison", answer=[Hang()]))
    agent, watch = await agents.spawn("gerda")
    await say(agents, "gerda", ["poison"], "bob")
    [after] = await say(agents, "gerda", ["harmless"], "bob")
    for number in range(1, 6):
        await begun(watch, number)
        agent.kill()
        agent.start()
    assert (await watch.turn_ended(after)).outcome == "answered"
    [parked] = watch.bodies(MessageParked)
    assert parked.reason == "the harness ended in 5 of its turns"
    assert order(watch)[-1] == "harmless"
    assert {turn.body for turn in watch.bodies(TurnStarted)} == {"poison", "harmless"}
    assert max(event.turn for event in watch.events) == 6
    await settled(agents, "gerda")


async def test_after_a_kill_with_a_crowd_waiting_the_order_is_kept(agents: Agents) -> None:
    crowd = [f"message {number}" for number in range(20)]
    agents.api.script = Rules(Rule(text=r"\nmessage 3\n", answer=[Hang()], times=1))
    agent, watch = await agents.spawn("hanna")
    ids = await say(agents, "hanna", crowd, "bob")
    await agents.asked("\nmessage 3\n")
    agent.kill()
    more = await say(agents, "hanna", ["after the kill"], "bob")
    agent.start()
    await watch.turn_ended(more[0], within_s=110)
    assert order(watch) == [*crowd[:4], *crowd[3:], "after the kill"]
    ended = [end.message_id for end in watch.bodies(TurnEnded) if end.outcome == "answered"]
    assert ended == [*ids, *more]
    await settled(agents, "hanna")


async def test_what_waits_is_listed_while_the_agent_is_paused_and_counted_in_its_status(
    agents: Agents,
) -> None:
    _, watch = await agents.spawn("ida", paused=True)
    await say(agents, "ida", ["one\ntwo", "\x1b[31mthree"], "bob")
    [urgent] = [await tell(agents.operator, "ida", "urgent", by="anna")]
    await watch.status(lambda status: status.unread == 3)
    items = await agents.operator.request(ReadOpenItems(), agent="ida", timeout_s=15)
    assert [(one.sender, one.first_line) for one in items.waiting] == [
        ("operator", "urgent"), ("bob", "one"), ("bob", "[31mthree"),
    ]  # fmt: skip
    assert items.waiting[0].by == "anna"
    assert "unavailable" in items.incomplete  # nobody answers for approvals here
    assert not agents.api.requests
    await agents.lifecycle.request(SetPaused(paused=False), agent="ida")
    await watch.turn_ended(urgent)
    await settled(agents, "ida")


def test_acknowledgements_name_their_consumer() -> None:
    assert consumer_of("$JS.ACK.INBOX.anna_operator.1.7.9.1700000000.0") == "anna_operator"
    for strange in ("", "$JS.ACK.EVENTS.anna.1", "_INBOX.x", "$JS.ACK.INBOX"):
        assert consumer_of(strange) == ""
