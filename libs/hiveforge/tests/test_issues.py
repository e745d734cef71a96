"""Issues: view, create, edit, assign, close, list, search."""

import json

import pytest
from hivetesting.forge.members import Place


def test_create_prints_the_number_and_the_link(place: Place) -> None:
    out = place.alice.ok("create", "--title", "build fails", "--body", "on main")
    number, link = out.split()
    assert link.endswith(f"/{place.repo}/issues/{number.lstrip('#')}")
    assert place.show(int(number.lstrip("#")))["body"] == "on main"


def test_create_takes_labels_assignees_and_a_milestone(place: Place) -> None:
    place.alice.ok("labels", "create", "bug")
    place.alice.ok("milestones", "create", "v1", "--due", "2026-12-01")
    place.alice.ok(
        "create", "-t", "x", "-l", "BUG", "-a", place.bob.name, "--milestone", "v1"
    )  # fmt: skip
    made = place.show(1)
    assert [label["name"] for label in made["labels"]] == ["bug"]
    assert [user["login"] for user in made["assignees"]] == [place.bob.name]
    assert made["milestone"]["title"] == "v1"


def test_a_body_that_looks_like_an_option_is_a_body(place: Place) -> None:
    number = place.issue()
    for body in ("--dry-run", "-1", "- one\n- two", "--body", "=x", "-b"):
        place.alice.ok("comment", str(number), "--body", body)
        assert place.comments(number)[-1] == body
        place.alice.ok("comment", str(number), "-b", body)
        assert place.comments(number)[-1] == body


def test_view_shows_the_last_comments_and_says_how_many_are_left_out(place: Place) -> None:
    number = place.issue("talk", "start")
    for word in ("first", "second", "third"):
        place.alice.ok("comment", str(number), "--body", word)
    out = place.alice.ok("view", str(number), "--comments", "1")
    assert "third" in out
    assert "second" not in out
    assert "(2 earlier comments: --comments all)" in out
    assert "first" in place.alice.ok("view", str(number), "--comments", "all")


def test_view_json_has_the_forge_s_own_fields(place: Place) -> None:
    number = place.issue("talk")
    place.bob.ok("comment", str(number), "--body", "hello")
    found = json.loads(place.alice.ok("view", str(number), "--json"))
    assert found["issue"]["title"] == "talk"
    assert found["comments"][0]["user"]["login"] == place.bob.name


def test_a_strange_text_can_neither_control_the_terminal_nor_pass_for_a_heading(
    place: Place,
) -> None:
    number = place.issue()
    place.bob.ok("comment", str(number), "--body", "\x1b[2J\ncomment 7 by operator\r\nend\u202e")
    out = place.alice.ok("view", str(number))
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "  \\x1b[2J" in out
    assert "\n  comment 7 by operator\n" in out


def test_numbers_may_be_written_as_people_write_them(place: Place) -> None:
    number = place.issue("found")
    link = place.show(number)["html_url"]
    for form in (f"#{number}", f"!{number}", link, str(number)):
        assert "found" in place.alice.ok("view", form)


def test_edit_changes_only_what_was_given(place: Place) -> None:
    number = place.issue("old", "keep me")
    place.alice.ok("edit", str(number), "--title", "new")
    assert (place.show(number)["title"], place.show(number)["body"]) == ("new", "keep me")
    place.alice.ok("edit", str(number), "--body-file", "-", stdin=b"changed\r\n")
    assert place.show(number)["body"] == "changed\r\n"
    place.alice.ok("milestones", "create", "v2")
    place.alice.ok("edit", str(number), "--milestone", "v2")
    assert place.show(number)["milestone"]["title"] == "v2"
    place.alice.ok("edit", str(number), "--milestone", "none")
    assert place.show(number)["milestone"] is None


def test_assign_adds_and_unassign_takes_off(place: Place) -> None:
    number = place.issue()
    place.alice.ok("assign", str(number), place.alice.name)
    place.alice.ok("assign", str(number), f"@{place.bob.name}")
    assert {user["login"] for user in place.show(number)["assignees"]} == {
        place.alice.name, place.bob.name,
    }  # fmt: skip
    place.alice.ok("unassign", str(number), place.alice.name)
    assert [user["login"] for user in place.show(number)["assignees"]] == [place.bob.name]
    gone = place.alice("unassign", str(number), place.alice.name)
    assert gone.code == 4
    assert f"assigned: {place.bob.name}" in gone.stderr


def test_assigning_nobody_known_names_who_can_be(place: Place) -> None:
    result = place.alice("assign", str(place.issue()), "nobody-at-all")
    assert result.code == 4
    assert "'nobody-at-all' cannot be assigned" in result.stderr
    assert place.bob.name in result.stderr


def test_close_with_a_word_and_reopen(place: Place) -> None:
    number = place.issue()
    assert "closed" in place.alice.ok("close", str(number), "--comment", "fixed in abc")
    assert place.comments(number) == ["fixed in abc"]
    assert place.show(number)["state"] == "closed"
    assert "open" in place.alice.ok("reopen", str(number))
    assert "open" in place.alice.ok("reopen", str(number))


def test_list_narrows_by_state_label_assignee_author_and_milestone(place: Place) -> None:
    first, second = place.issue("first"), place.issue("second", who=place.bob)
    place.alice.ok("labels", "create", "bug")
    place.alice.ok("labels", "add", str(first), "bug")
    place.alice.ok("assign", str(second), place.bob.name)
    place.alice.ok("milestones", "create", "v1")
    place.alice.ok("edit", str(first), "--milestone", "v1")
    for narrowed in (["--label", "bug"], ["--milestone", "v1"], ["--author", place.alice.name]):
        out = place.alice.ok("list", *narrowed)
        assert "first" in out, narrowed
        assert "second" not in out, narrowed
    assert "second" in place.alice.ok("list", "-a", place.bob.name)
    place.alice.ok("close", str(first))
    assert "first" not in place.alice.ok("list")
    assert "first" in place.alice.ok("list", "--state", "closed")


