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
