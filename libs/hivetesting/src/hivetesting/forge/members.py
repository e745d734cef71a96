"""People with accounts on a forge under test, who run a command of ours or use the API themselves."""

import base64
import io
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hivetesting.forge.site import Site

Command = Callable[[list[str], Mapping[str, str]], int]


@dataclass(frozen=True)
class Result:
    """What one run of the command said."""

    code: int
    stdout: bytes
    stderr: str

    @property
    def out(self) -> str:
        """The output as text."""
        return self.stdout.decode()


@dataclass(frozen=True)
class Member:
    """Somebody with an account, a token and a state directory."""

    name: str
    site: Site
    token: str = field(repr=False)
    state: Path
    repo: str
    command: Command

    @property
    def environ(self) -> dict[str, str]:
        """What the command finds in its environment."""
        return {
            "HYPERHIVE_STATE_DIR": str(self.state),
            "HIVE_FORGE_URL": self.site.url,
            "HIVE_FORGE_REPO": self.repo,
        }

    def __call__(self, *argv: str, stdin: bytes = b"", **environ: str) -> Result:
        """Run the command in this process."""
        before = sys.stdin, sys.stdout, sys.stderr
        out, err = io.BytesIO(), io.BytesIO()
        sys.stdin = io.TextIOWrapper(io.BytesIO(stdin))
        sys.stdout, sys.stderr = io.TextIOWrapper(out), io.TextIOWrapper(err)
        try:
            code = self.command(list(argv), {**self.environ, **environ})
        except SystemExit as stop:  # argparse's way to end after --help
            code = int(stop.code or 0)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            wrapped = sys.stdin, sys.stdout, sys.stderr  # alive until their buffers are read
            sys.stdin, sys.stdout, sys.stderr = before
        result = Result(code, out.getvalue(), err.getvalue().decode())
        del wrapped
        return result

    def ok(self, *argv: str, stdin: bytes = b"") -> str:
        """Run the command, expect success, and return its output."""
        result = self(*argv, stdin=stdin)
        if result.code != 0:
            raise AssertionError(f"{argv} ended with {result.code}: {result.stderr}")
        return result.out

    def api(self, method: str, path: str, body: Any = None) -> Any:
        """Use the API with this member's token; it must work."""
        return self.site.made(method, path, body, token=self.token)


@dataclass(frozen=True)
class Place:
    """A repository in which alice and bob may write."""

    site: Site
    repo: str
    alice: Member
    bob: Member

    def issue(self, title: str = "one", body: str = "", who: Member | None = None) -> int:
        """Open an issue and return its number."""
        fields = {"title": title, "body": body}
        made = (who or self.alice).api("POST", f"/repos/{self.repo}/issues", fields)
        return int(made["number"])

    def show(self, number: int) -> Any:
        """Return an issue as the API has it."""
        return self.alice.api("GET", f"/repos/{self.repo}/issues/{number}")

    def comments(self, number: int) -> list[Any]:
        """Return the bodies of an issue's comments."""
        found = self.alice.api("GET", f"/repos/{self.repo}/issues/{number}/comments")
        return [comment["body"] for comment in found]

    def branch(self, name: str, path: str, content: bytes, base: str = "main") -> None:
        """Make a branch with one more file."""
        fields = {"content": base64.b64encode(content).decode(), "message": f"add {path}",
                  "branch": base, "new_branch": name}  # fmt: skip
        self.alice.api("POST", f"/repos/{self.repo}/contents/{path}", fields)

    def pull(self, head: str = "feature/x", title: str = "add a", path: str = "") -> int:
        """Open a pull request of a new branch with one file and return its number."""
        self.branch(head, path or f"{head.replace('/', '-')}.txt", f"{head}\n".encode())
        fields = {"title": title, "head": head, "base": "main", "body": "please"}
        return int(self.alice.api("POST", f"/repos/{self.repo}/pulls", fields)["number"])


def settle(
    site: Site, repo: str, tokens: Mapping[str, str], folder: Path, command: Command
) -> Place:
    """Give the two owners of the tokens a state directory each, and return them with their place."""
    made = []
    for name, token in tokens.items():
        state = folder / name
        state.mkdir(parents=True)
        (state / "forge-token").write_text(token + "\n")
        made.append(Member(name, site, token, state, repo, command))
    alice, bob = made
    return Place(site, repo, alice, bob)
