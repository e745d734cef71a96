"""The humans of a hive: each has a name and a key of their own."""

from typing import Annotated, ClassVar

import msgspec

from hivecommon.contracts.base import Reply, Request

OPERATOR_NAME_PATTERN = r"\A[a-z0-9]([a-z0-9._-]{0,30}[a-z0-9])?\Z"
OperatorName = Annotated[str, msgspec.Meta(pattern=OPERATOR_NAME_PATTERN)]


class OperatorsReply(Reply, frozen=True, kw_only=True):
    """All operators, by name."""

    operators: list[str]


class ListOperators(Request[OperatorsReply], frozen=True, kw_only=True):
    """List the operators."""

    subject: ClassVar[str] = "hive.operator.list"


class AddOperator(Request[OperatorsReply], frozen=True, kw_only=True):
    """Make an operator, whose key then lies in `$HIVE_HOME/keys/operators`; one that exists is kept."""

    subject: ClassVar[str] = "hive.operator.add"
    bare: ClassVar[str | None] = "name"
    name: OperatorName


class RemoveOperator(Request[OperatorsReply], frozen=True, kw_only=True):
    """Cut an operator off; what they decided stays on record."""

    subject: ClassVar[str] = "hive.operator.remove"
    bare: ClassVar[str | None] = "name"
    name: OperatorName
