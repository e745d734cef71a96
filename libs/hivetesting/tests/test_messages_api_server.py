import asyncio
import re
import socket
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
from hivetesting.messages_api.rules import Rule, Rules
from hivetesting.messages_api.server import ScriptedMessagesApi
from hivetesting.messages_api.steps import (
    CutStream,
    Error,
    Hang,
    Headers,
    Text,
    ToolUse,
    rate_limited,
)

HEADERS = {"x-api-key": "key-alice", "anthropic-version": "2023-06-01"}


def asking(said: str, **more: object) -> dict[str, object]:
    messages = [{"role": "user", "content": said}]
    return {"model": "m", "max_tokens": 9, "messages": messages, "stream": True, **more}


def events(body: str) -> list[dict[str, object]]:
    return [msgspec.json.decode(data) for data in re.findall(r"^data: (.*)$", body, re.MULTILINE)]


@pytest.fixture
async def api() -> AsyncIterator[ScriptedMessagesApi]:
    rules = Rules(
        Rule([Text("pi"), ToolUse("send", {"to": "bob"})], text="call"),
        Rule([rate_limited(7)], text="limit"),
        Rule([Error(403, "no", type="odd_error")], text="forbid"),
        Rule([Headers({"anthropic-ratelimit-requests-remaining": "3"}), Text("ok")], text="warn"),
        Rule([Text("one two three"), CutStream(4)], text="cut"),
        Rule([CutStream()], text="drop"),
        Rule([Text("before"), Hang(), Text("after")], text="hang"),
        Rule([Hang(gate="early"), Text("late")], text="wait"),
    )
    async with ScriptedMessagesApi(rules) as running:
        yield running


@pytest.fixture
async def client(api: ScriptedMessagesApi) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=api.base_url, headers=HEADERS, timeout=10) as opened:
        yield opened


async def test_it_is_alive(client: httpx.AsyncClient) -> None:
    assert (await client.head("/")).status_code == 200


