"""kill -9 of the real process at random moments: each approval is carried out exactly once."""

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress

from hivecommon.bus import Bus
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalReply,
    ApprovalState,
    Approve,
    GetApproval,
    RequestSpawn,
)
from hivecommon.contracts.base import Request
from hivecommon.errors import HiveError
from hivetesting.broker import Broker
from hivetesting.lifecycle import JobBook, scripted_lifecycle
from hivetesting.watch import ApprovalWatch, inbox_with

KILLS = 20
# The same numbers in every run: a failure can be looked at again.
SEED = 20261122
NO_ANSWER = {"unavailable", "expired"}
Process = Callable[[], AbstractAsyncContextManager[asyncio.subprocess.Process]]


async def insist(
    bus: Bus, message: Request[ApprovalReply], request_id: str, **tokens: str
) -> Approval:
    """Ask until there is an answer, as the same command each time."""
    async with asyncio.timeout(60):
        while True:
            try:
                answer = await bus.request(message, timeout_s=2, request_id=request_id, **tokens)
            except HiveError as error:
                if error.code not in NO_ANSWER:
                    raise
            else:
                return answer.approval


async def pause(event: asyncio.Event, most_s: float) -> None:
    """Return when `event` is set, at the latest after `most_s`."""
    with suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            await event.wait()


async def some_moment(dice: random.Random, watch: ApprovalWatch) -> None:
    """Return when a process that just began is at work, or before it even answers."""
    never = asyncio.Event()
    if dice.random() < 1 / 4:
        await pause(never, dice.uniform(0, 0.5))
        return
    enough = len(watch.seen) + dice.randint(1, 12)
    await watch.when(lambda: len(watch.seen) >= enough, within_s=30)
    await pause(never, dice.uniform(0, 0.02))


async def ask_and_approve(manager: Bus, operator: Bus, name: str) -> Approval:
    """Ask for an agent, approve it, return how it ended."""
    asked = await insist(manager, RequestSpawn(agent=name), f"ask-{name}", caller="hm1nd")
    await insist(operator, Approve(id=asked.id, digest=asked.digest), f"approve-{name}")
    while True:
        found = await insist(operator, GetApproval(id=asked.id), "look")
        if found.ended_at is not None:
            return found


async def test_killed_at_random_moments_each_approval_is_carried_out_exactly_once(
    own_broker: Broker,
    process: Process,
    manager: Bus,
    operator: Bus,
    watch: ApprovalWatch,
) -> None:
    dice, book, over = random.Random(SEED), JobBook(), asyncio.Event()  # noqa: S311 - moments, not secrets
    killed, ended = asyncio.Event(), list[Approval]()

    async def killer() -> None:
        for _ in range(KILLS):
            async with process() as child:
                await some_moment(dice, watch)
                child.kill()
        killed.set()
        async with process():
            await over.wait()

    async def lifecycle() -> None:
        while not over.is_set():
            async with scripted_lifecycle(own_broker, book, finish_at_once=True) as scripted:
                scripted.lose_answers = dice.choice([0, 1])
                await pause(over, dice.uniform(0.2, 1))
            await pause(over, dice.uniform(0, 0.2))

    async def asker(initial: str) -> None:
        for number in itertools.count():
            ended.append(await ask_and_approve(manager, operator, f"{initial}{number}"))
            if killed.is_set():
                return

    async with asyncio.TaskGroup() as group:
        group.create_task(killer())
        group.create_task(lifecycle())
        async with asyncio.TaskGroup() as askers:
            for initial in "abcdef":
                askers.create_task(asker(initial))
        messages = await inbox_with(operator, "hm1nd", 2 * len(ended))
        over.set()

    numbers = [approval.id for approval in ended]
    once = dict.fromkeys(numbers, 1)
    assert len(numbers) >= KILLS / 2
    assert {approval.state for approval in ended} == {ApprovalState.DONE}
    assert Counter(numbers) == once
    told = Counter(message.id for message in messages)
    assert told == {f"approval-{n}-{what}": 1 for n in numbers for what in ("approved", "done")}
    assert book.carried_out == once
    assert Counter(job.agent for job in book.jobs.values()) == Counter(a.agent for a in ended)
