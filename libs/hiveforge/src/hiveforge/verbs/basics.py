"""Verbs about the command itself and the forge as a whole: whoami, repos, api, completion."""

import json
import sys
from itertools import islice

from hiveforge import completion, show, texts
from hiveforge.command import Run, Verbs, count
from hiveforge.errors import Exit, misuse

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
        "hive-forge api GET /repos/{repo}/commits", "hive-forge api POST /repos/{repo}/labels --input -",
    )  # fmt: skip
    api.add_argument("method", type=str.upper, choices=METHODS)
    api.add_argument("path", help="below /api/v1; {repo} stands for the repository")
    api.add_argument("--input", metavar="FILE", help="the JSON to send; - is stdin")
    shells = verbs.add(
        "completion", run_whoami, "print the completion for a shell",
        "source <(hive-forge completion bash)",
    )  # fmt: skip
    shells.add_argument("shell", choices=completion.SHELLS)
    shells.set_defaults(
        offline=lambda args: print(completion.script(args.shell, verbs.parsers))  # noqa: T201 - its output
    )


def run_whoami(run: Run) -> Exit | None:
    """Show who we are."""
    user = run.client.get("/user")
    settings = run.client.settings
    repo = settings.repo or "(none)"
    text = f"{show.login(user)} at {settings.url}, repository {repo}"
    run.out.show(text, {"login": user.get("login"), "url": settings.url, "repo": settings.repo})
    return None


def run_repos(run: Run) -> Exit | None:
    """List repositories."""
    query = {"q": " ".join(run.args.words), "limit": run.args.limit or 50}
    found = (run.client.get("/repos/search", query) or {}).get("data") or []
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
    path = args.path.removeprefix("/api/v1")
    if not path.startswith("/"):
        path = "/" + path
    if "{repo}" in path:
        path = path.replace("/repos/{repo}", run.client.repo)
    body = None
    if args.input:
        try:
            body = json.loads(texts.read_file(args.input, "input"))
        except ValueError as error:
            raise misuse(f"the input is no JSON: {error}") from None
    answer = run.client.request(args.method, path, body=body)
    run.out.raw(answer.body)
    if answer.body and not answer.body.endswith(b"\n") and sys.stdout.isatty():
        run.out.raw(b"\n")
    return None
