"""The conf file of a container, read as systemd reads it and rewritten by us."""

from pathlib import Path

import pytest
from hive_lifecycle.nspawn_conf import (
    Bind,
    drop_capabilities,
    load_conf,
    read_conf,
    set_nspawn_flags,
    write_conf,
)
from hivecommon.errors import HiveError

# What `nixos-container create` writes for the first container of a host.
CREATED = """PRIVATE_NETWORK=1
HOST_ADDRESS=10.233.1.1
LOCAL_ADDRESS=10.233.1.2
HOST_BRIDGE=
HOST_PORT=
AUTO_START=0
FLAKE=/var/lib/hyperhive/meta
"""
BINDS = [
    Bind("/var/lib/hyperhive/agents/alice/claude", "/root/.claude"),
    Bind("/var/lib/hyperhive/agents/alice/state", "/state"),
    Bind("/run/hyperhive/agents/alice", "/run/hive"),
]
FLAGS = (
    "--bind=/var/lib/hyperhive/agents/alice/claude:/root/.claude"
    " --bind=/var/lib/hyperhive/agents/alice/state:/state"
    " --bind=/run/hyperhive/agents/alice:/run/hive"
    " --drop-capability=CAP_NET_RAW,CAP_NET_BIND_SERVICE"
)


def test_s1_binds_go_into_extra_nspawn_flags() -> None:
    conf = set_nspawn_flags(CREATED, BINDS, [drop_capabilities()])
    assert read_conf(conf)["EXTRA_NSPAWN_FLAGS"] == FLAGS
    assert f'EXTRA_NSPAWN_FLAGS="{FLAGS}"\n' in conf


def test_s3_a_conf_from_create_loses_its_addresses_and_its_private_network() -> None:
    assert set_nspawn_flags(CREATED, BINDS, [drop_capabilities()]) == (
        "PRIVATE_NETWORK=0\n"
        "HOST_ADDRESS=\n"
        "LOCAL_ADDRESS=\n"
        "HOST_BRIDGE=\n"
        "HOST_PORT=\n"
        "AUTO_START=0\n"
        "FLAKE=/var/lib/hyperhive/meta\n"
        "HOST_ADDRESS6=\n"
        "LOCAL_ADDRESS6=\n"
        "LOCAL_MAC_ADDRESS=\n"
        f'EXTRA_NSPAWN_FLAGS="{FLAGS}"\n'
    )


@pytest.mark.parametrize(
    "key",
    [
        "HOST_ADDRESS",
        "LOCAL_ADDRESS",
        "HOST_ADDRESS6",
        "LOCAL_ADDRESS6",
        "LOCAL_MAC_ADDRESS",
        "HOST_BRIDGE",
        "HOST_PORT",
        "NETWORK_NAMESPACE_PATH",
        "INTERFACES",
        "MACVLANS",
        "PRIVATE_USERS",
    ],
)
@pytest.mark.parametrize(
    "line", ["{}=x\n", '{}="x"\n', "  {} = x\n", "{}=\n{}=x\n", "{}=x", "{}='x'\\\n \n"]
)
def test_s3_whatever_gives_a_network_of_its_own_is_cleared(key: str, line: str) -> None:
    conf = line.replace("{}", key)
    assert read_conf(conf)[key].strip() == "x"
    once = set_nspawn_flags(conf, BINDS)
    assert read_conf(once)[key] == ""
    assert read_conf(once)["PRIVATE_NETWORK"] == "0"


STRANGE_CONFS = [
    "",
    "\n\n",
    CREATED,
    CREATED.rstrip("\n"),
    "# mine\n;also mine\n" + CREATED,
    "# a comment that ends in a backslash \\\nPRIVATE_NETWORK=1\n",
    'EXTRA_NSPAWN_FLAGS="--bind=/old:/old"\nEXTRA_NSPAWN_FLAGS=--bind=/older:/older\n',
    "export EXTRA_NSPAWN_FLAGS=ignored\n",
    'NOTE="two\nlines"\nPRIVATE_NETWORK=1\n',
    "NOTE=one \\\n  two\nX=1\nX=2\n",
    "nonsense without an equals sign\n=x\n1A=x\n\x00=\n",
    "HOST_ADDRESS=1\r\nX=2\r\n",
    "HIVE_EXTRA_NSPAWN_FLAGS=--bind-ro=/srv/data:/data\n",
    "NAME=\udcff\udcfe\n",
]


@pytest.mark.parametrize("conf", STRANGE_CONFS)
def test_twice_in_a_row_gives_the_same_bytes(conf: str) -> None:
    once = set_nspawn_flags(conf, BINDS, [drop_capabilities()])
    assert set_nspawn_flags(once, BINDS, [drop_capabilities()]) == once


@pytest.mark.parametrize("conf", STRANGE_CONFS)
def test_keys_that_are_not_ours_keep_their_values(conf: str) -> None:
    today = read_conf(conf)
    after = read_conf(set_nspawn_flags(conf, BINDS))
    ours = {"HOST_ADDRESS", "LOCAL_ADDRESS", "PRIVATE_NETWORK", "EXTRA_NSPAWN_FLAGS"}
    assert {k: v for k, v in today.items() if k not in ours} == {
        k: v for k, v in after.items() if k in today and k not in ours
    }


