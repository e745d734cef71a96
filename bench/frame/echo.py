"""The raw thing beneath a service: a nats-py micro service that answers with N bytes, and no more.

Run as a program of its own: `echo.py URL SEED_FILE SUBJECT BYTES`.
"""

import asyncio
import sys

import nats
import nats.micro
import uvloop
from nats.micro.request import Request


async def main(url: str, seed_file: str, subject: str, size: int) -> None:
    """Answer for ever."""
    client = await nats.connect(url, nkeys_seed=seed_file)
    payload = b"x" * size

    async def answer(request: Request) -> None:
        await request.respond(payload)

    service = await nats.micro.add_service(client, name="echo", version="1.0.0")
    await service.add_endpoint(name="echo", subject=subject, handler=answer)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
