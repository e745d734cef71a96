"""flake.lock: read as nix writes it, and shortened so that nix takes inputs anew."""

import json

import pytest
from hive_lifecycle.flake_lock import parse_lock, pick, without
from hivecommon.contracts.approvals import FlakeInput
from hivecommon.errors import HiveError

SOURCES = {"hyperhive": "path:/hive", "nixpkgs": "github:a/b", "unlocked": "github:c/d"}
LOCK = json.dumps(
    {
        "nodes": {
            "hyperhive": {
                "inputs": {"nixpkgs": ["nixpkgs"]},
                "locked": {"narHash": "sha256-abc", "lastModified": 1, "type": "path"},
            },
            "nixpkgs_2": {
                "locked": {"rev": "f" * 40, "narHash": "sha256-x", "lastModified": 86400}
            },
            "root": {
                "inputs": {"hyperhive": "hyperhive", "nixpkgs": "nixpkgs_2", "f": ["nixpkgs"]}
            },
        },
        "root": "root",
        "version": 7,
    }
).encode()


def test_each_input_is_shown_as_it_is_locked() -> None:
    hive, nixpkgs, unlocked = parse_lock(LOCK, SOURCES)
    assert (hive.name, hive.source, hive.revision) == ("hyperhive", "path:/hive", "sha256-abc")
    assert (nixpkgs.revision, f"{nixpkgs.at:%Y-%m-%d}") == ("f" * 40, "1970-01-02")
    assert (unlocked.revision, unlocked.at) == ("", None)


def test_without_a_lock_nothing_is_locked() -> None:
    assert {one.revision for one in parse_lock(b"", SOURCES)} == {""}


@pytest.mark.parametrize(
    "lock", [b"{", b"[]", b'{"nodes": 3}', b'{"nodes": {"root": {"inputs": 1}}}']
)
def test_a_damaged_lock_is_named(lock: bytes) -> None:
    with pytest.raises(HiveError) as caught:
        parse_lock(lock, SOURCES)
    assert caught.value.code == "bad_lock"


def test_only_what_is_named_is_to_be_locked_anew() -> None:
    shortened = parse_lock(without(LOCK, ["nixpkgs"]), SOURCES)
    assert [bool(one.revision) for one in shortened] == [True, False, False]


def test_no_name_means_all_and_a_strange_one_is_refused_with_those_that_there_are() -> None:
    found = [FlakeInput(name="a"), FlakeInput(name="b")]
    assert pick(found, []) == found
    assert pick(found, ["b"]) == [FlakeInput(name="b")]
    with pytest.raises(HiveError, match="no input 'c'") as caught:
        pick(found, ["b", "c"])
    assert "a, b" in caught.value.hint
