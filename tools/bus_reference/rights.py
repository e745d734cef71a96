"""Who may publish and subscribe to what, computed from the permissions that the server is given."""

from collections.abc import Mapping
from typing import Final

from hivecommon.broker import (
    OPERATOR_PERMISSIONS,
    SERVICE_PERMISSIONS,
    Permissions,
    agent_permissions,
)
from hivecommon.names import AgentName

SAMPLE_AGENT: Final = "alice"
AN_OPERATOR: Final = "an operator"
_JETSTREAM: Final = "$JS.API."
THE_AGENT: Final = "the agent itself"

PRINCIPALS: Final[Mapping[str, Permissions]] = {
    AN_OPERATOR: OPERATOR_PERMISSIONS,
    **SERVICE_PERMISSIONS,
    THE_AGENT: agent_permissions(AgentName(SAMPLE_AGENT), None),
}


def covers(pattern: str, subject: str) -> bool:
    """Return whether the permission `pattern` allows every subject that `subject` stands for."""
    allowed, asked = pattern.split("."), subject.split(".")
    for position, part in enumerate(allowed):
        if part == ">":
            return len(asked) > position
        if position >= len(asked) or part not in {"*", asked[position]}:
            return False
    return len(allowed) == len(asked)


def publishers(template: str) -> list[str]:
    """Return who may publish to a subject; `{tokens}` that name an agent stand for one of them."""
    subject = sample(template)
    return [
        name
        for name, rights in PRINCIPALS.items()
        if any(covers(pattern, subject) for pattern in rights.publish)
    ]


def sample(template: str) -> str:
    """Return `template` with alice where it names an agent."""
    return template.format(caller=SAMPLE_AGENT, agent=SAMPLE_AGENT)


def tables() -> str:
    """Return every principal's permissions, agents' for alice who may write to everybody."""
    parts = []
    for name, rights in PRINCIPALS.items():
        title = f"the agent {SAMPLE_AGENT}" if name == THE_AGENT else name
        parts.append(
            f"**{title}**\n\n- publishes to {_subjects(rights.publish)}\n"
            f"- subscribes to {_subjects(rights.subscribe)}\n"
        )
    return "\n".join(parts)


def _subjects(subjects: tuple[str, ...]) -> str:
    """Return the subjects, those of JetStream's API last and without what they have in common."""
    plain = [subject for subject in subjects if not subject.startswith(_JETSTREAM)]
    api = [subject.removeprefix(_JETSTREAM) for subject in subjects if subject not in plain]
    text = _codes(plain)
    return f"{text}; below `{_JETSTREAM}`: {_codes(api)}" if api else text


def _codes(subjects: list[str]) -> str:
    return ", ".join(f"`{subject}`" for subject in dict.fromkeys(subjects))
