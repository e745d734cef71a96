"""All kinds of changes there are."""

from collections.abc import Mapping
from typing import Final

from hivecommon.contracts.approvals import ApprovalKind

from hive_approvals.kinds.apply import APPLY
from hive_approvals.kinds.destroy import DESTROY
from hive_approvals.kinds.kind import Kind
from hive_approvals.kinds.rollback import ROLLBACK
from hive_approvals.kinds.schedule import SCHEDULE
from hive_approvals.kinds.spawn import SPAWN
from hive_approvals.kinds.update import UPDATE

KINDS: Final[Mapping[ApprovalKind, Kind]] = {
    kind.name: kind for kind in (SPAWN, DESTROY, APPLY, ROLLBACK, SCHEDULE, UPDATE)
}
