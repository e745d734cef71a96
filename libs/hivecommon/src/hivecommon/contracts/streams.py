"""The streams and buckets that exist, as data: whoever needs one declares it again at its start."""

from datetime import timedelta
from typing import Final

import msgspec


class StreamSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a stream keeps and for how long.

    None of them allows rollup, TTL or schedule headers: agents write to them.
    """

    name: str
    subjects: tuple[str, ...]
    max_age: timedelta | None = None
    max_bytes: int | None = None
    max_msgs_per_subject: int | None = None
    refuse_when_full: bool = False
    """Refuse new messages for a full subject (JetStream's error 10077) instead of dropping old ones."""
    compress: bool = True
    dedupe: timedelta = timedelta(minutes=2)


INBOX: Final = StreamSpec(
    name="INBOX",
    subjects=("inbox.*.*",),
    # No age: an unread message is never dropped. lifecycle prunes what is read and older than 30 days.
    max_msgs_per_subject=10_000,
    # An agent without a list of recipients may write to names that nobody has: the disk must not fill.
    max_bytes=8 << 30,
    refuse_when_full=True,
    compress=False,
    dedupe=timedelta(hours=1),
)
EVENTS: Final = StreamSpec(
    name="EVENTS",
    subjects=("events.>",),
    max_age=timedelta(days=14),
    max_bytes=4 << 30,
    max_msgs_per_subject=50_000,
    # A harness publishes again what was not acknowledged before an outage.
    dedupe=timedelta(hours=1),
)
LOGS: Final = StreamSpec(
    name="LOGS",
    subjects=("log.>",),
    max_age=timedelta(days=7),
    max_bytes=1 << 30,
)
STREAMS: Final = (INBOX, EVENTS, LOGS)

ROSTER_BUCKET: Final = "roster"
"""One key per agent, a `RosterRow`; written by lifecycle alone."""

ACK_WAIT: Final = timedelta(seconds=60)
"""A harness says `in_progress` three times in this span; after a crash its message comes again then."""
INBOX_AHEAD: Final = 64
"""So many messages are delivered ahead, so that a turn can take several and operators see what waits."""
MAX_ATTEMPTS: Final = 5
"""A message in whose turns the harness was killed this often, or the CLI, is parked as failed.

The harness counts: the bus would count messages that were only waiting in a restart.
"""
