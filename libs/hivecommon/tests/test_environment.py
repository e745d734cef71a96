"""Settings are read once, and every problem is named with its variable."""

from pathlib import Path

import pytest
from hivecommon.environment import read_environment
from hivecommon.errors import HiveError
from hivecommon.home import make_private


def test_a_user_gets_a_hive_of_their_own() -> None:
    found = read_environment({"HOME": "/home/ann"}, uid=1000)
    assert found.home.root == Path("/home/ann/.local/share/hyperhive")
    assert found.run.root == Path("/tmp/hyperhive-1000")  # noqa: S108 - checked when made
    assert found.bus.url == "nats://127.0.0.1:4222"
    assert (found.dashboard_port, found.runtime, found.manager) == (7000, "local", True)


def test_root_under_systemd_gets_the_systems_hive() -> None:
    found = read_environment({"HOME": "/root", "INVOCATION_ID": "x"}, uid=0)
    assert (str(found.home.root), str(found.run.root)) == ("/var/lib/hyperhive", "/run/hyperhive")


def test_all_problems_are_said_at_once_with_their_values() -> None:
    with pytest.raises(HiveError) as caught:
        read_environment(
            {
                "HIVE_RUNTIME": "docker",
                "HIVE_DASHBOARD_PORT": "70000",
                "HIVE_HOME": "relative",
                "HIVE_NATS_URL": "http://x",
                "HIVE_DASHBOARD_HOST": "a b",
                "HIVE_MANAGER": "maybe",
            },
            uid=0,
        )
    for part in ("'docker'", "'70000'", "'relative'", "'http://x'", "'a b'", "'maybe'"):
        assert part in caught.value.message


def test_agents_secrets_are_passed_on_and_never_printed() -> None:
    found = read_environment({"HOME": "/h", "ANTHROPIC_API_KEY": "sk-secret"}, uid=1)
    assert found.agent_environment == {"ANTHROPIC_API_KEY": "sk-secret"}
    assert "sk-secret" not in repr(found)


def test_a_planted_link_is_no_private_directory(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HiveError) as caught:
        make_private(tmp_path / "link")
    assert caught.value.code == "unsafe_dir"
    assert make_private(tmp_path / "own").stat().st_mode & 0o777 == 0o700
