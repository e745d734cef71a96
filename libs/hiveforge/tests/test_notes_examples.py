"""The examples that agents were given, word for word, through a real shell."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hiveforge.application import run
from hivetesting.forge.members import Place, settle
from hivetesting.forge.site import Site

BIN = Path(sys.executable).parent
Shell = Callable[[str], str]


@pytest.fixture(scope="module")
def place(
    site: Site, members: tuple[str, dict[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> Place:
    """Return a repository with an issue 42, a user damocles, a label and two branches."""
    org, tokens = members
    repo = site.repository(org, f"answers-{secrets.token_hex(4)}")
    place = settle(site, repo, tokens, tmp_path_factory.mktemp("place"), run)
    site.user("damocles")
    site.organization(org, "damocles")
    for number in range(1, 42):
        assert place.issue(f"issue {number}") == number
    assert place.issue("answer", "what is it?") == 42
    place.branch("deployed/alice", "a.txt", b"a\n")
    place.branch("fix", "b.txt", b"b\n")
    place.alice.ok("labels", "create", "feature")
    _other(site, place.alice.name)
    return place


def _other(site: Site, member: str) -> None:
    site.organization("other-org", member)
    repo = site.repository("other-org", "other-repo")
    if site.ask("GET", f"/repos/{repo}/pulls/7").is_error:
        for _ in range(6):
            site.made("POST", f"/repos/{repo}/issues", {"title": "filler"})
        content = {"content": "b25lCg==", "message": "m", "new_branch": "seven"}
        site.made("POST", f"/repos/{repo}/contents/seven.txt", content)
        fields = {"title": "seven", "head": "seven", "base": "main"}
        assert site.made("POST", f"/repos/{repo}/pulls", fields)["number"] == 7


@pytest.fixture
def shell(place: Place) -> Shell:
    environ = {**place.alice.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}

    def run_script(script: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], env=environ, capture_output=True,
            check=False, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_script


def test_every_example_of_the_notes_works(shell: Shell, place: Place) -> None:
    shell('hive-forge comment 42 --body "..." # post comment (inline body)')
    shell(
        "hive-forge comment 42 --body-file - <<EOF # ...or pipe a HEREDOC\nmulti-line body\nEOF\n"
    )
    shell("hive-forge assign 42 damocles")
    shell("hive-forge labels 42 add feature")

    page = shell("hive-forge view 42 # title + body + comments")
    assert "#42 answer (open issue)" in page
    assert "  what is it?" in page
    assert "  ...\n" in page
    assert "  multi-line body" in page
    assert "labels: feature" in page
    assert "assigned: damocles" in page

    shell("hive-forge close 42")
    assert place.show(42)["state"] == "closed"

    assert shell("hive-forge branches deployed/").split()[0] == "deployed/alice"
    assert "fix" not in shell("hive-forge branches deployed/")
    pull = json.loads(shell("hive-forge -r other-org/other-repo pr 7"))
    assert (pull["number"], pull["title"], pull["base"]) == (7, "seven", "main")


def test_pr_prints_metadata_as_json(shell: Shell, place: Place) -> None:
    number = place.pull("other", "another")
    pull = json.loads(shell(f"hive-forge pr {number}"))
    assert pull["head"] == "other"
    assert pull["state"] == "open"
    assert pull["author"] == place.alice.name


def test_a_heredoc_arrives_byte_for_byte(shell: Shell, place: Place) -> None:
    shell("hive-forge comment 42 --body-file - <<'EOF'\n  `a` $HOME \"q\"\n\n\tend\nEOF\n")
    assert place.comments(42)[-1] == '  `a` $HOME "q"\n\n\tend\n'