def test_comments_and_unknown_keys_stay_where_they_are() -> None:
    conf = '# by hand\nSYSTEM_PATH=/x\n\n; why\nCOPY_RESOLV_CONF=1 # no comment\nNOTE="a  b"\n'
    assert set_nspawn_flags(conf, []).startswith(conf)


def test_of_duplicates_the_last_one_stays_since_it_is_the_one_that_counts() -> None:
    conf = set_nspawn_flags("X=1\nPRIVATE_NETWORK=1\nX=2\nPRIVATE_NETWORK=0\n", [])
    assert conf.startswith("X=2\nPRIVATE_NETWORK=0\n")
    assert conf.count("PRIVATE_NETWORK") == 1


def test_an_exported_line_counts_for_nothing_and_is_left_alone() -> None:
    conf = set_nspawn_flags("export PRIVATE_NETWORK=1\n", [])
    assert conf.startswith("export PRIVATE_NETWORK=1\nHOST_ADDRESS=\n")
    assert read_conf(conf)["PRIVATE_NETWORK"] == "0"


def test_a_comment_cannot_swallow_the_line_after_it_on_any_systemd() -> None:
    conf = set_nspawn_flags("# odd \\\nPRIVATE_NETWORK=1\n", [])
    assert conf.startswith("# odd \\ \nPRIVATE_NETWORK=0\n")


def test_an_operators_own_flags_come_after_ours_and_stay() -> None:
    conf = "HIVE_EXTRA_NSPAWN_FLAGS='--bind-ro=/srv/data:/data --no-new-privileges=yes'\n"
    once = set_nspawn_flags(conf, BINDS[:1])
    assert read_conf(once)["EXTRA_NSPAWN_FLAGS"] == (
        "--bind=/var/lib/hyperhive/agents/alice/claude:/root/.claude"
        " --bind-ro=/srv/data:/data --no-new-privileges=yes"
    )
    assert once.startswith(conf)


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/var/lib/my hive/state", "' '"),
        ("/srv/*", "'*'"),
        ("/srv/[a]", "'['"),
        ("/srv/a:b", "':'"),
        ("/srv/a\nb", r"'\n'"),
        ("/srv/$HOME", "'$'"),
        ('/srv/"', "'\"'"),
        ("/srv/ä", "'ä'"),
        ("state", "absolute"),
        ("", "absolute"),
        ("+/state", "absolute"),
        ("/var/lib/../etc", "'..'"),
    ],
)
def test_a_path_that_cannot_be_written_is_refused_with_the_reason(path: str, reason: str) -> None:
    for bind in (Bind(path, "/state"), Bind("/var/lib/hyperhive", path)):
        with pytest.raises(HiveError, match="cannot bind") as caught:
            set_nspawn_flags(CREATED, [bind])
        assert reason in caught.value.message
        assert repr(path) in caught.value.message
        assert caught.value.code == "container_conf"
        assert caught.value.hint


@pytest.mark.parametrize("flag", ["bind=/a:/b", "--a b", "--a=b c", "--a=$(x)", "--a=*", "-x", ""])
def test_a_flag_that_would_not_survive_the_shell_is_refused(flag: str) -> None:
    with pytest.raises(HiveError, match="would not survive"):
        set_nspawn_flags(CREATED, [], [flag])


def test_a_quote_that_never_ends_is_refused_with_its_line() -> None:
    with pytest.raises(HiveError, match="the quote in line 2 never ends"):
        set_nspawn_flags('X=1\nNOTE="open\nPRIVATE_NETWORK=1\n', BINDS)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K=plain", "plain"),
        ("K=", ""),
        ("K=  spaced out \t", "spaced out"),
        ('K="a" \'b\'"c"', "abc"),
        ('K="a"b"c"', 'ab"c"'),
        ('K=a"b c"', 'a"b c"'),
        ("K=a\\ b\\\nc", "a bc"),
        ("K=a\\ ", "a "),
        ('K="\\$x \\n \\\\ \\" \\\nz"', '$x \\n \\ " z'),
        ("K='\\$x'", "\\$x"),
        ("K=$HOME `id`", "$HOME `id`"),
        ("K=a # b", "a # b"),
        ('K="x" y', "xy"),
        ("K=a=b", "a=b"),
        ("K=1\nK=2", "2"),
        ("K=1\n#K=2", "1"),
        ("K=a\\", "a"),
    ],
)
def test_values_are_read_as_systemd_reads_them(text: str, value: str) -> None:
    assert read_conf(text) == {"K": value}


def test_writing_replaces_the_file_at_once_and_says_whether_it_changed(tmp_path: Path) -> None:
    path = tmp_path / "h-alice.conf"
    assert write_conf(path, CREATED)
    path.chmod(0o600)
    before = path.stat()
    assert not write_conf(path, CREATED)
    assert path.stat() == before
    assert write_conf(path, CREATED + "# é \udcff\n")
    assert path.stat().st_ino != before.st_ino
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_conf(path) == CREATED + "# é \udcff\n"
    assert [each.name for each in tmp_path.iterdir()] == ["h-alice.conf"]


def test_a_link_planted_at_the_temporary_name_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "h-alice.conf.tmp").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic link"):
        write_conf(tmp_path / "h-alice.conf", CREATED)
    assert victim.read_text() == "precious"
