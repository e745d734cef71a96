"""The raw thing beneath a service's start: import nats, connect, answer one request.

Run as a program of its own: `first_answer.py URL SEED_FILE SUBJECT`.
"""

import asyncio
import sys

import nats
from nats.aio.msg import Msg


async def main(url: str, seed_file: str, subject: str) -> None:
    """Answer for ever."""
    client = await nats.connect(url, nkeys_seed=seed_file)

    async def answer(message: Msg) -> None:
        await message.respond(b"{}")

    await client.subscribe(subject, cb=answer)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3]))