async def test_a_stream_says_what_the_script_says(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/messages?beta=true", json=asking("hello"))
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["request-id"]
    names = re.findall(r"^event: (.*)$", answer.text, re.MULTILINE)
    assert names == [event["type"] for event in events(answer.text)]
    assert names[0] == "message_start"
    assert names[-1] == "message_stop"


async def test_without_stream_the_message_comes_whole(client: httpx.AsyncClient) -> None:
    answer = (await client.post("/v1/messages", json=asking("call", stream=False))).json()
    assert answer["stop_reason"] == "tool_use"
    assert [block["type"] for block in answer["content"]] == ["text", "tool_use"]
    assert answer["content"][1]["input"] == {"to": "bob"}


async def test_a_scripted_error_has_the_apis_shape(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/messages", json=asking("limit"))
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "7"
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "rate_limit_error"
    assert (await client.post("/v1/messages", json=asking("forbid"))).json()["error"] == {
        "type": "odd_error",
        "message": "no",
    }


async def test_scripted_headers_are_sent(client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/messages", json=asking("warn"))
    assert answer.headers["anthropic-ratelimit-requests-remaining"] == "3"


async def test_a_cut_stream_breaks_off(api: ScriptedMessagesApi, client: httpx.AsyncClient) -> None:
    async with client.stream("POST", "/v1/messages", json=asking("cut")) as answer:
        got = await _read_until_broken(answer)
    assert len(events(got)) == 4
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post("/v1/messages", json=asking("drop"))
    await api.wait_for(lambda exchange: exchange.number == 2 and exchange.outcome == "cut")


async def _read_until_broken(answer: httpx.Response) -> str:
    got: list[str] = []

    async def read() -> None:
        async for part in answer.aiter_text():
            got.append(part)  # noqa: PERF401 - what came before the break must be kept

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    return "".join(got)


async def test_a_hang_lasts_until_it_is_released(
    api: ScriptedMessagesApi, client: httpx.AsyncClient
) -> None:
    async with client.stream("POST", "/v1/messages", json=asking("hang")) as answer:
        parts = answer.aiter_text()
        got = ""
        while "content_block_stop" not in got:
            got += await anext(parts)
        assert api.exchanges[0].outcome is None
        api.release()
        got += "".join([part async for part in parts])
    assert "after" in got
    assert (await api.wait_for(lambda exchange: exchange.outcome == "answered")).number == 1


async def test_a_client_that_leaves_is_noticed(
    api: ScriptedMessagesApi, client: httpx.AsyncClient
) -> None:
    async with client.stream("POST", "/v1/messages", json=asking("hang")) as answer:
        await anext(answer.aiter_text())
    await api.wait_for(lambda exchange: exchange.outcome == "disconnected")


async def test_stopping_cuts_what_still_hangs() -> None:
    async with asyncio.TaskGroup() as tasks, httpx.AsyncClient(headers=HEADERS) as client:
        async with ScriptedMessagesApi(lambda _: [Hang()]) as api:
            url = f"{api.base_url}/v1/messages"
            waiting = tasks.create_task(_post_in_vain(client, url))
            await api.wait_for(lambda exchange: exchange.outcome is None)
        assert await waiting
        assert api.exchanges[0].outcome == "disconnected"


async def _post_in_vain(client: httpx.AsyncClient, url: str) -> bool:
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(url, json=asking("x"), timeout=10)
    return True


@pytest.mark.parametrize(
    ("content", "status", "kind", "words"),
    [
        (b"{", 400, "invalid_request_error", "truncated"),
        (b'{"model": "m"}', 400, "invalid_request_error", "missing required field"),
        (msgspec.json.encode(asking("")), 400, "invalid_request_error", "non-empty"),
        (b" " * (32 * 2**20 + 1), 413, "request_too_large", "exceeds"),
    ],
)
async def test_a_bad_request_is_refused_and_kept(
    api: ScriptedMessagesApi,
    client: httpx.AsyncClient,
    content: bytes,
    status: int,
    kind: str,
    words: str,
) -> None:
    answer = await client.post("/v1/messages", content=content)
    assert answer.status_code == status
    assert answer.json()["error"]["type"] == kind
    assert words in api.invalid[0]
    assert api.count() == 0


async def test_a_request_without_a_key_or_version_is_refused(api: ScriptedMessagesApi) -> None:
    async with httpx.AsyncClient(base_url=api.base_url) as client:
        nobody = await client.post("/v1/messages", json=asking("x"))
        old = await client.post("/v1/messages", json=asking("x"), headers={"x-api-key": "k"})
    assert (nobody.status_code, nobody.json()["error"]["type"]) == (401, "authentication_error")
    assert old.status_code == 400


async def test_other_paths_and_methods_are_errors_of_the_same_shape(
    client: httpx.AsyncClient,
) -> None:
    missing = await client.get("/v1/models")
    assert (missing.status_code, missing.json()["error"]["type"]) == (404, "not_found_error")
    wrong = await client.get("/v1/messages")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "error")


async def test_agents_are_counted_apart(
    api: ScriptedMessagesApi, client: httpx.AsyncClient
) -> None:
    bob = {"x-api-key": "", "authorization": "Bearer bobs-token"}
    await asyncio.gather(
        client.post("/v1/messages", json=asking("a")),
        client.post("/v1/messages", json=asking("b"), headers=bob),
        client.post("/v1/messages", json=asking("c")),
    )
    assert (api.count(), api.count("key-alice"), api.count("bobs-token")) == (3, 2, 1)
    assert {request.last_user_text for request in api.requests} == {"a", "b", "c"}


async def test_the_record_is_bounded_and_the_count_is_not() -> None:
    async with (
        ScriptedMessagesApi(capacity=2) as api,
        httpx.AsyncClient(base_url=api.base_url, headers=HEADERS) as client,
    ):
        for said in "abc":
            await client.post("/v1/messages", json=asking(said))
        assert [request.last_user_text for request in api.requests] == ["b", "c"]
        assert api.count() == 3


async def test_a_wait_in_vain_tells_what_came(
    api: ScriptedMessagesApi, client: httpx.AsyncClient
) -> None:
    await client.post("/v1/messages", json=asking("hello"))
    with pytest.raises(TimeoutError, match="key-alice answered: 'hello'"):
        await api.wait_for(lambda exchange: exchange.number == 99, deadline_s=0.01)


async def test_a_predicate_that_raises_tells_its_waiter(
    api: ScriptedMessagesApi, client: httpx.AsyncClient
) -> None:
    await client.post("/v1/messages", json=asking("hello"))
    with pytest.raises(ZeroDivisionError):
        await api.wait_for(lambda exchange: exchange.number / 0 > 1)


async def test_a_script_that_fails_is_a_400_and_fails_its_test() -> None:
    with pytest.raises(KeyError, match="no answer"):
        await _ask_a_script_that_fails()


async def _ask_a_script_that_fails() -> None:
    answers: dict[str, list[Text]] = {}
    async with (
        ScriptedMessagesApi(lambda _: answers["no answer"]) as api,
        httpx.AsyncClient(base_url=api.base_url, headers=HEADERS) as client,
    ):
        answer = await client.post("/v1/messages", json=asking("x"))
        assert answer.status_code == 400
        assert "the script failed: KeyError" in answer.json()["error"]["message"]


def test_it_serves_code_without_a_loop() -> None:
    with ScriptedMessagesApi() as api, httpx.Client(headers=HEADERS) as client:
        client.post(f"{api.base_url}/v1/messages", json=asking("hello"))
        found = api.wait_for_blocking(lambda exchange: exchange.outcome == "answered")
        assert found.request.last_user_text == "hello"
        with pytest.raises(TimeoutError, match="no such exchange"):
            api.wait_for_blocking(lambda _: False, deadline_s=0.01)
    with pytest.raises(RuntimeError, match="does not run"):
        api.release()


def test_a_taken_port_is_an_error_and_the_next_start_works() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        api = ScriptedMessagesApi(port=taken.getsockname()[1])
        with pytest.raises(OSError, match="in use"):
            api.start()
    with api:
        assert httpx.head(api.base_url).status_code == 200


async def test_another_script_answers_from_the_next_request_on(
    api: ScriptedMessagesApi, client: httpx.AsyncClient
) -> None:
    api.script = lambda _: [Text("new")]
    answer = await client.post("/v1/messages", json=asking("hello", stream=False))
    assert answer.json()["content"][0]["text"] == "new"
