"""The nixos runtime's settings, and whether this process may do what it needs."""

import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hive_lifecycle.limits import Limits
from hive_lifecycle.nixos_config import HostPaths, HostTools, read_nixos_config, require_access
from hivecommon.command import run
from hivecommon.errors import HiveError

HIVE = {"HIVE_META_HYPERHIVE": "path:/hive"}


def test_a_nixos_host_needs_nothing_but_the_flake() -> None:
    config = read_nixos_config(HIVE)
    assert config.paths == HostPaths()
    assert config.tools == HostTools()
    assert config.limits == Limits()
    assert config.nix_config == "extra-experimental-features = nix-command flakes"


def test_every_directory_and_program_of_the_host_can_be_another() -> None:
    environ = HIVE | {
        "HIVE_NIXOS_CONF_DIR": "/x/conf",
        "HIVE_NIXOS_ROOTS": "/x/roots",
        "HIVE_NIXOS_PROFILES": "/x/profiles",
        "HIVE_SYSTEMD_DROPINS": "/x/dropins",
        "HIVE_NIXOS_CONTAINER": "/x/nixos-container",
        "HIVE_SYSTEMCTL": "/x/systemctl",
        "HIVE_MACHINECTL": "/x/machinectl",
        "HIVE_JOURNALCTL": "/x/journalctl",
        "HIVE_FLOCK": "/x/flock",
        "HIVE_NIX": "/x/nix",
        "HYPERHIVE_GIT": "/x/git",
        "HIVE_START_TIMEOUT": "90s",
        "HIVE_BUILD_TIMEOUT": "2h",
        "HIVE_AGENT_MEMORY": "4G",
        "NIX_CONFIG": "access-tokens = github.com=x",
    }
    config = read_nixos_config(environ)
    places = [Path(f"/x/{name}") for name in ("conf", "roots", "profiles", "dropins")]
    assert list(vars(config.paths).values()) == places
    assert config.tools == HostTools(
        "/x/nixos-container", "/x/systemctl", "/x/machinectl", "/x/journalctl", "/x/flock",
        "/x/nix", "/x/git",
    )  # fmt: skip
    assert (config.start_timeout, config.build_timeout) == (
        timedelta(seconds=90),
        timedelta(hours=2),
    )
    assert config.limits == Limits(memory="4G")
    assert config.nix_config.splitlines()[0] == "access-tokens = github.com=x"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HIVE_META_HYPERHIVE", ""),
        ("HIVE_META_NIXPKGS", "a b"),
        ("HIVE_NIXOS_CONF_DIR", "etc"),
        ("HIVE_START_TIMEOUT", "soon"),
        ("HIVE_BUILD_TIMEOUT", "0s"),
        ("HIVE_START_PARALLEL", "0"),
        ("HIVE_POLL_S", "often"),
        ("HIVE_AGENT_CPU", "all"),
    ],
)
def test_a_value_that_is_none_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(HiveError) as caught:
        read_nixos_config(HIVE | {name: value})
    assert name in f"{caught.value.message} {caught.value.hint}"


REQUIRE = """
import json, sys
from pathlib import Path
from hive_lifecycle.nixos_config import HostPaths, require_access
require_access(HostPaths(conf=Path(sys.argv[1])))
"""


@pytest.mark.needs("bwrap")
@pytest.mark.parametrize(("writable", "code"), [(True, 0), (False, 1)])
async def test_only_the_directory_of_the_confs_must_be_writable_as_under_the_shipped_unit(
    tmp_path: Path,
    writable: bool,  # noqa: FBT001 - a table's column
    code: int,
) -> None:
    conf = tmp_path / "etc/nixos-containers"
    conf.mkdir(parents=True)
    # ProtectSystem=strict and ReadWritePaths=
    binds = ["--ro-bind", str(conf.parent), str(conf.parent)]
    binds += ["--bind", str(conf), str(conf)] if writable else []
    sandbox = ["bwrap", "--dev-bind", "/", "/", *binds, "--"]
    done = await run([*sandbox, sys.executable, "-c", REQUIRE, str(conf)], timeout_s=60)
    assert done.code == code, done.stderr.decode()
    assert writable or b"must be able to write" in done.stderr


def test_a_host_without_a_single_container_yet_is_fine(tmp_path: Path) -> None:
    require_access(HostPaths(conf=tmp_path / "nixos-containers"))
