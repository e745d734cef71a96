"""Results for people to read, and as JSON."""

import os
import platform
from datetime import datetime
from pathlib import Path

import msgspec

from bench.frame.figures import Figure, Result

_SMALL = 10
_LARGE = 100


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run."""

    at: datetime
    python: str
    machine: str
    cores: int
    load: float
    """Processes that wanted a core in the minute before the run; more than `cores`: times are too long."""
    results: list[Result]


def begin(at: datetime) -> Report:
    """Return a run without results yet, with what it runs on."""
    return Report(
        at=at,
        python=platform.python_version(),
        machine=platform.machine(),
        cores=os.cpu_count() or 1,
        load=os.getloadavg()[0],
        results=[],
    )


def heading(found: Report) -> str:
    """Return the line above the results."""
    line = f"Python {found.python}, {found.machine}, {found.cores} cores, load {found.load:.1f}"
    busy = found.load > found.cores / 2
    return line + (
        ": others are at work, trust ratios and CPU times more than times" if busy else ""
    )


def as_json(found: Report) -> str:
    """Return the run as indented JSON; a figure with an aim says whether it is met."""
    document = msgspec.to_builtins(found)
    for result, shown in zip(found.results, document["results"], strict=True):
        for one, line in zip(result.figures, shown["figures"], strict=True):
            line["met"] = one.met
    return msgspec.json.format(msgspec.json.encode(document, enc_hook=str), indent=2).decode()


def save(found: Report, directory: Path) -> Path:
    """Write the run into a file of its own; return it."""
    directory.mkdir(exist_ok=True)
    file = directory / f"{found.at:%Y-%m-%dT%H-%M-%SZ}.json"
    file.write_text(as_json(found) + "\n")
    return file


def as_text(result: Result) -> str:
    """Return one benchmark's lines."""
    width = max(len(one.what) for one in result.figures)
    lines = [_line(one, width) for one in result.figures]
    notes = [f"  ({note})" for note in result.notes]
    return "\n".join([f"{result.name}: {result.title}", *lines, *notes])


def _line(one: Figure, width: int) -> str:
    spread = f"{_number(one.low)} to {_number(one.high)}, n={one.count}" if one.count > 1 else ""
    line = f"  {one.what:<{width}}  {_number(one.value):>7} {one.unit:<4} {spread:<26}"
    if one.at_most is not None:
        verdict = "met" if one.met else "MISSED"
        line += f"aim: at most {_number(one.at_most)} {one.unit}: {verdict}"
    return line.rstrip()


def _number(value: float) -> str:
    digits = 2 if value < _SMALL else 1 if value < _LARGE else 0
    return f"{value:.{digits}f}"
