"""A key that was given to one agent: kept for it alone, told to nobody, first in line."""

import json
import os
from pathlib import Path

import pytest
from hive_harness.credentials import Credentials
from hive_harness.given_key import FILE, GivenKey, KeyFile
from hivecommon.contracts.login import GiveKey, Holding, KeyKind, SendLoginCode
from hivecommon.errors import HiveError

TOKEN = "sk-ant-oat01-aaaaaaaaaaaa"  # noqa: S105 - nobody's
KEY = "sk-ant-api03-bbbbbbbbbbbb"


def test_a_key_is_kept_private_and_taken_away_again(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    assert file.read() is None
    file.write(KeyKind.OAUTH_TOKEN, f"  {TOKEN}\n")
    assert file.read() == GivenKey(KeyKind.OAUTH_TOKEN, TOKEN)
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == [FILE]
    assert file.remove()
    assert not file.remove()
    assert file.read() is None


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        (KeyKind.API_KEY, TOKEN),
        (KeyKind.OAUTH_TOKEN, KEY),
        (KeyKind.API_KEY, "short"),
        (KeyKind.API_KEY, "two words of it"),
        (KeyKind.API_KEY, "sk-ant-api03-\x1b[2J"),
        (KeyKind.API_KEY, "k" * 4001),
    ],
)
def test_what_is_no_key_is_refused_without_being_quoted(
    tmp_path: Path, kind: KeyKind, key: str
) -> None:
    with pytest.raises(HiveError) as refused:
        KeyFile(tmp_path).write(kind, key)
    assert refused.value.code == "bad_credential"
    assert key not in f"{refused.value.message} {refused.value.hint}"
    assert list(tmp_path.iterdir()) == []


def test_no_secret_shows_when_a_request_or_a_key_is_printed() -> None:
    for shown in (
        GiveKey(kind=KeyKind.API_KEY, key=KEY),
        SendLoginCode(code=KEY),
        GivenKey(KeyKind.API_KEY, KEY),
    ):
        assert KEY not in repr(shown)
        assert KEY not in f"{shown!s}"


def test_what_lies_there_instead_of_a_key_is_none(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    for content in (b"", b"\xff", b'{"kind":"x","key":"y"}', b"[" * 100_000):
        file.path.write_bytes(content)
        assert file.read() is None
    file.path.unlink()
    os.mkfifo(file.path)
    assert file.read() is None
    file.write(KeyKind.API_KEY, KEY)
    assert file.read() == GivenKey(KeyKind.API_KEY, KEY)


def test_a_directory_in_the_place_of_a_key_is_said_and_survived(tmp_path: Path) -> None:
    file = KeyFile(tmp_path)
    (file.path / "more").mkdir(parents=True)
    assert file.read() is None
    open_before = len(list(Path("/proc/self/fd").iterdir()))
    assert Credentials(tmp_path, has_key=True).holding is Holding.HIVE
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before
    for attempt in (lambda: file.write(KeyKind.API_KEY, KEY), file.remove):
        with pytest.raises(HiveError) as refused:
            attempt()
        assert refused.value.code == "key_not_kept"
        assert KEY not in refused.value.message


def logged_in(directory: Path) -> None:
    (directory / ".credentials.json").write_text(
        json.dumps({"claudeAiOauth": {"accessToken": "x"}})
    )


def test_what_belongs_to_the_agent_goes_before_what_the_hive_has(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path, has_key=True)

    def holds() -> Holding:
        return credentials.holding

    assert (holds(), credentials.environment) == (Holding.HIVE, {})
    logged_in(tmp_path)
    assert holds() is Holding.LOGIN
    assert set(credentials.environment.values()) == {""}
    credentials.given.write(KeyKind.API_KEY, KEY)
    assert holds() is Holding.GIVEN_KEY
    assert credentials.environment == {
        "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_AUTH_TOKEN": "", "CLAUDE_CODE_OAUTH_TOKEN": "",
    }  # fmt: skip
    credentials.given.write(KeyKind.OAUTH_TOKEN, TOKEN)
    assert holds() is Holding.GIVEN_TOKEN
    assert credentials.environment["CLAUDE_CODE_OAUTH_TOKEN"] == TOKEN
    assert credentials.environment["ANTHROPIC_API_KEY"] == ""


@pytest.mark.parametrize(
    ("files", "holding"),
    [
        ({}, Holding.NONE),
        ({".credentials.json": "{}"}, Holding.NONE),  # what a dead login leaves
        ({".claude.json": '{"primaryApiKey": ""}'}, Holding.NONE),
        ({".claude.json": '{"primaryApiKey": 7}'}, Holding.NONE),
        ({".claude.json": "{ being writ"}, Holding.NONE),
        # A login to the console leaves a key there, and the other file blank.
        ({".credentials.json": "{}", ".claude.json": '{"primaryApiKey": "sk"}'}, Holding.LOGIN),
        ({".credentials.json": '{"claudeAiOauth": {}}'}, Holding.LOGIN),
    ],
)
def test_a_login_is_seen_wherever_the_cli_leaves_it(
    tmp_path: Path, files: dict[str, str], holding: Holding
) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert Credentials(tmp_path, has_key=False).holding is holding


def test_each_new_login_and_key_changes_the_fingerprint(tmp_path: Path) -> None:
    credentials = Credentials(tmp_path, has_key=False)
    seen = [credentials.fingerprint]
    logged_in(tmp_path)
    seen.append(credentials.fingerprint)
    (tmp_path / ".claude.json").write_text('{"primaryApiKey": "sk-1"}')
    seen.append(credentials.fingerprint)
    (tmp_path / ".claude.json").write_text('{"primaryApiKey": "sk-1", "numStartups": 2}')
    assert credentials.fingerprint == seen[-1]  # the CLI's own bookkeeping is no login
    credentials.given.write(KeyKind.API_KEY, KEY)
    seen.append(credentials.fingerprint)
    assert len(set(seen)) == 4
