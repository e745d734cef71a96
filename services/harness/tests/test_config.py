"""What a harness is told at its start, and what it says when that is wrong."""

from pathlib import Path

import pytest
from hive_harness.config import DEFAULT_MODEL, read_settings
from hivecommon.errors import HiveError


def environ(directory: Path, **more: str) -> dict[str, str]:
    return {
        "HIVE_AGENT_RUN": str(directory), "HYPERHIVE_STATE_DIR": str(directory),
        "CLAUDE_CONFIG_DIR": str(directory), **more,
    }  # fmt: skip


def write(directory: Path, content: str) -> None:
    (directory / "harness.json").write_text(content)


GOOD = '{"agent": "alice", "manager": false, "bus_url": "nats://127.0.0.1:4222", "port": 8879}'


def test_the_settings_come_from_the_environment_and_from_lifecycles_file(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    settings = read_settings(environ(tmp_path, ANTHROPIC_API_KEY="secret"))
    assert (settings.name, settings.model, settings.cli) == ("alice", DEFAULT_MODEL, None)
    assert settings.has_key
    assert "secret" not in repr(settings)
    assert not read_settings(environ(tmp_path, ANTHROPIC_API_KEY="")).has_key


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "harness.json"),
        ('{"agent": "../x", "manager": false, "bus_url": "x", "port": 1}', "'../x'"),
        ('{"agent": "alice"}', "manager"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, content: str, words: str) -> None:
    write(tmp_path, content)
    with pytest.raises(HiveError, match=words):
        read_settings(environ(tmp_path))


def test_every_bad_variable_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(HiveError) as caught:
        read_settings(environ(tmp_path / "no", HIVE_CLAUDE_CLI="claude"))
    for name in ("HIVE_AGENT_RUN", "HYPERHIVE_STATE_DIR", "HIVE_CLAUDE_CLI"):
        assert name in caught.value.message
