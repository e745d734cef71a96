"""Verbs on releases, and `attach`, which puts files on releases, issues and comments."""

from itertools import islice
from pathlib import Path
from typing import Any

from hiveforge import show, texts
from hiveforge.client import Client, segment
from hiveforge.command import Run, Verbs, is_number, number
from hiveforge.errors import Exit, misuse
from hiveforge.verbs.issues import body_options

Json = dict[str, Any]
SHOWN = 10


def register(verbs: Verbs) -> None:
    """Declare the verbs."""
    releases = verbs.add(
        "releases", run_releases, "list, show and create releases", "hive-forge releases",
        "hive-forge releases create v1.2 --title 'one two' --body-file notes.md --attach out.tar.gz",
    )  # fmt: skip
    releases.add_argument("action", nargs="?", default="list", choices=["list", "view", "create"])
    releases.add_argument("tag", nargs="?")
    releases.add_argument("-t", "--title")
    body_options(releases)
    releases.add_argument("--target", metavar="BRANCH_OR_SHA")
    releases.add_argument("--draft", action="store_true")
    releases.add_argument("--prerelease", action="store_true")
    releases.add_argument("--attach", action="append", default=[], metavar="FILE")
    attach = verbs.add(
        "attach", run_attach, "attach files to an issue or PR, a comment, or a release",
        "hive-forge attach 42 screenshot.png", "hive-forge attach v1.2 out.tar.gz --release",
        "hive-forge attach 1234 log.txt --comment-id",
    )  # fmt: skip
    attach.add_argument(
        "target", help="a number; with --release a tag, with --comment-id a comment's id"
    )
    attach.add_argument("file", nargs="+")
    kind = attach.add_mutually_exclusive_group()
    kind.add_argument("--release", action="store_true")
    kind.add_argument("--comment-id", action="store_true")


def _line(release: Json) -> str:
    marks = [word for word in ("draft", "prerelease") if release.get(word)]
    files = f"{len(release.get('assets') or [])} files"
    parts = [show.line(release.get("tag_name")), show.line(release.get("name")), *marks, files]
    return "  ".join([*parts, show.line(release.get("html_url"))])


def run_releases(run: Run) -> Exit | None:
    """List, show or create releases."""
    client, args = run.client, run.args
    if args.action == "list":
        found = list(islice(client.pages(f"{client.repo}/releases"), SHOWN))
        run.out.show("\n".join(_line(release) for release in found) or "(none)", found)
        return None
    if not args.tag:
        raise misuse(f"releases {args.action} needs a tag")
    release = _by_tag(client, args.tag) if args.action == "view" else _create(run)
    files = [show.line(each.get("browser_download_url")) for each in release.get("assets") or []]
    text = "\n".join([_line(release), show.indented(release.get("body")), *files])
    run.out.show(text, release)
    return None


def _by_tag(client: Client, tag: str) -> Json:
    found: Json = client.get(f"{client.repo}/releases/tags/{segment(tag)}")
    return found


def _create(run: Run) -> Json:
    client, args = run.client, run.args
    body = texts.body_of(args.body, args.body_file) or ""
    contents = {name: _read(name) for name in args.attach}
    fields = {
        "tag_name": texts.check(args.tag, "tag"),
        "name": texts.check(args.title or args.tag, "title"),
        "body": body,
        "draft": args.draft,
        "prerelease": args.prerelease,
    }
    if args.target:
        fields["target_commitish"] = args.target
    made: Json = client.post(f"{client.repo}/releases", fields)
    texts.verify_kept(body, made.get("body"))
    for name, content in contents.items():
        asset = client.upload(
            f"{client.repo}/releases/{made['id']}/assets", Path(name).name, content
        )
        made.setdefault("assets", []).append(asset)
    return made


def _read(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as error:
        raise misuse(f"cannot read {name}: {error.strerror}") from None


def _target(client: Client, args: Any) -> str:
    if args.release:
        return f"{client.repo}/releases/{_by_tag(client, args.target)['id']}/assets"
    if not is_number(args.target):
        raise misuse(f"{args.target!r} is no number", "for a release's tag add --release")
    if args.comment_id:
        return f"{client.repo}/issues/comments/{number(args.target)}/assets"
    return f"{client.repo}/issues/{number(args.target)}/assets"


def run_attach(run: Run) -> Exit | None:
    """Attach files; each is said with a link that Markdown can use."""
    contents = [(Path(name).name, _read(name)) for name in run.args.file]
    path = _target(run.client, run.args)
    made = [run.client.upload(path, name, content) for name, content in contents]
    links = [
        f"[{show.line(each['name'])}]({show.line(each['browser_download_url'])})" for each in made
    ]
    run.out.show("\n".join(links), made)
    return None
