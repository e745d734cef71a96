"""Settings, versions and files with secrets."""

import os
import stat
from pathlib import Path

import pytest
from hive_forge_gw import tokenfile
from hive_forge_gw.config import Config, read_config
from hive_forge_gw.forge import product, supported
from hive_forge_gw.store import Account, Store
from hivecommon.environment import read_environment
from hivecommon.errors import HiveError


def config(tmp_path: Path, **environ: str) -> Config:
    given = {
        "HIVE_HOME": str(tmp_path),
        "HIVE_RUN": str(tmp_path),
        "HOME": str(tmp_path),
        **environ,
    }
    return read_config(read_environment(given, uid=1), given)


def test_nothing_set_is_a_hive_without_a_forge(tmp_path: Path) -> None:
    found = config(tmp_path)
    assert (found.url, found.token_file, found.webhook_url) == ("", None, "")
    assert found.default_repo == "hive/work"


def test_systemd_s_credential_is_the_token_file_unless_one_is_named(tmp_path: Path) -> None:
    assert config(tmp_path, CREDENTIALS_DIRECTORY="/run/c").token_file == Path(
        "/run/c/forge-admin-token"
    )
    chosen = {"HIVE_FORGE_TOKEN_FILE": "/t", "CREDENTIALS_DIRECTORY": "/run/c"}
    named = config(tmp_path, **chosen)
    assert named.token_file == Path("/t")


def test_every_wrong_variable_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(HiveError) as caught:
        config(
            tmp_path, HIVE_FORGE_URL="ftp://x", HIVE_FORGE_ORG="a b", HIVE_FORGE_WEBHOOK_PORT="70000",
            HIVE_FORGE_POLL_S="0", HIVE_FORGE_WEBHOOK_URL="http://user:pass@x",
        )  # fmt: skip
    for name in ("URL", "ORG", "WEBHOOK_PORT", "POLL_S", "WEBHOOK_URL"):
        assert f"HIVE_FORGE_{name}=" in caught.value.message


@pytest.mark.parametrize(
    ("version", "name", "good"),
    [
        ("15.0.3+gitea-1.22.0", "Forgejo", True),
        ("11.0.0+gitea-1.22.0", "Forgejo", True),
        ("10.0.3+gitea-1.22.0", "Forgejo", False),
        ("16.0.0-dev-12-abc+gitea-1.22.0", "Forgejo", True),
        ("1.26.0", "Gitea", True),
        ("1.28.0+dev-3-gabc", "Gitea", True),
        ("1.21.11", "Gitea", False),
        ("v-next", "a forge", True),
    ],
)
def test_versions_are_read_as_the_forges_write_them(version: str, name: str, *, good: bool) -> None:
    assert (product(version)[0], supported(version)) == (name, good)


def test_reading_follows_no_link_and_waits_for_no_pipe(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    (tmp_path / "big").write_bytes(b"x" * 5000)
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    assert tokenfile.read_inside(tmp_path, "real") == b"x"
    for name in ("link", "pipe", "folder", "big", "missing"):
        assert tokenfile.read_inside(tmp_path, name) is None
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    assert tokenfile.read_inside(tmp_path / "elsewhere", "real") is None


def test_writing_replaces_a_link_and_leaves_its_target_alone(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("precious")
    (tmp_path / "token").symlink_to(tmp_path / "target")
    tokenfile.write_inside(tmp_path, "token", b"new", mode=0o600)
    assert (tmp_path / "token").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "token").lstat().st_mode) == 0o600
    assert (tmp_path / "target").read_text() == "precious"


def test_what_a_kill_left_of_a_token_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / ".forge-token.1.ab.tmp").write_text("half a tok")
    (tmp_path / ".forge-token.2.ab.tmp").mkdir()
    assert tokenfile.sweep(tmp_path) == 1
    assert not (tmp_path / ".forge-token.1.ab.tmp").exists()


def test_the_store_keeps_deliveries_over_a_rename_and_forgets_with_the_account(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "forge.sqlite")
    store.put_account(Account("alice", 1, "1:2", looked_at=5))
    assert store.begin_delivery("alice", "c1", 1)
    assert not store.begin_delivery("alice", "c1", 2)
    assert store.delivered("alice") == set()
    store.end_delivery("alice", "c1")
    store.saw("alice", "i1", 9)
    store.saw("alice", "i1", 7)
    store.rename_account("alice", "carol")
    assert (store.delivered("carol"), store.seen_at("carol", "i1")) == ({"c1"}, 9)
    assert store.account("alice") is None
    store.forget_account("carol")
    assert (store.delivered("carol"), store.accounts()) == (set(), [])
    store.close()


def test_a_database_of_a_newer_hive_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "forge.sqlite")
    store._db.execute("PRAGMA user_version = 99")  # noqa: SLF001 - as a later version would
    store.close()
    with pytest.raises(HiveError, match="written by a newer hyperhive"):
        Store(tmp_path / "forge.sqlite")
