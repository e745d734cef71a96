"""What an agent is shown of the host: the whole command line, and what is found on this host."""

import sys
from pathlib import Path

import pytest
from hive_lifecycle.sandbox import (
    AgentView,
    HostView,
    bwrap_argv,
    probe_argv,
    python_directories,
    survey_host,
)

HOST = HostView(
    links=(("usr/bin", Path("/bin")),),
    directories=(Path("/opt/hive/.venv"),),
    files=(Path("/etc/hosts"),),
    hidden=(Path("/opt/hive/.venv/home"),),
)
ALICE = AgentView(
    state=Path("/home/agents/alice/state"),
    claude=Path("/home/agents/alice/claude"),
    run=Path("/run/hyperhive/agents/alice"),
    passwd=Path("/home/local/etc/passwd"),
    group=Path("/home/local/etc/group"),
)


def test_the_whole_command_line() -> None:
    argv = bwrap_argv("/usr/bin/bwrap", HOST, ALICE, status_fd=7, command=["python", "-m", "x"])
    assert argv == [
        "/usr/bin/bwrap",
        "--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--new-session",
        "--cap-drop", "ALL",
        "--json-status-fd", "7",
        "--proc", "/proc",
        "--dev", "/dev",
        "--tmpfs", "/tmp",  # noqa: S108 - the sandbox's own
        "--tmpfs", "/root",
        "--ro-bind", "/usr", "/usr",
        "--symlink", "usr/bin", "/bin",
        "--ro-bind", "/opt/hive/.venv", "/opt/hive/.venv",
        "--ro-bind", "/etc/hosts", "/etc/hosts",
        "--ro-bind", "/home/local/etc/passwd", "/etc/passwd",
        "--ro-bind", "/home/local/etc/group", "/etc/group",
        "--tmpfs", "/opt/hive/.venv/home",
        "--bind", "/home/agents/alice/state", "/state",
        "--bind", "/home/agents/alice/claude", "/root/.claude",
        "--ro-bind", "/run/hyperhive/agents/alice", "/run/hive",
        "--chdir", "/state",
        "--", "python", "-m", "x",
    ]  # fmt: skip


def test_no_value_of_the_environment_is_an_argument() -> None:
    argv = bwrap_argv("bwrap", HOST, ALICE, status_fd=7, command=["x"])
    assert "--setenv" not in argv


def test_the_probe_makes_the_same_kind_of_sandbox() -> None:
    assert probe_argv("bwrap", HOST) == [
        "bwrap", "--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--cap-drop", "ALL",
        "--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin",
        "--proc", "/proc", "--dev", "/dev", "--", "/bin/sh", "-c", ":",
    ]  # fmt: skip


def test_this_python_and_the_editable_sources_are_shown() -> None:
    shown = python_directories()
    for needed in (Path(sys.prefix), Path(sys.executable).resolve(), Path(__file__).parents[1]):
        if needed == Path(__file__).parents[1]:
            needed = needed / "src"  # noqa: PLW2901 - the sources, not the tests
        assert any(needed.is_relative_to(one) for one in (*shown, Path("/usr"))), needed


def test_neither_the_root_nor_anybodys_home_is_shown() -> None:
    host = survey_host(private=[], programs=[])
    homes = {Path("/"), Path("/home"), Path("/root"), Path("/etc"), Path("/run"), Path("/var")}
    assert homes.isdisjoint(host.directories)
    assert homes.isdisjoint(host.files)
    assert Path("/etc/shadow") not in host.files


def test_the_hives_own_directories_are_hidden_where_they_would_show(tmp_path: Path) -> None:
    inside = Path(sys.prefix) / "hive-home"
    host = survey_host(private=[inside, tmp_path], programs=[])
    assert host.hidden == (inside.resolve(),)


@pytest.mark.parametrize(("name", "shows_directory"), [("claude", False), ("cli.js", True)])
def test_a_claude_cli_of_the_operators_is_shown_with_the_package_of_a_script(
    tmp_path: Path, name: str, *, shows_directory: bool
) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / name).touch()
    link = tmp_path / "claude-link"
    link.symlink_to(package / name)
    host = survey_host(private=[], programs=[link])
    assert {link, (package / name).resolve()} <= set(host.files)
    assert (package in host.directories) is shows_directory
