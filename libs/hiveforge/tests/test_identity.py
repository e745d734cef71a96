"""alice's token can do nothing as bob."""

import secrets

from hivetesting.forge.members import Place


def test_alice_can_neither_become_bob_nor_touch_what_is_his(place: Place) -> None:
    alice, bob = place.alice, place.bob
    repo = readable(place)
    number = bob.api("POST", f"/repos/{repo}/issues", {"title": "bob's"})["number"]
    said = bob.api("POST", f"/repos/{repo}/issues/{number}/comments", {"body": "mine"})
    as_bob = alice("api", "POST", f"/repos/{repo}/issues/{number}/comments?sudo={bob.name}",
                   "--input", "-", stdin=b'{"body":"I am bob"}')  # fmt: skip
    assert as_bob.code == 3
    assert "Only administrators allowed to sudo" in as_bob.stderr
    for argv in (
        ["api", "PATCH", f"/repos/{repo}/issues/comments/{said['id']}", "--input", "-"],
        ["api", "DELETE", f"/repos/{repo}/issues/comments/{said['id']}"],
        ["api", "PATCH", f"/repos/{repo}/issues/{number}", "--input", "-"],
        ["api", "GET", f"/users/{bob.name}/tokens"],
        ["api", "POST", f"/users/{bob.name}/tokens", "--input", "-"],
        ["api", "PATCH", f"/admin/users/{bob.name}", "--input", "-"],
        ["api", "GET", "/admin/users"],
    ):
        stdin = b'{"body":"x","title":"x","name":"x","scopes":["all"],"login_name":"x"}'
        assert alice(*argv, stdin=stdin).code == 3, argv
    assert [each["body"] for each in bob.api("GET", f"/repos/{repo}/issues/{number}/comments")] == [
        "mine"
    ]


def test_a_reader_of_issues_opens_and_comments_but_decides_nothing(place: Place) -> None:
    alice, bob, repo = place.alice, place.bob, readable(place)
    here = ("-r", repo)
    number = bob.api("POST", f"/repos/{repo}/issues", {"title": "bob's"})["number"]
    alice.ok(*here, "comment", str(number), "--body", "hello")
    mine = alice.ok(*here, "create", "--title", "alice's").split()[0].lstrip("#")
    alice.ok(*here, "close", mine)
    for argv in (("close",), ("assign", alice.name), ("edit", "--title", "x")):
        assert alice(*here, argv[0], str(number), *argv[1:]).code != 0, argv
    shown = bob.api("GET", f"/repos/{repo}/issues/{number}")
    assert (shown["state"], shown["title"], shown["assignees"] or []) == ("open", "bob's", [])


def test_a_writer_of_issues_can_change_what_bob_said_and_it_still_bears_his_name(
    place: Place,
) -> None:
    """The forge's own rule, told in docs/forge.md: whoever may label and assign may also do this."""
    number = place.issue("bob's", who=place.bob)
    path = f"/repos/{place.repo}/issues"
    said = place.bob.api("POST", f"{path}/{number}/comments", {"body": "mine"})
    place.alice.api("PATCH", f"{path}/comments/{said['id']}", {"body": "not mine"})
    shown = place.bob.api("GET", f"{path}/comments/{said['id']}")
    assert (shown["body"], shown["user"]["login"]) == ("not mine", place.bob.name)


def readable(place: Place) -> str:
    """Return a repository that alice and bob can read and nothing more."""
    org = f"quiet-{secrets.token_hex(4)}"
    place.site.organization(org)
    repo = place.site.repository(org, "quiet")
    for member in (place.alice, place.bob):
        path = f"/repos/{repo}/collaborators/{member.name}"
        place.site.made("PUT", path, {"permission": "read"})
    return repo


def test_alice_cannot_read_or_clear_bob_s_notifications(scripted: Place) -> None:
    scripted.issue("for bob", "@bob look")
    thread = scripted.bob.ok("notifications").split()[0]
    assert scripted.alice("notifications", "read", thread).code == 3
    assert "for bob" not in scripted.alice.ok("notifications", "--all")
    assert "for bob" in scripted.bob.ok("notifications")
