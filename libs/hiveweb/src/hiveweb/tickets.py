"""One-time tickets: the secret in a login link, good for one browser and a limited time."""

import hashlib
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import structlog
from hivecommon.files import write_atomically
from hivecommon.home import make_private

MAX_TICKETS: Final = 200
_log = structlog.get_logger()


class _Entry(msgspec.Struct, frozen=True):
    holder: str
    expires: float
    """Unix time in seconds."""


class TicketStore:
    """Mints tickets and takes each back once.

    With a `file` (0600, hashes only) tickets outlive a restart, and used ones stay used.
    """

    def __init__(
        self, lifetime: timedelta, *, file: Path | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self._lifetime_s = lifetime.total_seconds()
        self._file = file
        self._now = now
        self._entries = _read(file) if file else {}

    def mint(self, holder: str) -> tuple[str, datetime]:
        """Return a new ticket for `holder` and the time at which it ends."""
        self._forget_expired()
        while len(self._entries) >= MAX_TICKETS:
            self._entries.pop(next(iter(self._entries)))
        ticket = secrets.token_urlsafe(32)
        expires = self._now() + self._lifetime_s
        self._entries[_digest(ticket)] = _Entry(holder, expires)
        self._write()
        return ticket, datetime.fromtimestamp(expires, UTC)

    def redeem(self, ticket: str) -> str | None:
        """Return whom `ticket` logs in, and use it up; None when it is unknown, used or too old."""
        self._forget_expired()
        entry = self._entries.pop(_digest(ticket), None)
        if entry is None:
            return None
        self._write()
        return entry.holder

    def _forget_expired(self) -> None:
        now = self._now()
        self._entries = {key: one for key, one in self._entries.items() if one.expires > now}

    def _write(self) -> None:
        if self._file is not None:
            make_private(self._file.parent)
            write_atomically(self._file, msgspec.json.encode(self._entries), mode=0o600)


def _digest(ticket: str) -> str:
    return hashlib.sha256(ticket.encode()).hexdigest()


def _read(file: Path) -> dict[str, _Entry]:
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, _Entry])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        # Nothing is lost but links that were not opened yet: a new one is a command away.
        _log.warning("tickets_unreadable", file=str(file), reason=str(error))
        return {}
