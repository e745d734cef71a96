"""The verb `labels`: of an issue, and of the repository."""

from typing import Any

from hiveforge import show, texts
from hiveforge.client import Client, segment
from hiveforge.command import Run, Verbs, is_number, number, split
from hiveforge.errors import Exit, ForgeError, misuse

Json = dict[str, Any]
ACTIONS = ("list", "add", "remove", "create")
DEFAULT_COLOR = "#70c24a"
USAGE = "labels NUMBER add NAME…, labels NUMBER remove NAME…, labels [list] [NUMBER], labels create NAME"


def register(verbs: Verbs) -> None:
    """Declare the verb; number and action may come in either order."""
    labels = verbs.add(
        "labels", run_labels, "list, add and remove labels",
        "hive-forge labels 42 add feature",
        "hive-forge labels remove 42 feature",
        "hive-forge labels list        # the repository's",
        "hive-forge labels create urgent --color ff0000",
    )  # fmt: skip
    labels.usage = f"hive-forge [-r OWNER/REPO] {USAGE}"
    labels.add_argument(
        "words", nargs="*", metavar="WORD", help="list|add|remove|create, NUMBER, NAME…"
    )
    labels.add_argument("--color", default=DEFAULT_COLOR)
    labels.add_argument("--description", default="")


def run_labels(run: Run) -> Exit | None:
    """Do what the words say."""
    words = list(run.args.words)
    if len(words) > 1 and is_number(words[0]) and words[1] in ACTIONS:
        words[0], words[1] = words[1], words[0]
    if not words or is_number(words[0]):
        words.insert(0, "list")
    action, rest = words[0], words[1:]
    if action == "list":
        _list(run, rest)
    elif action == "create":
        _create(run, rest)
    elif action in ACTIONS:
        if len(rest) < 2 or not is_number(rest[0]):  # noqa: PLR2004 - a number and a name
            raise misuse(f"labels {action} needs a number and a name", f"usage: {USAGE}")
        _change(run, action, number(rest[0]), split(rest[1:]))
    else:
        raise misuse(f"{action!r} is nothing that labels can do", f"usage: {USAGE}")
    return None


def _known(client: Client) -> list[Json]:
    """Return the labels that can be used: the repository's, and its organisation's."""
    labels = list(client.pages(f"{client.repo}/labels"))
    owner = client.settings.repo.partition("/")[0]
    try:
        labels += list(client.pages(f"/orgs/{segment(owner)}/labels"))
    except ForgeError as error:
        if error.status not in {
            Exit.NOT_FOUND,
            Exit.REFUSED,
        }:  # a user's repository, or no such scope
            raise
    return labels


def _wanted(client: Client, names: list[str]) -> list[Json]:
    """Return labels; raise for an unknown one, which the forge would pass over."""
    labels = _known(client)
    by_name = {str(label["name"]).lower(): label for label in labels}
    if missing := [name for name in names if name.lower() not in by_name]:
        there = ", ".join(show.line(label["name"]) for label in labels) or "none"
        raise ForgeError(
            f"not found: no label {missing[0]!r} in {client.settings.repo}", Exit.NOT_FOUND,
            hint=f"there are: {there}. Make one with `hive-forge labels create NAME`",
        )  # fmt: skip
    return [by_name[name.lower()] for name in names]


def label_ids(client: Client, names: list[str]) -> list[int]:
    """Return the ids of labels."""
    return [int(label["id"]) for label in _wanted(client, names)]


def label_names(client: Client, names: list[str]) -> list[str]:
    """Return the names of labels as the forge writes them."""
    return [str(label["name"]) for label in _wanted(client, names)]


def _names(labels: list[Json]) -> str:
    return ", ".join(show.line(label["name"]) for label in labels) or "(no labels)"


def _list(run: Run, rest: list[str]) -> None:
    if rest:
        if len(rest) > 1 or not is_number(rest[0]):
            raise misuse(f"{rest[-1]!r} is no number", f"usage: {USAGE}")
        labels = run.client.get(f"{run.client.repo}/issues/{number(rest[0])}/labels") or []
        run.out.show(f"#{number(rest[0])}: {_names(labels)}", labels)
        return
    labels = list(run.client.pages(f"{run.client.repo}/labels"))
    lines = [
        f"{show.line(each['name'])}  {show.line(each.get('description'))}".rstrip()
        for each in labels
    ]
    run.out.show("\n".join(lines) or "(no labels)", labels)


def _create(run: Run, rest: list[str]) -> None:
    if len(rest) != 1:
        raise misuse("labels create needs one name", f"usage: {USAGE}")
    fields = {
        "name": texts.check(rest[0], "name"),
        "color": run.args.color,
        "description": texts.check(run.args.description, "description"),
    }
    there = {str(label["name"]).lower() for label in run.client.pages(f"{run.client.repo}/labels")}
    if rest[0].lower() in there:
        raise ForgeError(f"conflict: there is a label {rest[0]!r} already", Exit.CONFLICT)
    made = run.client.post(f"{run.client.repo}/labels", fields)
    run.out.show(f"made label {show.line(made['name'])}", made)


def _change(run: Run, action: str, issue: int, names: list[str]) -> None:
    labels = change_labels(run.client, issue, action, names)
    run.out.show(f"#{issue}: {_names(labels)}", labels)


def change_labels(client: Client, issue: int, action: str, names: list[str]) -> list[Json]:
    """Add or remove labels, and return those that the issue has then."""
    path = f"{client.repo}/issues/{issue}/labels"
    if action == "add":
        labels: list[Json] = client.post(path, {"labels": label_ids(client, names)}) or []
        return labels
    there = {str(each["name"]).lower(): int(each["id"]) for each in client.get(path) or []}
    if missing := [name for name in names if name.lower() not in there]:
        raise ForgeError(
            f"not found: #{issue} has no label {missing[0]!r}", Exit.NOT_FOUND,
            hint=f"it has: {', '.join(sorted(there)) or 'none'}",
        )  # fmt: skip
    for name in names:
        client.delete(f"{path}/{there[name.lower()]}")
    return list(client.get(path) or [])
