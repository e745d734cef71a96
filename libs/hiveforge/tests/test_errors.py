"""Errors: one line in the forge's words, and a status for scripts."""

from pathlib import Path

import pytest
from hivetesting.forge.faults import Fault
from hivetesting.forge.members import Place


def test_an_error_is_one_line_with_what_to_do(place: Place) -> None:
    result = place.alice("assign", str(place.issue()), "nobody-at-all")
    assert len(result.stderr.splitlines()) == 1
    assert f"cannot be assigned in {place.repo}; can be: " in result.stderr


def test_what_is_not_there_ends_with_4(place: Place) -> None:
    result = place.alice("view", "999")
    assert result.code == 4
    assert result.stderr.startswith("hive-forge: not found")
    assert len(result.stderr.splitlines()) == 1
    assert place.alice("-r", "nobody/nothing", "view", "1").code == 4


def test_a_stranger_s_private_repository_is_not_found(place: Place) -> None:
    name = f"eve-{place.repo.split('-')[-1]}"
    token = place.site.user(name)
    (place.bob.state / "forge-token").write_text(token)
    assert place.bob("view", str(place.issue())).code == 4


def test_a_token_without_the_scope_ends_with_3(place: Place) -> None:
    token = place.site.user(place.bob.name, "read:issue", "read:repository")
    (place.bob.state / "forge-token").write_text(token)
    result = place.bob("comment", str(place.issue()), "--body", "x")
    assert result.code == 3
    assert "no permission: token does not have at least one of required scope" in result.stderr


def test_a_dead_token_ends_with_3_and_says_what_to_do(place: Place) -> None:
    (place.bob.state / "forge-token").write_text("0" * 40)
    result = place.bob("whoami")
    assert result.code == 3
    assert "ask your operator" in result.stderr


def test_a_refused_state_is_a_conflict(place: Place) -> None:
    number = str(place.pull())
    place.alice.ok("pr", "merge", number)
    result = place.alice("reopen", number)
    assert result.code == 5
    assert "already merged" in result.stderr


def test_a_rate_limit_ends_with_6_and_says_how_long(scripted: Place) -> None:
    assert scripted.site.script is not None
    scripted.site.script.faults.rate_limit("GET", retry_after_s=17)
    result = scripted.alice("list")
    assert result.code == 6
    assert "rate limit: too many requests" in result.stderr
    assert "wait 17 seconds" in result.stderr


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_forge_behind_a_dead_proxy_is_away(scripted: Place, status: int) -> None:
    assert scripted.site.script is not None
    page = "<!DOCTYPE html>\n<html>\nbad   gateway</html>"
    scripted.site.script.faults.order("GET", Fault(status, page, html=True))
    result = scripted.alice("list")
    assert (result.code, len(result.stderr.splitlines())) == (6, 1)
    assert result.stderr.startswith("hive-forge: the forge is away: ")
    assert "<" not in result.stderr


def test_a_forge_that_is_not_there_is_away(place: Place) -> None:
    result = place.alice("list", HIVE_FORGE_URL="http://127.0.0.1:9")
    assert result.code == 6
    assert "the forge at http://127.0.0.1:9 is away" in result.stderr


def test_an_answer_that_was_lost_is_not_said_to_be_undone(scripted: Place) -> None:
    assert scripted.site.script is not None
    number = scripted.issue()
    scripted.site.script.faults.order("POST .*/comments", Fault(after=True, cut=True))
    result = scripted.alice("comment", str(number), "--body", "x")
    assert result.code == 6
    assert "look before you repeat it" in result.stderr
    assert scripted.comments(number) == ["x"]


def test_an_error_inside_the_forge_ends_with_1(scripted: Place) -> None:
    assert scripted.site.script is not None
    scripted.site.script.faults.order("GET", Fault(500, ""))
    result = scripted.alice("list")
    assert (result.code, "Internal Server Error" in result.stderr) == (1, True)


def test_the_token_is_in_no_output_whatever_happens(scripted: Place) -> None:
    assert scripted.site.script is not None
    number = str(scripted.issue())
    for fault in (Fault(500, "x"), Fault(401, "x"), Fault(cut=True), Fault(429, "x")):
        scripted.site.script.faults.order(".*", fault)
        for argv in (["view", number], ["comment", number, "--body", "x"], ["whoami"]):
            result = scripted.alice(*argv)
            assert scripted.alice.token not in result.out + result.stderr


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["comment", "1"], "give --body TEXT, or --body-file FILE"),
        (["comment", "1", "--body", "a", "--body-file", "-"], "exclude each other"),
        (["comment", "1", "--body-file", "/nowhere"], "cannot read /nowhere"),
        (["view", "one"], "'one' is no number"),
        (["view", "0"], "'0' is no number"),
        (["edit", "1"], "what should change?"),
        (["create", "--title", " "], "the title is empty"),
        (["create", "--title", "a\nb"], "a title is one line"),
        (["list", "--limit", "-3"], "see `hive-forge list --help`"),
        (["pr", "frobnicate"], "'frobnicate' is nothing that pr can do"),
        (["-r", "no slash", "list"], "write it as OWNER/REPO"),
        (["-r", "a/../b", "list"], "is no repository"),
        (["--jsn", "list"], "see `hive-forge --help`"),
        (["list", "--json", "number,title"], "--json takes no fields"),
        ([], "required: VERB"),
    ],
)
def test_misuse_ends_with_2_and_says_the_right_way(
    scripted: Place, argv: list[str], said: str
) -> None:
    result = scripted.alice(*argv)
    assert result.code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_without_forge_token_or_repository_the_way_out_is_said(
    place: Place, tmp_path: Path
) -> None:
    assert "HIVE_FORGE_URL is not set" in place.alice("list", HIVE_FORGE_URL="").stderr
    assert "set HIVE_FORGE_REPO" in place.alice("list", HIVE_FORGE_REPO="").stderr
    result = place.alice("list", HYPERHIVE_STATE_DIR=str(tmp_path))
    assert (result.code, "no forge token" in result.stderr) == (2, True)
    (place.alice.state / "forge-token").write_text("with space\nand line")
    assert "holds no token" in place.alice("list").stderr
    assert "no http URL" in place.alice("list", HIVE_FORGE_URL="ftp://x").stderr


def test_the_hive_s_own_word_stands_in_for_unset_variables(place: Place) -> None:
    about = f'{{"url": "{place.site.url}/", "repo": "{place.repo}"}}'
    (place.alice.state / "forge.json").write_text(about)
    out = place.alice("whoami", HIVE_FORGE_URL="", HIVE_FORGE_REPO="").out
    assert out == f"{place.alice.name} at {place.site.url}, repository {place.repo}\n"