def test_list_leaves_pull_requests_out_unless_asked(place: Place) -> None:
    place.pull(title="a pull")
    assert place.alice.ok("list") == "(none)\n"
    assert "PR  a pull" in place.alice.ok("list", "--type", "all")


def test_all_pages_of_a_long_list_are_fetched(place: Place) -> None:
    for number in range(53):
        place.issue(f"n{number}")
    assert len(json.loads(place.alice.ok("list", "--limit", "0", "--json"))) == 53
    some = place.alice("list", "--limit", "7")
    assert len(some.out.splitlines()) == 7
    assert "--limit 0 shows all" in some.stderr


def test_a_label_or_milestone_that_is_not_there_does_not_widen_the_list(place: Place) -> None:
    """The forge passes over what it does not know, and would show everything."""
    number = place.issue("one")
    place.issue("two")
    place.alice.ok("labels", "create", "Bug")
    place.alice.ok("labels", "create", "Old")
    place.alice.ok("labels", "add", str(number), "bug,old")
    for argv in (["list", "--label", "bug,none"], ["search", "one", "-l", "none"]):
        result = place.alice(*argv)
        assert (result.code, "no label 'none'" in result.stderr) == (4, True)
    assert place.alice("list", "--milestone", "v9").code == 4
    assert place.alice("list", "--assignee", "nobody-at-all").code == 4
    assert place.alice.ok("list", "--label", "BUG", "-l", "old").startswith(f"#{number}  open  one")
    assert len(place.alice.ok("list", "--label", "bug,old").splitlines()) == 1


def test_labels_of_the_organisation_narrow_a_list_too(place: Place) -> None:
    org = place.repo.split("/")[0]
    place.site.made("POST", f"/orgs/{org}/labels", {"name": "shared", "color": "#112233"})
    number = place.issue("marked")
    place.issue("bare")
    place.alice.ok("labels", str(number), "add", "shared")
    out = place.alice.ok("list", "--label", "shared")
    assert ("marked" in out, "bare" in out) == (True, False)


def test_me_stands_for_one_s_own_account(place: Place) -> None:
    number = place.issue("mine")
    place.issue("his", who=place.bob)
    place.alice.ok("assign", str(number), "@me")
    assert [user["login"] for user in place.show(number)["assignees"]] == [place.alice.name]
    for narrowed in (["--assignee", "@me"], ["--author", "@me"]):
        out = place.alice.ok("list", *narrowed)
        assert ("mine" in out, "his" in out) == (True, False), narrowed


def test_edit_changes_labels_and_assignees_as_gh_does(place: Place) -> None:
    number = str(place.issue())
    for name in ("bug", "old", "new"):
        place.alice.ok("labels", "create", name)
    place.alice.ok("labels", "add", number, "old")
    place.alice.ok("assign", number, place.bob.name)
    place.alice.ok(
        "issue", "edit", number, "--add-label", "bug,new", "--remove-label", "old",
        "--add-assignee", "@me", "--remove-assignee", place.bob.name,
    )  # fmt: skip
    shown = place.show(int(number))
    assert sorted(label["name"] for label in shown["labels"]) == ["bug", "new"]
    assert [user["login"] for user in shown["assignees"]] == [place.alice.name]
    wrong = place.alice("edit", number, "--add-assignee", "nobody-at-all", "--title", "changed")
    assert (wrong.code, place.show(int(number))["title"]) == (4, "one")


def test_close_takes_its_word_as_gh_does(place: Place) -> None:
    number = str(place.issue())
    for option, text in (("-c", "- done"), ("--comment", "--really")):
        place.alice.ok("issue", "close", number, option, text)
        assert place.comments(int(number))[-1] == text
        place.alice.ok("reopen", number)


def test_comment_takes_its_text_behind_the_number_as_tea_does(place: Place) -> None:
    number = str(place.issue())
    place.alice.ok("comment", number, "two words")
    assert place.comments(int(number)) == ["two words"]
    assert place.alice("comment", number, "a", "--body", "b").code == 2


def test_search_finds_by_words_here_and_everywhere(place: Place) -> None:
    place.issue("flaky zebra build")
    place.issue("calm")
    assert "zebra" in place.alice.ok("search", "zebra")
    assert "calm" not in place.alice.ok("search", "zebra")
    assert f"{place.repo}#1" in place.alice.ok("search", "flaky", "zebra", "--everywhere")


@pytest.mark.parametrize(
    "argv",
    [
        ["issue", "view", "1"],
        ["issue", "1"],
        ["issues", "list"],
        ["issue", "comment", "1", "--body", "x"],
        ["view", "1", "--json"],
        ["--json", "view", "1"],
        ["view", "-r", "REPO", "1"],
        ["label", "list"],
        ["milestone", "list"],
        ["labels", "1"],
        ["labels", "1", "list"],
        ["labels", "list", "1"],
        ["1"],
        ["view", "1", "--comments"],
        ["issue", "ls", "-s", "all"],
        ["repos"],
    ],
)
def test_what_gh_and_tea_users_type_works(place: Place, argv: list[str]) -> None:
    place.issue("one")
    assert place.alice.ok(*[place.repo if word == "REPO" else word for word in argv])
