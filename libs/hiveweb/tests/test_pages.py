"""What a page answers by HTTP: headers, host, origin, size, login, files."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hiveweb.headers import CONTENT_SECURITY_POLICY
from hiveweb.login import MAX_FAILURES
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus


async def test_every_answer_carries_the_security_headers_and_none_a_cookie(serve: Any) -> None:
    async with serve({}) as page, httpx.AsyncClient(base_url=page.url) as client:
        answers = [
            await client.get(f"{page.bundle.base}/hiveweb/hive.css"),
            await client.get("/nothing"),
            await client.post("/api/login", json={"ticket": "x"}),
            await client.post("/api/login", json={"ticket": page.login.tickets.mint("anna")[0]}),
            await client.get("/", headers={"Host": "evil.example"}),
        ]

    assert [answer.status_code for answer in answers] == [200, 404, 401, 200, 421]
    for answer in answers:
        assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "set-cookie" not in answer.headers


def test_the_policy_allows_no_inline_script_no_eval_and_no_frame() -> None:
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "frame-ancestors 'none'" in CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:7000", 200), ("localhost:17000", 200), ("[::1]:7000", 200),
        ("HIVE.example", 200), ("hive.example:7000", 200), ("evil.example", 421),
        ("127.0.0.1.evil.example", 421), ("hive.example.evil.example:7000", 421), ("", 421),
    ],
)  # fmt: skip
async def test_only_known_host_names_are_answered(serve: Any, host: str, status: int) -> None:
    async with serve({}) as page, httpx.AsyncClient() as client:
        answer = await client.get(f"{page.url}/api/echo", headers={"Host": host})

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://127.0.0.1:PORT", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://127.0.0.1:8123", "Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://127.0.0.1:8123"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
    ],
)
async def test_another_page_changes_nothing(
    serve: Any, headers: dict[str, str], status: int
) -> None:
    async with serve({}) as page, httpx.AsyncClient() as client:
        sent = {key: value.replace("PORT", str(page.port)) for key, value in headers.items()}
        answer = await client.post(f"{page.url}/api/echo", headers=sent)

    assert answer.status_code == status


async def test_another_page_opens_no_socket(serve: Any) -> None:
    async with serve({}) as page:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://127.0.0.1:{page.port}/live", origin="http://127.0.0.1:8123"):  # type: ignore[arg-type]
                pass

    assert refused.value.response.status_code == 403


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_large_is_refused(serve: Any, chunked: bool) -> None:  # noqa: FBT001 - a parameter of the test
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b"x" * 65536

    async with serve({}) as page, httpx.AsyncClient() as client:
        good = await client.post(f"{page.url}/api/echo", content=b"x" * 500_000)
        content = pieces() if chunked else b"x" * (9 * 65536)
        answer = await client.post(f"{page.url}/api/echo", content=content)

    assert good.json() == {"ok": True, "size": 500_000}
    assert answer.status_code == 413


async def test_a_ticket_logs_in_once_and_names_its_holder(serve: Any) -> None:
    async with serve({}) as page, httpx.AsyncClient(base_url=page.url) as client:
        ticket, _ = page.login.tickets.mint("anna")
        first, again = await asyncio.gather(
            *(client.post("/api/login", json={"ticket": ticket}) for _ in range(2))
        )

    good, bad = sorted((first, again), key=lambda answer: answer.status_code)
    assert (good.status_code, good.json()["name"]) == (200, "anna")
    assert page.login.holder(good.json()["token"]) == "anna"
    assert (bad.status_code, bad.json()["error"]["code"]) == (401, "bad_ticket")
    assert "hive open" in bad.json()["error"]["hint"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"ticket":1}', b'{"ticket":""}', b"\xff"])
async def test_a_login_that_is_none_says_what_is_wrong(serve: Any, body: bytes) -> None:
    async with serve({}) as page, httpx.AsyncClient() as client:
        answer = await client.post(f"{page.url}/api/login", content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


async def test_failed_logins_are_limited_but_lock_nobody_out(serve: Any) -> None:
    async with serve({}) as page, httpx.AsyncClient(base_url=page.url) as client:
        wrong = [
            (await client.post("/api/login", json={"ticket": f"guess-{number}"})).status_code
            for number in range(MAX_FAILURES + 2)
        ]
        ticket, _ = page.login.tickets.mint("anna")
        right = await client.post("/api/login", json={"ticket": ticket})

    assert wrong == [401] * MAX_FAILURES + [429] * 2
    assert right.status_code == 200


async def test_files_are_kept_for_ever_under_their_digest(serve: Any) -> None:
    async with serve({}) as page, httpx.AsyncClient(base_url=page.url) as client:
        path = f"{page.bundle.base}/hiveweb/auth.js"
        first = await client.get(path)
        again = await client.get(path, headers={"If-None-Match": first.headers["etag"]})

    assert first.headers["content-type"].startswith("text/javascript")
    assert "immutable" in first.headers["cache-control"]
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "BASE/hiveweb/../../pyproject.toml", "BASE/hiveweb/%2e%2e/%2e%2e/README.md", "BASE/",
        "BASE/hiveweb", "/static/0000000000000000/hiveweb/auth.js", "BASE//etc/passwd",
        "BASE/hiveweb/vendor/../auth.js%00",
    ],
)  # fmt: skip
async def test_no_other_file_is_served(serve: Any, path: str) -> None:
    async with serve({}) as page:
        reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
        target = path.replace("BASE", page.bundle.base)
        writer.write(f"GET {target} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        status = (await reader.readline()).split()[1]
        writer.close()

    assert status == b"404"
