"""`hive approvals|approval|approve|deny`: changes that wait for an operator."""

import click
from hivecommon.bus import Bus
from hivecommon.contracts.approvals import (
    Approval,
    ApprovalKind,
    ApprovalReply,
    ApprovalState,
    Approve,
    Deny,
    GetApproval,
    ListApprovals,
    ReadLog,
)
from hivecommon.contracts.changes import DiffApproval

from hivectl.changes import DIFF_S, show_changes
from hivectl.cli import NUMBER, hive_command
from hivectl.deciding import follow_approval
from hivectl.shell import Shell
from hivectl.times import age

LOG_S = 10.0


@hive_command(
    "approvals",
    ("hive approvals", "all, pending ones first"),
    ("hive approvals --state pending", "those that wait for you"),
)
@click.option("--state", type=click.Choice([state.value for state in ApprovalState]))
@click.option("--agent", help="Only those about this agent.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
async def approvals(shell: Shell, *, state: str | None, agent: str | None, limit: int) -> None:
    """List approvals."""
    wanted = ApprovalState(state) if state else None
    async with shell.bus() as bus:
        reply = await bus.request(ListApprovals(state=wanted, agent=agent, limit=limit))
    if shell.terminal.as_json:
        shell.terminal.json(reply)
        return
    now = shell.now()
    rows = [
        (str(one.id), one.kind, one.agent, one.state, age(one.requested_at, now),
         one.requested_by, one.decided_by or "", one.note or one.decision_reason or one.reason)
        for one in reply.approvals
    ]  # fmt: skip
    shell.terminal.table(("id", "what", "agent", "state", "age", "by", "decided by", "note"), rows)
    if reply.more:
        shell.terminal.note("there are more: see --limit")
    if reply.pending:
        shell.terminal.note(f"{reply.pending} pending: `hive approve ID` or `hive deny ID`")


@hive_command("approval", ("hive approval 7", "what was asked, decided, done, and a build's log"))
@click.argument("number", metavar="ID", type=NUMBER)
async def approval(shell: Shell, number: int) -> None:
    """Show all of approval ID: what was asked for, what was decided, and the log of what was done."""
    async with shell.bus() as bus:
        found = (await bus.request(GetApproval(id=number))).approval
        log = (await bus.request(ReadLog(id=number), timeout_s=LOG_S)).text
    terminal = shell.terminal
    if terminal.as_json:
        terminal.json({"ok": True, "approval": found, "log": log})
        return
    show(shell, found)
    terminal.line(f"state: {found.state}", style="bold")
    if found.decided_by:
        terminal.line(f"decided by {found.decided_by}: {found.decision_reason or 'without a word'}")
    if found.note:
        terminal.line("note:")
        terminal.block(found.note)
    if log:
        terminal.line("log:")
        terminal.block(log)


@hive_command(
    "approve",
    ("hive approve 7", "show it, approve exactly that, and see it done"),
    ("hive approve 7 --digest 3f2a…", "only if it still is what was looked at"),
)
@click.argument("number", metavar="ID", type=NUMBER)
@click.option("--digest", help="SHA-256 of what was shown (`hive approvals --json`).")
@click.option("--no-wait", is_flag=True, help="Return once it is approved, before it is done.")
async def approve(shell: Shell, number: int, *, digest: str | None, no_wait: bool) -> None:
    """Approve ID and see it carried out."""
    async with shell.bus() as bus:
        if digest is None:
            digest = await _shown_digest(shell, bus, number)
        reply = await bus.request(Approve(id=number, digest=digest))
        if no_wait:
            _decided(shell, reply)
        else:
            await follow_approval(shell, bus, reply.approval)


async def _shown_digest(shell: Shell, bus: Bus, number: int) -> str | None:
    """Show the approval and return what binds the decision to exactly what was shown."""
    shown = (await bus.request(GetApproval(id=number))).approval
    if shown.kind is ApprovalKind.APPLY and shown.state is ApprovalState.PENDING:
        changes = await bus.request(DiffApproval(id=number), timeout_s=DIFF_S)
        if not shell.terminal.as_json:
            show(shell, shown)
            show_changes(shell, changes)
        return changes.digest
    if not shell.terminal.as_json:
        show(shell, shown)
    return shown.digest or None


def show(shell: Shell, approval: Approval) -> None:
    """Print what is asked for."""
    terminal = shell.terminal
    terminal.line(
        f"approval {approval.id}: {approval.kind} {approval.agent}, "
        f"asked for by {approval.requested_by}"
    )
    if approval.reason:
        terminal.line("reason:")
        terminal.block(approval.reason)
    if approval.commit:
        terminal.line(f"commit: {approval.commit} {approval.commit_subject}")
    for one in approval.inputs or ():
        terminal.line(
            f"input {one.name} from {one.source}, now {one.revision[:20] or 'not locked'}"
        )
    if approval.schedule is not None:
        timing = approval.schedule.timing
        terminal.line(f"when: {timing.cron or timing.once} ({timing.zone})")
        terminal.line("prompt:")
        terminal.block(approval.schedule.prompt)
    for name, text in (approval.files or {}).items():
        terminal.line(f"first commit, {name}:")
        terminal.block(text)
    settings = approval.settings
    if settings is None:
        return
    if settings.model:
        terminal.line(f"model: {settings.model}")
    if settings.recipients is not None:
        terminal.line(f"may write to: {', '.join(settings.recipients) or 'the operator alone'}")
    if settings.persona:
        terminal.line("persona:")
        terminal.block(settings.persona)


def _decided(shell: Shell, reply: ApprovalReply) -> None:
    if shell.terminal.as_json:
        shell.terminal.json(reply)
    else:
        shell.terminal.line(f"approval {reply.approval.id}: {reply.approval.state}")


@hive_command("deny", ("hive deny 7 --reason 'two are enough'", "the reason reaches who asked"))
@click.argument("number", metavar="ID", type=NUMBER)
@click.option("--reason", default="", help="Why; it reaches the requester's inbox.")
async def deny(shell: Shell, number: int, *, reason: str) -> None:
    """Deny ID."""
    async with shell.bus() as bus:
        _decided(shell, await bus.request(Deny(id=number, reason=reason)))
