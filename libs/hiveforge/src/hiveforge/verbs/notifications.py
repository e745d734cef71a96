"""The verb `notifications`; the hive delivers them as messages too and marks those as read."""

from itertools import islice
from typing import Any

from hiveforge import show
from hiveforge.command import Run, Verbs, count
from hiveforge.errors import Exit, misuse

Json = dict[str, Any]
SHOWN = 30


def register(verbs: Verbs) -> None:
    """Declare the verb."""
    notifications = verbs.add(
        "notifications", run_notifications, "list notifications, or mark them as read",
        "hive-forge notifications", "hive-forge notifications read 17", "hive-forge notifications read all",
    )  # fmt: skip
    notifications.add_argument("action", nargs="?", default="list", choices=["list", "read"])
    notifications.add_argument("id", nargs="?")
    notifications.add_argument("--all", action="store_true", help="the read ones too")
    notifications.add_argument("-L", "--limit", type=count, default=SHOWN)


def _line(thread: Json) -> str:
    subject = thread.get("subject") or {}
    where = show.line((thread.get("repository") or {}).get("full_name"))
    index = show.line(subject.get("url")).rpartition("/")[2]
    kind = show.line(subject.get("type")).lower()
    mark = "" if thread.get("unread") else "  (read)"
    return (
        f"{thread.get('id')}  {show.day(thread.get('updated_at'))}  {where}#{index}  {kind}  "
        f"{show.line(subject.get('state'))}  {show.line(subject.get('title'))}{mark}"
    )


def run_notifications(run: Run) -> Exit | None:
    """List them, or mark them as read."""
    client, args = run.client, run.args
    if args.action == "list":
        found = client.pages("/notifications", {"all": "true" if args.all else None})
        threads = list(islice(found, args.limit) if args.limit else found)
        run.out.show("\n".join(_line(thread) for thread in threads) or "(none)", threads)
        return None
    if args.id == "all":
        changed = client.put("/notifications") or []
        run.out.show(f"{len(changed)} marked as read", changed)
        return None
    if not args.id or not args.id.isdecimal():
        raise misuse("which one?", "give its id from `hive-forge notifications`, or `all`")
    thread = client.patch(f"/notifications/threads/{args.id}?to-status=read", None) or {}
    run.out.show(f"marked as read: {args.id}", thread)
    return None
