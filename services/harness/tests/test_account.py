"""Whose login it is, of what the CLI answers."""

import json

import pytest
from hive_harness.account import words_for

ADA = {"loggedIn": True, "authMethod": "claude.ai", "email": "ada@example.com"}


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (json.dumps({**ADA, "subscriptionType": "max"}), "ada@example.com, max"),
        (json.dumps({**ADA, "authMethod": "api_key"}), "ada@example.com, api key"),
        (json.dumps({"loggedIn": True, "authMethod": "claude.ai"}), "claude.ai"),
        (json.dumps({**ADA, "loggedIn": False}), ""),
        (json.dumps({**ADA, "email": 7}), ""),
        (json.dumps({**ADA, "email": "\x1b[2Jada\n\u202e"}), "ada , claude.ai"),
        (json.dumps({**ADA, "email": "x" * 10_000})[:-2], ""),
        ("", ""),
        ("[]", ""),
    ],
)
def test_the_cli_names_an_account(output: str, words: str) -> None:
    assert words_for(output.encode()) == words
