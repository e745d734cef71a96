"""`python -m bench` from outside."""

import pytest

from bench.__main__ import main, names


def test_every_benchmark_is_found() -> None:
    assert names() == [
        "approvals_lists",
        "first_token",
        "forge_startup",
        "harness_memory",
        "hive_ls",
        "list_agents",
        "memory",
        "service_start",
        "turn_overhead",
        "turn_start",
    ]


def test_an_unknown_name_is_refused_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["list_agents", "lsit"])
    assert "there is no benchmark lsit; there are: approvals_lists" in capsys.readouterr().err
