"""Tokens say who bears them, to one page, for a while."""

from datetime import timedelta
from pathlib import Path

import pytest
from hivecommon.errors import HiveError
from hiveweb.tokens import TokenSigner, load_secret

SECRET = b"s" * 32
DAY = timedelta(days=1)


def signer(**changes: object) -> TokenSigner:
    options: dict[str, object] = {"audience": "dashboard", "lifetime": DAY, **changes}
    return TokenSigner(SECRET, **options)  # type: ignore[arg-type] # a test's shorthand


def test_a_token_names_its_holder_after_a_restart_too() -> None:
    assert signer().holder(signer().issue("anna")) == "anna"


def test_a_token_ends_with_its_time() -> None:
    now = 1_700_000_000.0
    token = signer(now=lambda: now).issue("anna")

    assert signer(now=lambda: now + 86_400).holder(token) == "anna"
    assert signer(now=lambda: now + 86_402).holder(token) is None


def test_a_token_of_another_page_or_another_hive_is_refused() -> None:
    token = signer(audience="agent:alice").issue("anna")
    foreign = TokenSigner(b"x" * 32, audience="dashboard", lifetime=DAY).issue("anna")

    assert signer().holder(token) is None
    assert signer().holder(foreign) is None


def test_an_altered_token_is_refused_whichever_character_was_changed() -> None:
    token = signer().issue("anna")
    for place, letter in enumerate(token):
        altered = token[:place] + ("A" if letter != "A" else "B") + token[place + 1 :]
        # The last character of base64 may carry bits that nobody reads.
        if place != len(token) - 1:
            assert signer().holder(altered) is None


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "ä", "x" * 5000, "\0"])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert signer().holder(token) is None


def test_the_secret_is_made_once_and_is_private(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "page.secret"
    secret = load_secret(file)

    assert len(secret) == 32
    assert load_secret(file) == secret
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_damaged_secret_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    file = tmp_path / "page.secret"
    file.write_bytes(b"short")

    with pytest.raises(HiveError, match=r"page\.secret holds 5 bytes") as refused:
        load_secret(file)
    assert refused.value.code == "bad_secret"
