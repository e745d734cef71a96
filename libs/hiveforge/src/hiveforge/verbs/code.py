"""Verbs on the repository's content: branches and files."""

import base64
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hiveforge import show, texts
from hiveforge.client import Client, segment
from hiveforge.command import Run, Verbs
from hiveforge.errors import Exit, ForgeError, misuse

Json = dict[str, Any]
ACTIONS = ("list", "show", "put", "delete")
MAX_FILE = 64 << 20


def register(verbs: Verbs) -> None:
    """Declare the verbs."""
    branches = verbs.add(
        "branches", run_branches, "list branches whose name matches a pattern",
        "hive-forge branches deployed/", "hive-forge branches 'fix-*'",
    )  # fmt: skip
    branches.add_argument(
        "pattern", nargs="?", default="", help="a part of the name, or a pattern with * and ?"
    )
    files = verbs.add(
        "files", run_files, "list, print, write and delete files on the forge",
        "hive-forge files", "hive-forge files docs/", "hive-forge files README.md --ref my-branch",
        "hive-forge files put notes.md --from ./notes.md --branch my-branch -m 'add notes'",
        "hive-forge files delete old.md -m 'drop it'",
    )  # fmt: skip
    files.usage = "hive-forge [-r OWNER/REPO] files [list|show|put|delete] [PATH] [--ref REF] …"
    files.add_argument("words", nargs="*", metavar="WORD", help="list|show|put|delete, PATH")
    files.add_argument("--ref", help="a branch, tag or commit (default: the default branch)")
    files.add_argument("--from", dest="source", metavar="FILE", help="put: the content; - is stdin")
    files.add_argument("--branch", help="put, delete: the branch to commit to")
    files.add_argument("--new-branch", help="put, delete: make this branch for the commit")
    files.add_argument("-m", "--message", help="put, delete: the commit's message")


def matches(name: str, pattern: str) -> bool:
    """Whether a branch's name has the pattern in it, or matches it as a glob."""
    if any(sign in pattern for sign in "*?["):
        return fnmatchcase(name, pattern)
    return pattern in name


def run_branches(run: Run) -> Exit | None:
    """List branches with their commits."""
    found = [
        branch for branch in run.client.pages(f"{run.client.repo}/branches")
        if matches(str(branch["name"]), run.args.pattern)
    ]  # fmt: skip
    lines = []
    for branch in found:
        commit = branch.get("commit") or {}
        subject = str(commit.get("message") or "").partition("\n")[0]
        lines.append(
            f"{show.line(branch['name'])}  {show.line(commit.get('id'))[:10]}  {show.line(subject)}"
        )
    run.out.show("\n".join(lines) or "(none)", found)
    return None


def run_files(run: Run) -> Exit | None:
    """Do what the words say."""
    words = list(run.args.words)
    action = words.pop(0) if words and words[0] in ACTIONS else "show"
    if len(words) > 1:
        raise misuse(f"one path at a time, not {' and '.join(words)}")
    path = words[0].strip("/") if words else ""
    if action in {"list", "show"}:
        _show(run, path)
        return None
    if not path:
        raise misuse(f"files {action} needs a path")
    _commit(run, action, path)
    return None


def _contents(client: Client, path: str) -> str:
    where = "/".join(segment(part) for part in path.split("/") if part)
    return f"{client.repo}/contents" + (f"/{where}" if where else "")


def _show(run: Run, path: str) -> None:
    found = run.client.get(_contents(run.client, path), {"ref": run.args.ref})
    if isinstance(found, list):
        lines = [
            show.line(entry["path"]) + ("/" if entry["type"] == "dir" else f"  {entry['size']}")
            for entry in found
        ]
        run.out.show("\n".join(lines) or "(empty)", found)
    elif run.out.json:
        run.out.show("", found)
    elif found.get("type") == "file":
        run.out.raw(base64.b64decode(found.get("content") or ""))
    else:
        raise ForgeError(f"{path} is a {show.line(found.get('type'))}, no file")


def _source(name: str | None) -> bytes:
    if name is None:
        raise misuse("files put needs the content", "give --from FILE (- is stdin)")
    try:
        content = sys.stdin.buffer.read(MAX_FILE + 1) if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise misuse(f"cannot read {name}: {error.strerror}") from None
    if len(content) > MAX_FILE:
        raise ForgeError(f"the file is larger than {MAX_FILE} bytes: push it with git")
    return content


def _commit(run: Run, action: str, path: str) -> None:
    client, args = run.client, run.args
    fields: Json = {
        "branch": args.branch,
        "new_branch": args.new_branch,
        "message": texts.check(args.message, "message") if args.message else None,
    }
    content = _source(args.source) if action == "put" else None
    sha = _sha(client, path, args.branch)
    if sha is None and action == "delete":
        raise ForgeError(f"not found: no file {path!r} on the forge", Exit.NOT_FOUND)
    fields["sha"] = sha
    if content is not None:
        fields["content"] = base64.b64encode(content).decode()
    method = "DELETE" if action == "delete" else "POST" if sha is None else "PUT"
    body = {key: value for key, value in fields.items() if value is not None}
    made = client.request(method, _contents(client, path), body=body).json() or {}
    commit = show.line((made.get("commit") or {}).get("sha"))
    done = "deleted" if action == "delete" else "wrote"
    run.out.show(f"{done} {path} in {commit[:10]}", made)


def _sha(client: Client, path: str, branch: str | None) -> str | None:
    try:
        found = client.get(_contents(client, path), {"ref": branch})
    except ForgeError as error:
        if error.status is Exit.NOT_FOUND:
            return None
        raise
    if isinstance(found, list):
        raise misuse(f"{path} is a folder")
    return str(found["sha"])
