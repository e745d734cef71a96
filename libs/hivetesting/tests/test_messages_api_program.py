import asyncio
import socket
import sys
from pathlib import Path

import httpx

HEADERS = {"x-api-key": "key-alice", "anthropic-version": "2023-06-01"}
ASKED = {
    "model": "m",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi bob"}],
}


async def test_the_program_serves_a_script_until_it_is_told_to_stop(tmp_path: Path) -> None:
    script = tmp_path / "demo.toml"
    script.write_text("[[rule]]\ntext = 'hi (?P<who>.+)'\nanswer = [{ text = 'Hi, ${who}.' }]\n")
    program = await _program(script)
    assert program.stdout
    async with asyncio.timeout(20):
        url = (await program.stdout.readline()).decode().strip()
        async with httpx.AsyncClient(base_url=url, headers=HEADERS) as client:
            answer = await client.post("/v1/messages", json=ASKED)
        program.terminate()
        rest = (await program.stdout.read()).decode()
        await program.wait()
    assert answer.json()["content"][0]["text"] == "Hi, bob."
    assert rest == "key-alice: 'hi bob'\n"
    assert program.returncode == 0


async def test_the_program_names_the_mistake_in_a_script(tmp_path: Path) -> None:
    script = tmp_path / "demo.toml"
    script.write_text("[[rule]]\n")
    program = await _program(script)
    async with asyncio.timeout(20):
        _, said = await program.communicate()
    assert program.returncode == 2
    assert "demo.toml" in said.decode()
    assert "missing required field `answer`" in said.decode()


async def test_the_program_names_a_taken_port(tmp_path: Path) -> None:
    script = tmp_path / "demo.toml"
    script.write_text("rule = []\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        program = await _program(script, "--port", str(port))
        async with asyncio.timeout(20):
            _, said = await program.communicate()
    assert program.returncode == 1
    assert f"127.0.0.1:{port}" in said.decode()


async def _program(script: Path, *options: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hivetesting.messages_api",
        *options,
        str(script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
