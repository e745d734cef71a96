"""The flake inputs that all agents' systems are made from (NixOS hosts), and taking newer ones."""

from typing import Annotated, ClassVar, Final

import msgspec

from hivecommon.contracts.approvals import ApprovalId, ApprovalReply, FlakeInput, InputName
from hivecommon.contracts.base import Reply, Request, ShortText
from hivecommon.contracts.jobs import JobAccepted

EVERY_AGENT: Final = "all"
"""What an update is about; the name is reserved, so that no agent has it."""

Inputs = Annotated[list[InputName], msgspec.Meta(max_length=20)]


class RequestUpdate(Request[ApprovalReply], frozen=True, kw_only=True):
    """The manager asks for newer flake inputs; it waits for an operator."""

    subject: ClassVar[str] = "req.{caller}.request_update"
    inputs: Inputs = msgspec.field(default_factory=list)
    """Empty: all of them."""
    reason: ShortText = ""


class InputsReply(Reply, frozen=True, kw_only=True):
    """The inputs, in the order of their names."""

    inputs: list[FlakeInput]


class FindInputs(Request[InputsReply], frozen=True, kw_only=True):
    """approvals → lifecycle: what is locked now; `no_inputs` where agents' systems are not built."""

    subject: ClassVar[str] = "svc.approvals.inputs"
    inputs: Inputs = msgspec.field(default_factory=list)
    """Only these; `unknown_input` for one that there is not. Empty: all."""


class ExecuteUpdate(Request[JobAccepted], frozen=True, kw_only=True):
    """approvals → lifecycle: take newer inputs, once: build every agent with them, then rebuild all."""

    subject: ClassVar[str] = "svc.approvals.update"
    approval: ApprovalId
    inputs: Inputs
    requested_by: str


class Update(Request[JobAccepted], frozen=True, kw_only=True):
    """Take newer flake inputs; an operator's own act, recorded as decided."""

    subject: ClassVar[str] = "hive.update"
    inputs: Inputs = msgspec.field(default_factory=list)
    """Empty: all of them."""
    reason: ShortText = ""


class RecordUpdate(Request[ApprovalReply], frozen=True, kw_only=True):
    """lifecycle → approvals: an operator's update, recorded as decided by them."""

    subject: ClassVar[str] = "svc.lifecycle.record_update"
    inputs: list[FlakeInput]
    reason: ShortText = ""
    operator: str
