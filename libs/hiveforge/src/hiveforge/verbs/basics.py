"""Verbs about the command itself and the forge as a whole: whoami, repos, api, completion."""

import json
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

from hiveforge import completion, show, texts
from hiveforge.client import MAX_PAGES, PAGE, Client
from hiveforge.command import Run, Verbs, count
from hiveforge.errors import Exit, misuse
from hiveforge.verbs import pulls

Json = dict[str, Any]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
SHOWN = 30


def register(verbs: Verbs) -> None:
    """Declare the verbs."""
    verbs.add("whoami", run_whoami, "show account, forge and repository", "hive-forge whoami")
    repos = verbs.add("repos", run_repos, "list repositories that you can see", "hive-forge repos")
    repos.add_argument("words", nargs="*", help="parts of the name")
    repos.add_argument("-L", "--limit", type=count, default=SHOWN)
    api = verbs.add(
        "api", run_api, "ask the forge's API yourself (v1; see /api/swagger on the forge)",
        "hive-forge api /repos/{repo}/commits", "hive-forge api POST /repos/{repo}/labels --input -",
        "hive-forge api PATCH /repos/{repo}/issues/42 -f title=better",
    )  # fmt: skip
    api.usage = (
        "hive-forge [-r OWNER/REPO] api [METHOD] PATH [-X METHOD] [-f NAME=VALUE]… [--input FILE]"
    )
    api.add_argument(
        "words", nargs="+", metavar="[METHOD] PATH",
        help="below /api/v1; {repo} stands for the repository. METHOD is GET, or POST with fields",
    )  # fmt: skip
    api.add_argument("-X", "--method", type=str.upper, choices=METHODS)
    api.add_argument(
        "-f", "-F", "--field", action="append", default=[], metavar="NAME=VALUE",
        help="a field of the JSON to send; true, false, null and numbers are no strings",
    )  # fmt: skip
    api.add_argument("--input", metavar="FILE", help="the JSON to send; - is stdin")
    shells = verbs.add(
        "completion", run_whoami, "print the completion for a shell",
        "source <(hive-forge completion bash)",
    )  # fmt: skip
    shells.add_argument("shell", choices=completion.SHELLS)
    shells.set_defaults(
        offline=lambda args: print(  # noqa: T201 - its output
            completion.script(args.shell, verbs.parsers, pulls.parsers())
        )
    )


def run_whoami(run: Run) -> Exit | None:
    """Show who we are."""
    user = run.client.get("/user")
    settings = run.client.settings
    repo = settings.repo or "(none)"
    text = f"{show.login(user)} at {settings.url}, repository {repo}"
    run.out.show(text, {"login": user.get("login"), "url": settings.url, "repo": settings.repo})
    return None


def _repos(client: Client, words: str) -> Iterator[Json]:
    """Yield the repositories that fit; this list is wrapped, unlike all others."""
    for page in range(1, MAX_PAGES + 1):
        query: dict[str, str | int | None] = {"q": words, "limit": PAGE, "page": page}
        found = (client.get("/repos/search", query) or {}).get("data") or []
        yield from found
        if not found:
            return


def run_repos(run: Run) -> Exit | None:
    """List repositories."""
    found = _repos(run.client, " ".join(run.args.words))
    shown = list(islice(found, run.args.limit) if run.args.limit else found)
    lines = [
        f"{show.line(each['full_name'])}  {show.line(each.get('description'))}".rstrip()
        for each in shown
    ]
    run.out.show("\n".join(lines) or "(none)", shown)
    return None


def run_api(run: Run) -> Exit | None:
    """Pass a request on and print the answer as it is."""
    args = run.args
    body = _body(args.field, args.input)
    method, path = _called(args.words, args.method, "GET" if body is None else "POST")
    path = path.removeprefix("/api/v1")
    if not path.startswith("/"):
        path = "/" + path
    if "{repo}" in path:
        path = path.replace("/repos/{repo}", run.client.repo)
    answer = run.client.request(method, path, body=body)
    run.out.raw(answer.body)
    if answer.body and not answer.body.endswith(b"\n") and sys.stdout.isatty():
        run.out.raw(b"\n")
    return None


def _called(words: list[str], method: str | None, default: str) -> tuple[str, str]:
    """Return method and path from the words, where the method may be left out."""
    if len(words) == 1:
        return method or default, words[0]
    named, path, *rest = words
    if rest or named.upper() not in METHODS or method not in {None, named.upper()}:
        raise misuse(f"{' '.join(words)!r} is no method and path", "see `hive-forge api --help`")
    return named.upper(), path


def _body(fields: list[str], file: str | None) -> object:
    """Return what is to be sent; None if nothing is."""
    if fields and file:
        raise misuse("--field and --input exclude each other")
    if file:
        try:
            return json.loads(texts.read_file(file, "input"))
        except ValueError as error:
            raise misuse(f"the input is no JSON: {error}") from None
    if not fields:
        return None
    given: dict[str, object] = {}
    for field in fields:
        name, sign, value = field.partition("=")
        if not sign:
            raise misuse(f"{field!r} is no field", "write it as NAME=VALUE")
        given[name] = _typed(texts.check(value, name))
    return given


def _typed(value: str) -> object:
    if value in {"true", "false", "null"} or (value.isascii() and value.isdecimal()):
        return json.loads(value)
    return value
