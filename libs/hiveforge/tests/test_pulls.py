"""Pull requests: create, diff, checks, review, merge."""

import json
from pathlib import Path

import pytest
from hivetesting.forge.members import Place


def test_create_takes_the_branch_that_is_checked_out(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.branch("feature/y", "y.txt", b"y\n")
    work = tmp_path / "work"
    (work / ".git").mkdir(parents=True)
    (work / ".git" / "HEAD").write_text("ref: refs/heads/feature/y\n")
    (work / "deep").mkdir()
    monkeypatch.chdir(work / "deep")
    out = place.alice.ok(
        "pr", "create", "--title", "y", "--body", "b", "--reviewer", place.bob.name
    )
    pull = json.loads(place.alice.ok("pr", out.split()[0]))
    assert (pull["head"], pull["base"], pull["reviewers"]) == (
        "feature/y",
        "main",
        [place.bob.name],
    )


def test_a_branch_the_forge_does_not_have_is_named(place: Place) -> None:
    result = place.alice("pr", "create", "--title", "y", "--head", "never-pushed")
    assert result.code == 4
    assert "'never-pushed'" in result.stderr
    assert "push first" in result.stderr


def test_the_same_pull_request_twice_is_a_conflict(place: Place) -> None:
    place.pull("feature/x")
    result = place.alice("pr", "create", "--title", "again", "--head", "feature/x")
    assert result.code == 5
    assert "already exists" in result.stderr


def test_diff_is_printed_as_it_is(place: Place) -> None:
    number = place.pull("feature/x")
    out = place.alice.ok("pr", "diff", str(number))
    assert out.startswith("diff --git a/feature-x.txt b/feature-x.txt\n")
    assert out == place.alice.ok("pr", str(number), "diff")


def test_checks_tell_how_they_stand_by_the_exit_status(place: Place) -> None:
    number = place.pull("feature/x")
    assert place.alice("pr", "checks", str(number)).out == "(no checks)\n"
    sha = json.loads(place.alice.ok("pr", str(number)))["head_sha"]
    for state, code in (("pending", 7), ("success", 0), ("failure", 1)):
        status = {"state": state, "context": "ci/test", "description": "42 passed"}
        place.alice.api("POST", f"/repos/{place.repo}/statuses/{sha}", status)
        result = place.alice("pr", "checks", str(number))
        assert (result.code, f"{state}  ci/test  42 passed" in result.out) == (code, True)


def test_all_checks_count_however_many_there_are(place: Place) -> None:
    number = place.pull("feature/x")
    sha = json.loads(place.alice.ok("pr", str(number)))["head_sha"]
    path = f"/repos/{place.repo}/statuses/{sha}"
    place.alice.api("POST", path, {"state": "failure", "context": "first"})
    for count in range(54):
        place.alice.api("POST", path, {"state": "success", "context": f"check {count}"})
    result = place.alice("pr", "checks", str(number))
    assert len(result.out.splitlines()) == 55
    assert result.code == 1


def test_a_reviewer_that_cannot_be_asked_is_said_before_anything_is_made(place: Place) -> None:
    place.branch("feature/x", "x.txt", b"x\n")
    argv = ("pr", "create", "-t", "x", "-H", "feature/x", "--reviewer")
    result = place.alice(*argv, "nobody-at-all")
    assert (result.code, "'nobody-at-all' cannot be asked" in result.stderr) == (4, True)
    assert place.alice.ok("pr", "list") == "(none)\n"
    place.alice.ok(*argv, f"@{place.bob.name}")


def test_view_and_metadata_tell_the_reviews(place: Place) -> None:
    number = place.pull("feature/x")
    place.alice.ok("comment", str(number), "--body", "please look")
    review = {
        "event": "REQUEST_CHANGES", "body": "nearly",
        "comments": [{"path": "feature-x.txt", "new_position": 1, "body": "a typo\n  here"}],
    }  # fmt: skip
    place.bob.api("POST", f"/repos/{place.repo}/pulls/{number}/reviews", review)
    page = place.alice.ok("view", str(number))
    assert f"by {place.bob.name}" in page
    assert ": request changes\n  nearly\n  feature-x.txt:1 by" in page
    assert "    a typo\n      here" in page
    facts = json.loads(place.alice.ok("pr", str(number)))
    assert facts["reviews"] == [f"{place.bob.name}: REQUEST_CHANGES"]


def test_list_narrows_by_author_label_and_branch(place: Place) -> None:
    first, second = place.pull("one", "first"), place.pull("two", "second")
    place.alice.ok("labels", "create", "bug")
    place.alice.ok("pr", "edit", str(first), "--add-label", "bug", "--title", "changed")
    for narrowed in (["--label", "bug"], ["--head", "one"], ["--search", "x"]):
        result = place.alice("pr", "list", *narrowed)
        if narrowed[0] == "--search":
            assert result.code == 2
        else:
            assert ("changed" in result.out, "second" in result.out) == (True, False), narrowed
    assert len(place.alice.ok("pr", "list", "--author", "@me").splitlines()) == 2
    assert place.alice.ok("pr", "list", "--author", place.bob.name) == "(none)\n"
    assert f"#{second}" in place.alice.ok("pr", "list", "--base", "main")


def test_reviews_approve_or_ask_for_changes(place: Place) -> None:
    number = str(place.pull())
    assert "APPROVED" in place.bob.ok("pr", "review", number, "--approve")
    place.bob.ok("pr", "review", number, "--request-changes", "--body-file", "-", stdin=b"why?\r\n")
    reviews = place.alice.api("GET", f"/repos/{place.repo}/pulls/{number}/reviews")
    assert [review["state"] for review in reviews] == ["APPROVED", "REQUEST_CHANGES"]
    assert reviews[-1]["body"] == "why?\r\n"


def test_a_review_of_one_s_own_is_refused_in_the_forge_s_words(place: Place) -> None:
    result = place.alice("pr", "review", str(place.pull()), "--approve")
    assert result.code == 1
    assert "approve your own pull is not allowed" in result.stderr


def test_a_verdict_needs_a_reason(place: Place) -> None:
    assert place.bob("pr", "review", "1", "--request-changes").code == 2


@pytest.mark.parametrize("style", ["--merge", "--squash", "--rebase", "--ff-only"])
def test_merge_in_every_style(place: Place, style: str) -> None:
    number = place.pull("feature/x")
    assert "merged" in place.alice.ok("pr", "merge", str(number), style)
    assert json.loads(place.alice.ok("pr", str(number)))["state"] == "merged"
    assert place.alice.ok("files", "feature-x.txt") == "feature/x\n"
    assert place.alice("pr", "merge", str(number)).code == 5


def test_merge_can_delete_the_branch_and_name_the_commit(place: Place) -> None:
    number = place.pull("feature/x")
    place.alice.ok("pr", "merge", str(number), "--squash", "-d", "-m", "- my title")
    assert place.alice.ok("branches", "feature/") == "(none)\n"
    log = place.alice.api("GET", f"/repos/{place.repo}/branches/main")
    assert log["commit"]["message"].startswith("- my title")


def test_a_conflict_is_said_as_one(place: Place) -> None:
    first = place.pull("one", path="same.txt")
    second = place.pull("two", path="same.txt")
    place.alice.ok("pr", "merge", str(first))
    result = place.alice("pr", "merge", str(second))
    assert result.code == 5
    assert "conflict" in result.stderr
    assert "bring the base branch into it" in result.stderr


def test_list_and_close(place: Place) -> None:
    number = place.pull(title="mine")
    assert f"#{number}" in place.alice.ok("pr", "list")
    place.alice.ok("pr", "close", str(number), "--comment", "no")
    assert place.alice.ok("prs") == "(none)\n"
    place.alice.ok("pr", "reopen", str(number))
    assert "mine" in place.alice.ok("pulls", "list")


def test_a_draft_is_marked_and_cannot_be_merged(place: Place) -> None:
    place.branch("d", "d.txt", b"d\n")
    number = place.alice.ok("pr", "create", "-t", "later", "-H", "d", "--draft").split()[0]
    assert json.loads(place.alice.ok("pr", number))["state"] == "draft"
    assert place.alice("pr", "merge", number).code == 5


def test_json_gives_the_whole_answer(place: Place) -> None:
    number = str(place.pull())
    for argv in (
        ["pr", number, "--json"],
        ["--json", "pr", number],
        ["pr", "view", "--json", number],
    ):
        assert "clone_url" in json.loads(place.alice.ok(*argv))["head"]["repo"]
