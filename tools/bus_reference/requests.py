"""Requests as Markdown: who asks, who answers, the payload, the answer, lines to try."""

import importlib
import pkgutil
from types import ModuleType
from typing import Any, Final

import msgspec
from hivecommon import contracts
from hivecommon.contracts.base import Reply, Request

from tools.bus_reference.rights import AN_OPERATOR, publishers, sample
from tools.bus_reference.shapes import Shapes, doc_of

ANSWERER_BY_MODULE: Final = {
    "lifecycle": "lifecycle",
    "jobs": "lifecycle",
    "operators": "lifecycle",
    "approvals": "approvals",
    "audit": "approvals",
    "changes": "lifecycle",
    "open_items": "approvals",
    "inputs": "lifecycle",
    "questions": "approvals",
    "schedules": "approvals",
    "dashboard": "dashboard",
    "harness": "harness",
    "login": "harness",
    "usage": "harness",
    "forge": "forge-gw",
}
"""Which service answers the requests of a contracts module; those of harness on `req.` are lifecycle's."""

# lifecycle keeps the commits; what waits for a decision is approvals' all the same.
_APPROVALS_OWN: Final = ("req.", "hive.approvals.", "svc.lifecycle.")

_OWN_SAMPLES: Final[dict[str, dict[str, Any]]] = {
    "ListQuestions": {"state": "open"},
    "Rollback": {"to": 7},
    "RecordRollback": {"to": 7},
    "RecordUpdate": {"inputs": [{"name": "nixpkgs", "source": "github:NixOS/nixpkgs/nixos-25.11"}]},
}
_SAMPLES: Final[dict[str, Any]] = {
    "agent": "alice",
    "agents": ["alice", "bob"],
    "to": "bob",
    "id": 17,
    "number": 3,
    "approval": 17,
    "name": "anna",
    "operator": "anna",
    "requested_by": "operator:anna",
    "job": "5f0c7a1e9b42",
    "verb": "restart",
    "state": "pending",
    "settings": {"persona": "You review code."},
    "reason": "reviews pile up",
    "paused": True,
    "purge": True,
    "limit": 20,
    "commit": "3f2a9c1d5e7b8a6f4c2d1e0b9a8f7c6d5e4b3a21",
    "stage": "proposal",
    "base": "running",
    "prompt": "Report what is open.",
    "timing": {"cron": "0 9 * * 1-5", "zone": "Europe/Berlin"},
    "text": "Red or blue?",
    "answer": "Blue.",
    "who": "operator:anna",
    "code": "4f1c…#9ab2…",
    "kind": "oauth_token",
    "cap": 5.0,
    "inputs": ["nixpkgs"],
    "files": {"agent.toml": 'model = "opus"'},
    "choices": ["Blue"],
}

RequestClass = type[Request[Any]]


def modules() -> list[ModuleType]:
    """Return all contracts modules, in the order of their names."""
    names = sorted(found.name for found in pkgutil.iter_modules(contracts.__path__))
    return [importlib.import_module(f"{contracts.__name__}.{name}") for name in names]


def all_requests() -> list[RequestClass]:
    """Return every request class, as the modules have them."""
    return [
        member
        for module in modules()
        for member in vars(module).values()
        if isinstance(member, type)
        and issubclass(member, Request)
        and member.__module__ == module.__name__
        and "subject" in vars(member)
    ]


def answerer(request: RequestClass) -> str:
    """Return the service that answers `request`."""
    module = request.__module__.rpartition(".")[2]
    if module not in ANSWERER_BY_MODULE:
        raise SystemExit(
            f"which service answers {request.__name__}? Say it in ANSWERER_BY_MODULE ({__file__})"
        )
    found = ANSWERER_BY_MODULE[module]
    if module in {"changes", "inputs"} and request.subject.startswith(_APPROVALS_OWN):
        return "approvals"
    return "lifecycle" if found == "harness" and request.subject.startswith("req.") else found


def overview() -> str:
    """Return the table of all requests."""
    rows = [
        f"| [`{request.subject}`](#{anchor(request)}) | {', '.join(publishers(request.subject))} "
        f"| {answerer(request)} | {_first_sentence(request)} |"
        for request in sorted(all_requests(), key=lambda one: (answerer(one), one.subject))
    ]
    head = ["| subject | who asks | who answers | what |", "| --- | --- | --- | --- |"]
    return "\n".join([*head, *rows]) + "\n"


def details(shapes: Shapes) -> str:
    """Return a section per service with a section per request."""
    parts: list[str] = []
    order = list(dict.fromkeys(ANSWERER_BY_MODULE.values()))
    for service in order:
        parts.append(f"## Answered by {service}\n")
        own = [request for request in all_requests() if answerer(request) == service]
        parts.extend(_section(one, shapes) for one in sorted(own, key=lambda one: one.subject))
    return "\n".join(parts)


def anchor(request: RequestClass) -> str:
    """Return the anchor of a request's section, as GitHub makes it of the title."""
    kept = (c for c in request.subject.lower() if c.isalnum() or c in "-_")
    return "".join(kept)


def _section(request: RequestClass, shapes: Shapes) -> str:
    reply: type[Reply] = request.reply_type()
    bare = f" A bare word is the `{request.bare}`." if request.bare else ""
    return (
        f"### `{request.subject}`\n\n{doc_of(request)}\n\n"
        f"Asked by {', '.join(publishers(request.subject))}.{bare} "
        f"Answer: {shapes.link(reply)}.\n\n"
        f"{shapes.fields(request)}\n{_examples(request)}"
    )


def _examples(request: RequestClass) -> str:
    payloads = example_payloads(request)
    if AN_OPERATOR in publishers(request.subject):
        lines = [f"nats req --raw {sample(request.subject)} {_quoted(one)}" for one in payloads]
        return "```sh\n" + "\n".join(lines) + "\n```\n"
    return "```json\n" + (payloads[-1] or "{}") + "\n```\n"


def example_payloads(request: RequestClass) -> list[str]:
    """Return payloads that the request's own decoder takes: bare words first, JSON last."""
    fields = msgspec.structs.fields(request)
    samples = {**_SAMPLES, **_OWN_SAMPLES.get(request.__name__, {})}
    payloads = []
    if not any(field.required for field in fields):
        payloads.append("")
    if request.bare:
        payloads.append(str(samples[request.bare]))
    shown = {
        field.name: samples[field.name]
        for field in fields
        if field.required or field.name in _SAMPLES
    }
    if not payloads or set(shown) - {request.bare}:
        payloads.append(msgspec.json.encode(shown).decode())
    for payload in payloads:
        request.decode(payload.encode())
    return payloads


def _quoted(payload: str) -> str:
    return payload if payload and payload.isalnum() else f"'{payload}'"


def _first_sentence(request: RequestClass) -> str:
    return doc_of(request).splitlines()[0].replace("|", r"\|")
