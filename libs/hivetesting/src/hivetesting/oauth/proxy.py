"""An HTTPS proxy with a certificate authority of its own: whatever host is asked for, it answers itself."""

import asyncio
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import trustme
import uvicorn

from hivetesting.messages_api.server import listening
from hivetesting.oauth.endpoint import TokenEndpoint

HOSTS: Final = ("platform.claude.com", "console.anthropic.com", "api.anthropic.com", "claude.ai")


class ClaudeCom:
    """claude.com for a CLI without a network: `environment` makes the CLI come here.

    For `with`. While `offline`, connections are refused as by a network that is gone.
    """

    def __init__(self, directory: Path) -> None:
        self.endpoint = TokenEndpoint()
        self.offline = False
        self._directory = directory
        self._directory.mkdir(parents=True, exist_ok=True)
        authority = trustme.CA()
        self._ca = self._directory / "ca.pem"
        authority.cert_pem.write_to_path(self._ca)
        certificate = authority.issue_cert(*HOSTS)
        self._certificate = self._directory / "claude-com.pem"
        certificate.private_key_and_cert_chain_pem.write_to_path(self._certificate)
        self._tls_socket = listening("127.0.0.1", 0)
        self._proxy_socket = listening("127.0.0.1", 0)
        self._server = uvicorn.Server(
            uvicorn.Config(
                self.endpoint.app(), log_config=None, log_level="critical", access_log=False,
                lifespan="off", ws="none", timeout_graceful_shutdown=1,
                ssl_certfile=str(self._certificate),
            )
        )  # fmt: skip
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="claude-com", daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """Give the variables by which the CLI finds its way here."""
        port = self._proxy_socket.getsockname()[1]
        return {
            "HTTPS_PROXY": f"http://127.0.0.1:{port}",
            "NO_PROXY": "127.0.0.1,localhost",
            "NODE_EXTRA_CA_CERTS": str(self._ca),
        }

    def wrap(self, cli: Path) -> Path:
        """Return a CLI that finds its way here by itself, also in a sandbox that shows only it."""
        variables = {**self.environment, "NODE_EXTRA_CA_CERTS": "/tmp/claude-com.pem"}  # noqa: S108 - the sandbox's own
        lines = [
            "#!/bin/sh",
            f"cat >/tmp/claude-com.pem <<'END'\n{self._ca.read_text()}END",
            *(f"export {name}='{value}'" for name, value in variables.items()),
            f"exec '{cli}' \"$@\"",
        ]
        wrapper = self._directory / "claude"
        wrapper.write_text("\n".join(lines) + "\n")
        wrapper.chmod(0o755)
        return wrapper

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._tls_socket.close()
        self._proxy_socket.close()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        proxy = await asyncio.start_server(self._connected, sock=self._proxy_socket)
        async with proxy:
            await self._server.serve(sockets=[self._tls_socket])
        running = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if self.offline or not head.startswith(b"CONNECT "):
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
                return
            port = self._tls_socket.getsockname()[1]
            upstream = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, upstream[1]))
                both.create_task(_copy(upstream[0], writer))
        except* (OSError, asyncio.IncompleteReadError):
            pass  # either side hung up
        finally:
            writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while part := await source.read(1 << 16):
            target.write(part)
            await target.drain()
    finally:
        target.close()
