"""Branches, files, releases, attachments, notifications, the API itself."""

import json
import time
from pathlib import Path

import pytest
from hivetesting.forge.members import Place


def test_branches_are_filtered_by_a_part_or_a_pattern(place: Place) -> None:
    for name in ("deployed/alice", "deployed/bob", "fix-1", "fix-22"):
        place.branch(name, f"{name.replace('/', '-')}.txt", b"x")
    lines = place.alice.ok("branches", "deployed/").splitlines()
    assert sorted(line.split()[0] for line in lines) == ["deployed/alice", "deployed/bob"]
    assert len(place.alice.ok("branches", "fix-?").splitlines()) == 1
    assert len(place.alice.ok("branches").splitlines()) == 5


def test_files_are_written_listed_printed_and_deleted(place: Place, tmp_path: Path) -> None:
    content = bytes(range(256)) * 3
    (tmp_path / "f.bin").write_bytes(content)
    place.alice.ok(
        "files", "put", "deep/ünï code.bin", "--from", str(tmp_path / "f.bin"), "-m", "add"
    )
    assert "deep/" in place.alice.ok("files")
    assert "deep/ünï code.bin  768" in place.alice.ok("files", "deep/")
    assert place.alice("files", "deep/ünï code.bin").stdout == content
    place.alice.ok("files", "put", "deep/ünï code.bin", "--from", "-", stdin=b"other")
    assert place.alice("files", "show", "deep/ünï code.bin").stdout == b"other"
    place.alice.ok("files", "delete", "deep/ünï code.bin", "-m", "drop")
    assert place.alice("files", "deep/ünï code.bin").code == 4


def test_files_can_go_to_a_new_branch(place: Place) -> None:
    place.alice.ok("files", "put", "x.txt", "--from", "-", "--new-branch", "side", stdin=b"side\n")
    assert place.alice("files", "x.txt").code == 4
    assert place.alice.ok("files", "x.txt", "--ref", "side") == "side\n"


def test_releases_with_files(place: Place, tmp_path: Path) -> None:
    (tmp_path / "out.tar.gz").write_bytes(b"\x1f\x8b\x00")
    place.alice.ok(
        "releases", "create", "v1.2", "--title", "one two", "--body", "notes\r\n",
        "--attach", str(tmp_path / "out.tar.gz"),
    )  # fmt: skip
    assert "v1.2  one two  1 files" in place.alice.ok("releases")
    found = json.loads(place.alice.ok("releases", "view", "v1.2", "--json"))
    assert (found["body"], found["assets"][0]["name"]) == ("notes\r\n", "out.tar.gz")
    assert place.alice("releases", "create", "v1.2").code == 5
    assert place.alice("releases", "view", "v9").code == 4
    (tmp_path / "more.txt").write_text("more")
    place.alice.ok("attach", "v1.2", str(tmp_path / "more.txt"), "--release")
    assert "2 files" in place.alice.ok("releases")


def test_attach_prints_links_for_markdown(place: Place, tmp_path: Path) -> None:
    number = place.issue()
    shot = tmp_path / 'a "b".txt'
    shot.write_bytes(b"some\r\ntext")
    out = place.alice.ok("attach", str(number), str(shot))
    assert out.startswith('[a "b".txt](http')
    assert place.show(number)["assets"][0]["size"] == 10
    comment = json.loads(place.alice.ok("comment", str(number), "--body", "see", "--json"))
    place.alice.ok("attach", str(comment["id"]), str(shot), "--comment-id")
    assert "file: http" in place.alice.ok("view", str(number))


def test_a_file_that_is_not_there_is_said_before_anything_is_made(place: Place) -> None:
    assert place.alice("attach", "1", "/nowhere/x").code == 2
    assert place.alice("releases", "create", "v3", "--attach", "/nowhere/x").code == 2
    assert place.alice.ok("releases") == "(none)\n"


def test_milestones_are_made_listed_and_closed(place: Place) -> None:
    place.alice.ok("milestones", "create", "v1", "--due", "2026-12-01")
    assert place.alice.ok("milestones") == "v1  open  0 open, 0 closed  due 2026-12-01\n"
    place.alice.ok("milestones", "close", "V1")
    assert place.alice.ok("milestones") == "(none)\n"
    assert "v1  closed" in place.alice.ok("milestones", "--state", "all")
    twice = place.alice("milestones", "create", "v1")
    assert (twice.code, "there is a milestone 'v1' already" in twice.stderr) == (5, True)
    missing = place.alice("milestones", "close", "v7")
    assert (missing.code, "there are: v1" in missing.stderr) == (4, True)


def notified(place: Place, title: str) -> str:
    """Return bob's notification of an issue; a real forge writes it a moment later."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for line in place.bob.ok("notifications", "--limit", "0").splitlines():
            if line.endswith(title):
                return line
    pytest.fail("bob was not notified")


def test_notifications_are_listed_and_marked_as_read(place: Place) -> None:
    title = f"for bob in {place.repo}"
    number = place.issue(title, f"@{place.bob.name} please look")
    line = notified(place, title)
    assert f"{place.repo}#{number}  issue  open" in line
    place.bob.ok("notifications", "read", line.split()[0])
    assert title not in place.bob.ok("notifications", "-L", "0")
    assert f"{title}  (read)" in place.bob.ok("notifications", "--all", "-L", "0")
    place.bob.ok("notifications", "read", "all")
    assert place.bob.ok("notifications") == "(none)\n"
    assert place.bob("notifications", "read").code == 2


def test_api_is_the_way_to_what_has_no_verb(place: Place) -> None:
    place.issue("found")
    for argv in (
        ["get", "/repos/{repo}/issues"],
        ["repos/{repo}/issues"],
        ["-X", "GET", "/repos/{repo}/issues"],
    ):
        assert json.loads(place.alice.ok("api", *argv))[0]["title"] == "found"
    place.alice.ok("api", "/repos/{repo}/issues", "-f", "title=- second", "-f", "closed=true")
    assert (place.show(2)["title"], place.show(2)["state"]) == ("- second", "closed")
    assert place.alice("api", "/repos/{repo}/issues", "-f", "title").code == 2
    assert place.alice("api", "FETCH", "/repos/{repo}/issues").code == 2
    place.alice.ok("api", "PATCH", "/repos/{repo}/issues/1", "--input", "-", stdin=b'{"title":"x"}')
    assert place.show(1)["title"] == "x"
    assert place.alice("api", "GET", "/nothing/there").code == 4


def test_whoami_says_account_forge_and_repository(place: Place) -> None:
    out = place.alice.ok("whoami")
    assert out == f"{place.alice.name} at {place.site.url}, repository {place.repo}\n"
    assert place.repo in place.alice.ok("repos", place.repo.split("/")[1])
