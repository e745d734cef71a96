"""A job's log for a human: its steps with their times, how it ended, and what its build said."""

from datetime import datetime
from typing import Final

from hivecommon.contracts.jobs import Job

_CHARACTERS: Final = 64 * 1024
"""A bus message holds 1 MiB, and a character up to 6 bytes of JSON."""


def log_of(job: Job, said: str) -> str:
    """Return the log; `said` is the output of a build that failed, of which the end is kept."""
    lines = [f"{_time(step.at)}  {step.text}" for step in job.steps]
    if job.ended_at is not None:
        lines.append(f"{_time(job.ended_at)}  {job.state}")
    if job.error is not None:
        lines.append(f"{job.error.code}: {job.error.message}")
    head = "\n".join(lines)[-_CHARACTERS // 2 :]
    if not said:
        return head
    room = _CHARACTERS - len(head)
    cut = "" if len(said) <= room else "…"
    return f"{head}\n\n{cut}{said[-room:]}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"
