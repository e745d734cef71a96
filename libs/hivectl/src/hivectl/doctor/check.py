"""What `hive doctor` finds out: one fact each, and what to do when it is bad."""

from enum import StrEnum

import msgspec


class Verdict(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    """Works, with less of something; the cure says how to have more."""
    FAIL = "fail"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One finding."""

    name: str
    verdict: Verdict
    found: str
    cure: str = ""


def ok(name: str, found: str) -> Check:
    """Return a good finding."""
    return Check(name=name, verdict=Verdict.OK, found=found)


def warn(name: str, found: str, cure: str) -> Check:
    """Return a finding that one can live with."""
    return Check(name=name, verdict=Verdict.WARN, found=found, cure=cure)


def fail(name: str, found: str, cure: str) -> Check:
    """Return a finding that must be cured."""
    return Check(name=name, verdict=Verdict.FAIL, found=found, cure=cure)
