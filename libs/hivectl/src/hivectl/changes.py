"""A change to an agent's configuration, as lines on a terminal."""

from typing import Final

from hivecommon.contracts.changes import ChangedFile, ChangesReply

from hivectl.shell import Shell

DIFF_S: Final = 10.0
_STYLES: Final = {"+": "green", "-": "red"}


def show_changes(shell: Shell, changes: ChangesReply) -> None:
    """Print what a change does: marks first, then every file's lines."""
    terminal = shell.terminal
    base = changes.base_commit[:10] or "nothing"
    terminal.line(f"against {changes.base} ({base}) -> {changes.commit[:10]}")
    for mark in changes.marks:
        terminal.line(f"! {mark.risk} in {mark.path}: {mark.text}", style="yellow")
    if not changes.files:
        terminal.note("no file differs")
    for file in changes.files:
        _show_file(shell, file)
    terminal.line(f"digest: {changes.digest}")


def _show_file(shell: Shell, file: ChangedFile) -> None:
    terminal = shell.terminal
    terminal.line(f"{file.status} {file.path} (+{file.added} -{file.removed})", style="bold")
    if file.binary:
        terminal.note("  no text: not shown")
    if file.omitted:
        terminal.note(f"  too long for one answer: `hive diff ID --path {file.path}` shows it")
    for hunk in file.hunks:
        terminal.line(f"@@ -{hunk.old_start} +{hunk.new_start} @@", style="cyan")
        for line in hunk.lines:
            terminal.line(line, style=_STYLES.get(line[:1]))
