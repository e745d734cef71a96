"""The live socket: who may listen, what arrives, who is dropped."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from hivecommon.errors import HiveError
from hiveweb.feed import BAD_FRAME, MAX_SUBSCRIPTIONS, NOT_LOGGED_IN, TOO_SLOW, Sink, Topic
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


class Count(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    upto: int
    size: int = 0


async def count(params: Count, sink: Sink, /) -> None:
    """Put the numbers, then wait for ever."""
    for number in range(params.upto):
        await sink.put({"n": number, "pad": "x" * params.size})
    await asyncio.Event().wait()


async def refuse(params: Count, sink: Sink, /) -> None:
    raise HiveError("not today", code="refused", hint="come tomorrow")


async def fail(params: Count, sink: Sink, /) -> None:
    raise ZeroDivisionError("the secret is 42")


TOPICS: dict[str, Topic[Any]] = {
    "count": Topic(Count, count),
    "refuse": Topic(Count, refuse),
    "fail": Topic(Count, fail),
}


class Tab:
    """A page's end of the socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    async def say(self, **frame: Any) -> None:
        await self._socket.send(json.dumps(frame))

    async def batch(self) -> Any:
        frame = json.loads(await self._socket.recv())
        await self.say(type="ack", n=frame["n"])
        return frame

    async def entries(self, number: int) -> list[Any]:
        found: list[Any] = []
        while len(found) < number:
            found += (await self.batch())["entries"]
        return found

    async def closed_with(self) -> int:
        try:
            async with asyncio.timeout(10):
                while True:
                    await self._socket.recv()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006


def socket_of(page: Any) -> connect:
    return connect(f"ws://127.0.0.1:{page.port}/live", max_size=None)


async def test_items_come_in_order_and_in_few_batches(serve: Any) -> None:
    async with serve(TOPICS, condition=lambda: {"bus": True}) as page, socket_of(page) as socket:
        tab = Tab(socket)
        await tab.say(type="hello", token=page.token())
        await tab.say(type="open", id=7, topic="count", params={"upto": 500})
        numbers: list[int] = []
        batches = 0
        while len(numbers) < 500:
            batch = await tab.batch()
            batches += 1
            assert batch["condition"] == {"bus": True}
            numbers += [entry["item"]["n"] for entry in batch["entries"] if entry["id"] == 7]

    assert numbers == list(range(500))
    assert batches < 10


@pytest.mark.parametrize("token", ["", "nonsense", "YW5uYQ.aaaa.bbbb"])
async def test_without_a_good_token_nothing_is_told(serve: Any, token: str) -> None:
    async with serve(TOPICS) as page, socket_of(page) as socket:
        tab = Tab(socket)
        await tab.say(type="hello", token=token)

        assert await tab.closed_with() == NOT_LOGGED_IN


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "open", "id": 1, "topic": "count", "params": {"upto": 1}},
        {"type": "hello"},
        {"type": "hello", "token": 5},
        [],
    ],
)
async def test_the_first_frame_must_be_the_token(serve: Any, frame: Any) -> None:
    async with serve(TOPICS) as page, socket_of(page) as socket:
        await socket.send(json.dumps(frame))

        assert await Tab(socket).closed_with() == BAD_FRAME


async def test_a_removed_holder_is_cut_off(serve: Any) -> None:
    async with serve(TOPICS) as page, socket_of(page) as socket:
        tab = Tab(socket)
        await tab.say(type="hello", token=page.token("anna"))
        await tab.batch()
        page.removed.add("anna")

        assert await tab.closed_with() == NOT_LOGGED_IN


@pytest.mark.parametrize(
    ("topic", "params", "code"),
    [
        ("nothing", {}, "bad_request"),
        ("count", {"upto": "many"}, "bad_request"),
        ("count", {"upto": 1, "more": 1}, "bad_request"),
        ("refuse", {"upto": 1}, "refused"),
        ("fail", {"upto": 1}, "internal"),
    ],
)
async def test_a_subscription_that_fails_says_so_and_leaves_the_others(
    serve: Any, topic: str, params: Any, code: str
) -> None:
    async with serve(TOPICS) as page, socket_of(page) as socket:
        tab = Tab(socket)
        await tab.say(type="hello", token=page.token())
        await tab.say(type="open", id=1, topic=topic, params=params)
        (failed,) = await tab.entries(1)
        await tab.say(type="open", id=2, topic="count", params={"upto": 1})
        (item,) = await tab.entries(1)

    assert (failed["id"], failed["error"]["code"]) == (1, code)
    assert "42" not in json.dumps(failed)
    assert item["item"]["n"] == 0


async def test_a_tab_that_stops_draining_is_dropped_and_not_buffered_for(serve: Any) -> None:
    async with serve(TOPICS, stall_s=0.5) as page, socket_of(page) as socket:
        tab = Tab(socket)
        await tab.say(type="hello", token=page.token())
        await tab.say(type="open", id=1, topic="count", params={"upto": 10**9, "size": 10_000})

        assert await tab.closed_with() == TOO_SLOW


async def test_a_closed_subscription_ends_and_makes_room(serve: Any) -> None:
    async with serve(TOPICS) as page, socket_of(page) as socket:
        tab = Tab(socket)
        await tab.say(type="hello", token=page.token())
        for number in range(MAX_SUBSCRIPTIONS * 2):
            await tab.say(type="open", id=number, topic="count", params={"upto": 0})
            await tab.say(type="close", id=number)
        await tab.say(type="open", id=99, topic="count", params={"upto": 1})

        assert [entry["id"] for entry in await tab.entries(1)] == [99]


async def test_too_many_subscriptions_are_refused(serve: Any) -> None:
    async with serve(TOPICS) as page, socket_of(page) as socket:
        tab = Tab(socket)
        await tab.say(type="hello", token=page.token())
        for number in range(MAX_SUBSCRIPTIONS + 1):
            await tab.say(type="open", id=number, topic="count", params={"upto": 0})

        assert await tab.closed_with() == BAD_FRAME
