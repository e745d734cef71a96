"""Approvals in a real database: decided once, asked for once, never lost."""

import asyncio
import json
import random
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest
from hive_approvals import policy
from hive_approvals.kinds.kind import NoDetails
from hive_approvals.kinds.spawn import SpawnDetails
from hive_approvals.policy import Event
from hive_approvals.rows import Query
from hive_approvals.store import MAX_PENDING, ApprovalStore, Ask, Decision, encode_details
from hivecommon.contracts.approvals import Approval, ApprovalKind, ApprovalState
from hivecommon.contracts.lifecycle import AgentSettings
from hivecommon.errors import HiveError

OpenStore = Callable[[], Awaitable[ApprovalStore]]
ANNA, BERT, HM1ND = "operator:anna", "operator:bert", "agent:hm1nd"


@pytest.fixture
async def store(open_store: OpenStore) -> ApprovalStore:
    return await open_store()


@pytest.fixture
def sql(tmp_path: Path) -> Callable[[str], list[tuple[object, ...]]]:
    """Ask the file itself."""

    def ask(query: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(tmp_path / "approvals.sqlite")
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()

    return ask


def wish(
    agent: str = "alice", *, by: str = HM1ND, request_id: str | None = None, persona: str = "",
    kind: ApprovalKind = ApprovalKind.SPAWN,
) -> Ask:  # fmt: skip
    details: msgspec.Struct = NoDetails()
    if kind is ApprovalKind.SPAWN:
        details = SpawnDetails(AgentSettings(persona=persona))
    return Ask(
        kind=kind,
        agent=agent,
        details=encode_details(details),
        reason="we need one",
        requested_by=by,
        request_id=request_id or f"ask-{agent}-{persona[:20]}",
    )


def decision(event: Event, by: str = ANNA, **more: object) -> Decision:
    return msgspec.convert(
        {"event": event, "by": by, "request_id": f"{event}-{by}", **more}, Decision
    )


async def codes(*attempts: Awaitable[Approval]) -> list[str]:
    outcomes = await asyncio.gather(*attempts, return_exceptions=True)
    return [o.code if isinstance(o, HiveError) else "ok" for o in outcomes]


async def test_what_was_asked_for_is_kept_as_it_was(store: ApprovalStore) -> None:
    asked = await store.ask(wish(persona="Löwe\n🦁"))
    assert asked == await store.get(asked.id)
    assert asked.settings == AgentSettings(persona="Löwe\n🦁")
    assert (asked.state, asked.requested_by, asked.reason) == ("pending", HM1ND, "we need one")
    assert asked.requested_at.isoformat() == "2026-11-22T12:00:00+00:00"
    assert len(asked.digest) == 64


async def test_the_same_request_id_is_the_same_wish(store: ApprovalStore) -> None:
    first = await store.ask(wish(request_id="x"))
    await store.decide(first.id, decision(Event.DENY))
    again = await store.ask(wish(request_id="x"))
    assert (again.id, again.state) == (first.id, ApprovalState.DENIED)


async def test_a_request_id_of_one_requester_is_none_of_anothers(store: ApprovalStore) -> None:
    first = await store.ask(wish("alice", request_id="x"))
    other = await store.ask(wish("bob", request_id="x", by=ANNA))
    assert first.id != other.id


async def test_wishing_again_for_what_waits_returns_what_waits(store: ApprovalStore) -> None:
    first = await store.ask(wish(request_id="x"))
    assert await store.ask(wish(request_id="y")) == first


async def test_another_wish_for_the_same_agent_is_refused_while_one_waits(
    store: ApprovalStore,
) -> None:
    first = await store.ask(wish())
    with pytest.raises(HiveError, match="approval 1, asked for by agent:hm1nd") as caught:
        await store.ask(wish(persona="another"))
    assert caught.value.code == "already_pending"
    await store.decide(first.id, decision(Event.DENY))
    assert (await store.ask(wish(persona="another"))).id == 2


async def test_a_requester_cannot_bury_the_operator(store: ApprovalStore) -> None:
    for number in range(MAX_PENDING):
        await store.ask(wish(f"a{number}"))
    with pytest.raises(HiveError) as caught:
        await store.ask(wish("onemore"))
    assert caught.value.code == "too_many_pending"
    assert (await store.ask(wish("onemore", by=ANNA))).state is ApprovalState.PENDING


async def test_an_operators_own_act_is_recorded_as_decided_by_them_once(
    store: ApprovalStore,
) -> None:
    await store.ask(wish())  # what the manager asked for does not stand in an operator's way
    own = await store.record_decided(wish(by=ANNA, request_id="x"))
    assert (own.state, own.decided_by, own.decided_at) == ("approved", ANNA, own.requested_at)
    assert await store.record_decided(wish(by=ANNA, request_id="x")) == own


@pytest.mark.parametrize("second", [Event.APPROVE, Event.DENY, Event.CANCEL])
@pytest.mark.parametrize("first", [Event.APPROVE, Event.DENY, Event.CANCEL])
async def test_the_second_decision_is_told_who_was_first_and_what_it_was(
    store: ApprovalStore, first: Event, second: Event
) -> None:
    asked = await store.ask(wish())
    won = await store.decide(asked.id, decision(first, ANNA, reason="so be it"))
    with pytest.raises(HiveError, match=f"approval 1 .*{ANNA}.*{won.state}") as caught:
        await store.decide(asked.id, decision(second, BERT))
    assert caught.value.code == "already_decided"
    assert await store.get(asked.id) == won


async def test_the_same_decision_again_is_answered_with_what_became_of_it(
    store: ApprovalStore,
) -> None:
    asked = await store.ask(wish())
    first = await store.decide(asked.id, decision(Event.APPROVE))
    assert await store.decide(asked.id, decision(Event.APPROVE)) == first
    executing = await store.advance(first, Event.BEGIN, job="j")
    assert await store.decide(asked.id, decision(Event.APPROVE)) == executing


async def test_of_many_deciders_at_the_same_moment_exactly_one_wins(open_store: OpenStore) -> None:
    stores = [await open_store() for _ in range(4)]  # as if four processes
    for number in range(1, 11):
        await stores[0].ask(wish(f"a{number}"))
        events = random.sample([Event.APPROVE, Event.DENY, Event.CANCEL, Event.DENY], 4)
        outcome = await codes(
            *(
                store.decide(number, decision(event, f"operator:o{i}"))
                for i, (store, event) in enumerate(zip(stores, events, strict=True))
            )
        )
        assert sorted(outcome) == ["already_decided"] * 3 + ["ok"]
        decided = await stores[1].get(number)
        assert decided.decided_by == f"operator:o{outcome.index('ok')}"


async def test_of_many_same_wishes_at_the_same_moment_one_row_remains(
    open_store: OpenStore,
) -> None:
    stores = [await open_store() for _ in range(4)]
    rows = await asyncio.gather(*(store.ask(wish(request_id="x")) for store in stores))
    assert {row.id for row in rows} == {1}


async def test_approving_something_else_than_was_shown_is_refused(store: ApprovalStore) -> None:
    asked = await store.ask(wish())
    with pytest.raises(HiveError) as caught:
        await store.decide(asked.id, decision(Event.APPROVE, digest="0" * 64))
    assert caught.value.code == "changed"
    assert (await store.get(asked.id)).state is ApprovalState.PENDING
    approved = await store.decide(asked.id, decision(Event.APPROVE, digest=asked.digest))
    assert approved.state is ApprovalState.APPROVED


async def test_an_agent_takes_back_its_own_wish_only(store: ApprovalStore) -> None:
    own = await store.ask(wish("alice"))
    others = await store.ask(wish("bob", by=ANNA))
    with pytest.raises(HiveError) as caught:
        await store.decide(others.id, decision(Event.CANCEL, HM1ND, own_only=True))
    assert caught.value.code == "refused"
    taken = await store.decide(own.id, decision(Event.CANCEL, HM1ND, own_only=True))
    assert taken.state is ApprovalState.CANCELLED


async def test_a_number_that_nobody_has_is_named(store: ApprovalStore) -> None:
    for attempt in (store.get(7), store.decide(7, decision(Event.APPROVE))):
        with pytest.raises(HiveError, match="no approval 7") as caught:
            await attempt
        assert caught.value.code == "unknown_approval"


async def test_a_step_from_a_state_that_has_passed_changes_nothing(store: ApprovalStore) -> None:
    asked = await store.ask(wish())
    await store.decide(asked.id, decision(Event.DENY))
    assert await store.advance(asked, Event.ORPHAN, note=policy.ORPHANED) is None
    await store.annotate(asked, "too late")
    assert (await store.get(asked.id)).note == ""


async def test_every_change_leaves_an_event_and_outcomes_a_message_in_the_same_file(
    store: ApprovalStore, sql: Callable[[str], list[tuple[object, ...]]]
) -> None:
    asked = await store.ask(wish())
    denied = await store.decide(asked.id, decision(Event.DENY, reason="not today"))
    rows = sql("SELECT subject, message_id, payload FROM outbox ORDER BY id")
    assert [row[:2] for row in rows] == [
        ("events.hive.approvals.approval", "approval-1-v1"),
        ("events.hive.approvals.approval", "approval-1-v2"),
        ("inbox.hm1nd.hive", "approval-1-denied"),
    ]
    event, message = (json.loads(row[2]) for row in rows[1:])  # type: ignore[arg-type] # bytes
    assert msgspec.convert(event["body"]["approval"], Approval) == denied
    assert message["body"].endswith("denied by operator anna. Reason: not today")


async def test_the_audit_has_who_did_what_and_what_was_refused(
    store: ApprovalStore, sql: Callable[[str], list[tuple[object, ...]]]
) -> None:
    asked = await store.ask(wish())
    approved = await store.decide(asked.id, decision(Event.APPROVE, ANNA))
    await codes(store.decide(asked.id, decision(Event.DENY, BERT)))
    await store.advance(approved, Event.FAIL, note="the port is taken")
    assert sql("SELECT who, what, target, result, detail FROM audit ORDER BY id") == [
        (HM1ND, "request spawn", "approval:1", "pending", "we need one"),
        (ANNA, "approve", "approval:1", "approved", ""),
        (BERT, "deny", "approval:1", "already_decided", ""),
        ("service:approvals", "fail", "approval:1", "failed", "the port is taken"),
    ]


async def test_a_note_that_says_the_same_is_no_change(
    store: ApprovalStore, sql: Callable[[str], list[tuple[object, ...]]]
) -> None:
    await store.ask(wish())
    approved = await store.decide(1, decision(Event.APPROVE))
    await store.annotate(approved, "waits")
    before = sql("SELECT count(*) FROM outbox")
    await store.annotate(await store.get(1), "waits")
    assert sql("SELECT count(*) FROM outbox") == before


async def fill(store: ApprovalStore) -> None:
    """Make approvals 1 to 6, of which 2 and 5 are pending."""
    for number in range(1, 7):
        await store.ask(wish(f"a{number}", persona="p"))
        if number not in {2, 5}:
            await store.decide(number, decision(Event.DENY))


@pytest.mark.parametrize(
    ("query", "numbers", "more"),
    [
        (Query(limit=10), [5, 2, 6, 4, 3, 1], False),
        (Query(limit=1), [5], True),
        (Query(limit=3), [5, 2, 6], True),
        (Query(limit=3, before=6), [4, 3, 1], False),
        (Query(limit=2, before=5), [2, 6], True),
        (Query(limit=10, before=99), [6, 4, 3, 1], False),
        (Query(limit=10, state=ApprovalState.PENDING), [5, 2], False),
        (Query(limit=2, state=ApprovalState.DENIED), [6, 4], True),
        (Query(limit=2, state=ApprovalState.DENIED, before=4), [3, 1], False),
        (Query(limit=10, state=ApprovalState.DONE), [], False),
        (Query(limit=10, agent="a5"), [5], False),
        (Query(limit=10, agent="nobody"), [], False),
    ],
)
async def test_lists_begin_with_what_waits_and_go_on_where_they_ended(
    store: ApprovalStore, query: Query, numbers: list[int], more: bool  # noqa: FBT001 - a row of a table
) -> None:  # fmt: skip
    await fill(store)
    page = await store.page(query)
    assert ([a.id for a in page.approvals], page.more, page.pending) == (numbers, more, 2)


async def test_a_list_is_cut_to_what_a_message_can_hold_and_can_be_read_to_its_end(
    store: ApprovalStore,
) -> None:
    for number in range(60):
        await store.ask(wish(f"a{number}", persona="🦁" * 20_000))
    seen: list[int] = []
    before = None
    while True:
        page = await store.page(Query(limit=1000, before=before))
        assert len(msgspec.json.encode(page.approvals)) < 2**20
        seen += [approval.id for approval in page.approvals]
        before = seen[-1]
        if not page.more:
            break
    assert seen == list(range(60, 0, -1))


async def test_numbers_are_not_given_again(store: ApprovalStore, tmp_path: Path) -> None:
    await store.ask(wish())
    with sqlite3.connect(tmp_path / "approvals.sqlite") as vandal:
        vandal.execute("DROP TRIGGER approvals_are_kept")
        vandal.execute("DELETE FROM approvals")
    vandal.close()
    assert (await store.ask(wish(request_id="y"))).id == 2
