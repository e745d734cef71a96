"""The verb `milestones`."""

from typing import Any

from hiveforge import show, texts
from hiveforge.client import Client
from hiveforge.command import Run, Verbs
from hiveforge.errors import Exit, ForgeError, misuse

Json = dict[str, Any]


def register(verbs: Verbs) -> None:
    """Declare the verb."""
    milestones = verbs.add(
        "milestones", run_milestones, "list, create, close and reopen milestones",
        "hive-forge milestones", 'hive-forge milestones create "v1.2" --due 2026-12-01',
    )  # fmt: skip
    milestones.add_argument(
        "action", nargs="?", default="list", choices=["list", "create", "close", "reopen"]
    )
    milestones.add_argument("title", nargs="?")
    milestones.add_argument("--state", choices=["open", "closed", "all"], default="open")
    milestones.add_argument("--due", metavar="YYYY-MM-DD")
    milestones.add_argument("--description", default="")


def find_milestone(client: Client, title: str) -> Json:
    """Return a milestone by its title or its id; raise when there is none."""
    there: list[Json] = list(client.pages(f"{client.repo}/milestones", {"state": "all"}))
    for stone in there:
        if stone["title"] == title:
            return stone
    for stone in there:
        if str(stone["id"]) == title or str(stone["title"]).lower() == title.lower():
            return stone
    titles = ", ".join(show.line(stone["title"]) for stone in there) or "none"
    raise ForgeError(
        f"not found: no milestone {title!r}", Exit.NOT_FOUND, hint=f"there are: {titles}"
    )


def milestone_id(client: Client, title: str) -> int:
    """Return the id of a milestone."""
    return int(find_milestone(client, title)["id"])


def _line(stone: Json) -> str:
    counts = f"{stone.get('open_issues')} open, {stone.get('closed_issues')} closed"
    due = f"  due {show.line(stone['due_on'])[:10]}" if stone.get("due_on") else ""
    return f"{show.line(stone.get('title'))}  {show.line(stone.get('state'))}  {counts}{due}"


def run_milestones(run: Run) -> Exit | None:
    """List or change milestones."""
    client, args = run.client, run.args
    path = f"{client.repo}/milestones"
    if args.action == "list":
        stones = list(client.pages(path, {"state": args.state}))
        run.out.show("\n".join(_line(stone) for stone in stones) or "(none)", stones)
        return None
    if not args.title:
        raise misuse(f"milestones {args.action} needs a title")
    if args.action == "create":
        there = client.pages(path, {"state": "all"})
        if any(stone["title"] == args.title for stone in there):
            raise ForgeError(
                f"conflict: there is a milestone {args.title!r} already", Exit.CONFLICT
            )
        fields = {
            "title": texts.check(args.title, "title"),
            "description": texts.check(args.description, "description"),
            "due_on": f"{args.due}T00:00:00Z" if args.due else None,
        }
        made = client.post(path, {key: value for key, value in fields.items() if value is not None})
    else:
        state = "closed" if args.action == "close" else "open"
        number = find_milestone(client, args.title)["id"]
        made = client.patch(f"{path}/{number}", {"state": state})
    run.out.show(_line(made), made)
    return None
