"""Names, and what follows from them alone."""

import pytest
from hivecommon.errors import HiveError
from hivecommon.names import RESERVED, agent_port, container_name, parse_agent_name


@pytest.mark.parametrize("name", ["a", "alice", "a-b", "7", "abcdefghi", "hm1nd", "x--y"])
def test_good_names_are_taken(name: str) -> None:
    assert parse_agent_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", "-a", "a-", "A", "alice ", " alice", "al.ice", "al*", "al>", "../x", "a/b", "..", "a\n",
        "a\nb", "a\0", "ünde", "a b", "'; rm", "$HOME", "%s", "alice\u200b", "a_b",
    ],
)  # fmt: skip
def test_hostile_names_are_refused_with_the_rule(name: str) -> None:
    with pytest.raises(HiveError) as caught:
        parse_agent_name(name)
    assert caught.value.code == "bad_name"
    assert "a-z" in caught.value.hint


def test_a_long_name_is_refused_with_the_reason_and_shown_short() -> None:
    with pytest.raises(HiveError) as caught:
        parse_agent_name("x" * 5000)
    assert "5000 characters" in caught.value.message
    assert len(caught.value.message) < 200
    assert "11" in caught.value.hint


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_reserved_names_are_refused(name: str) -> None:
    with pytest.raises(HiveError) as caught:
        parse_agent_name(name)
    assert caught.value.code in {"reserved_name", "bad_name"}


@pytest.mark.parametrize(
    ("name", "port"),
    [("hm1nd", 8000), ("alice", 8879), ("bob", 8744), ("victor", 8214), ("uma", 8214)],
)
def test_the_port_follows_from_the_name(name: str, port: int) -> None:
    assert agent_port(parse_agent_name(name)) == port


def test_the_container_of_the_manager_has_no_prefix() -> None:
    assert container_name(parse_agent_name("hm1nd")) == "hm1nd"
    assert container_name(parse_agent_name("abcdefghi")) == "h-abcdefghi"
    assert len("h-abcdefghi") == 11
