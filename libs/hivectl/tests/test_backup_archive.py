"""What is in an archive stays inside of the hive that it is unpacked to; a damaged one leaves nothing."""

import gzip
import io
import os
import sqlite3
import tarfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hivecommon.environment import HiveEnvironment, read_environment
from hivecommon.errors import HiveError
from hivectl.backup.archive import DESCRIPTION, Description, writing
from hivectl.backup.restoring import check, restore
from hivectl.backup.saving import Saved, save

NOW = datetime(2026, 11, 26, 21, 31, tzinfo=UTC)


def hive_in(root: Path) -> HiveEnvironment:
    return read_environment(
        {"HIVE_HOME": str(root), "HIVE_RUN": str(root) + ".run"}, uid=os.getuid()
    )


@pytest.fixture
def hive(tmp_path: Path) -> HiveEnvironment:
    """A hive at rest, with all that may stand in an agent's directory."""
    environment = hive_in(tmp_path / "hive")
    home = environment.home
    state = home.agents / "alice/state"
    for directory in (home.jetstream / "jetstream", home.keys, state / "deep/er"):
        directory.mkdir(parents=True)
    with closing(sqlite3.connect(home.approvals_db)) as database, database:
        database.execute("create table approval (id integer)")
        database.execute("insert into approval values (17)")
    (home.jetstream / "jetstream/1.blk").write_bytes(b"\0messages\xff")
    (home.jetstream / "nats-server.pid").write_text("1")
    (home.keys / "seed.nk").write_text("seed")
    (home.keys / "seed.nk").chmod(0o400)
    (home.root / "up.json").write_text("{}")
    (state / "deep/er/note").write_text("it is deep here")
    (state / "run.sh").write_text("true")
    (state / "run.sh").chmod(0o4755)
    (state / "outside").symlink_to("/etc/shadow")
    (state / "there").symlink_to("deep")
    (state / os.fsdecode(b"caf\xe9 \x1b[31m")).write_text("named by an agent")
    os.mkfifo(state / "pipe")
    return environment


def saved(hive: HiveEnvironment, file: Path) -> Saved:
    with file.open("wb") as stream:
        return save(hive, stream, file.parent, NOW, "1.2.3")


def test_all_comes_back_as_it_was(hive: HiveEnvironment, tmp_path: Path) -> None:
    result = saved(hive, tmp_path / "b")
    other = hive_in(tmp_path / "deep/other")

    with (tmp_path / "b").open("rb") as stream:
        description, files = restore(other, stream)

    assert description.agents == ["alice"]
    assert (description.running, description.created_at) == (False, NOW)
    assert files == result.files
    state = other.home.agents / "alice/state"
    assert (state / "deep/er/note").read_text() == "it is deep here"
    assert (state / "outside").readlink() == Path("/etc/shadow")
    assert (state / "there").readlink() == Path("deep")
    assert (state / os.fsdecode(b"caf\xe9 \x1b[31m")).read_text() == "named by an agent"
    assert (state / "run.sh").stat().st_mode & 0o7777 == 0o755, "no set-uid bit comes back"
    assert (other.home.keys / "seed.nk").stat().st_mode & 0o777 == 0o400
    assert (other.home.jetstream / "jetstream/1.blk").read_bytes() == b"\0messages\xff"
    before = (hive.home.agents / "alice/state/deep/er/note").stat()
    assert abs((state / "deep/er/note").stat().st_mtime - before.st_mtime) < 0.001
    with closing(sqlite3.connect(other.home.approvals_db)) as database:
        assert database.execute("select id from approval").fetchone() == (17,)
    assert other.home.root.stat().st_mode & 0o777 == 0o700


def test_what_is_of_the_moment_is_not_in_it_and_what_cannot_be_is_said(
    hive: HiveEnvironment, tmp_path: Path
) -> None:
    result = saved(hive, tmp_path / "b")
    with tarfile.open(tmp_path / "b") as tar:
        names = tar.getnames()
    assert len(names) == len(set(names))
    assert not {"up.json", "up.lock", "bus/jetstream/nats-server.pid"} & set(names)
    assert result.left_out == ["agents/alice/state/pipe"]
    assert result.unread == []


def test_an_agents_database_that_is_a_link_is_missing_and_said(
    hive: HiveEnvironment, tmp_path: Path
) -> None:
    planted = hive.home.agents / "alice/state/hyperhive-events.sqlite"
    planted.symlink_to("/etc/passwd")
    result = saved(hive, tmp_path / "b")
    (reason,) = result.unread
    assert "hyperhive-events.sqlite" in reason
    assert b"root:x:0" not in gzip.decompress((tmp_path / "b").read_bytes())


def test_what_went_with_its_directory_while_it_was_copied_can_be_restored(tmp_path: Path) -> None:
    status = tmp_path.stat()
    (tmp_path / "copy").write_text("copied before its directory went")
    stream = io.BytesIO()
    description = Description(
        format=1, version="9", created_at=NOW, home="/", runtime="local", running=True, agents=[]
    )
    with writing(stream) as writer, (tmp_path / "copy").open("rb") as content:
        writer.describe(description)
        writer.file("agents/alice/state/x.sqlite", status, content)
    stream.seek(0)
    other = hive_in(tmp_path / "other")
    restore(other, stream)
    assert (other.home.agents / "alice/state/x.sqlite").read_text().startswith("copied")


def test_a_place_that_is_not_empty_is_left_alone(hive: HiveEnvironment, tmp_path: Path) -> None:
    saved(hive, tmp_path / "b")
    other = hive_in(tmp_path / "other")
    other.home.root.mkdir()
    (other.home.root / "mine").write_text("mine")
    with (tmp_path / "b").open("rb") as stream, pytest.raises(HiveError) as caught:
        restore(other, stream)
    assert caught.value.code == "refused"
    assert [file.name for file in other.home.root.iterdir()] == ["mine"]


@pytest.mark.parametrize("part", [0.0, 0.1, 0.5, 0.99, 0.9999])
def test_a_backup_that_is_cut_off_is_refused_whole(
    part: float, hive: HiveEnvironment, tmp_path: Path
) -> None:
    saved(hive, tmp_path / "b")
    whole = (tmp_path / "b").read_bytes()
    cut = io.BytesIO(whole[: int(len(whole) * part)])
    refused(hive_in(tmp_path / "new"), cut)


def test_a_flipped_bit_is_seen(hive: HiveEnvironment, tmp_path: Path) -> None:
    saved(hive, tmp_path / "b")
    damaged = bytearray((tmp_path / "b").read_bytes())
    damaged[-6] ^= 1  # in the checksum
    refused(hive_in(tmp_path / "new"), io.BytesIO(damaged))


def refused(environment: HiveEnvironment, stream: io.BytesIO) -> HiveError:
    """See that neither looking at it nor restoring it works, and that nothing is left behind."""
    with pytest.raises(HiveError) as caught:
        check(stream)
    assert caught.value.code == "bad_backup"
    stream.seek(0)
    beside = set(environment.home.root.parent.iterdir())
    with pytest.raises(HiveError) as caught:
        restore(environment, stream)
    assert caught.value.code == "bad_backup"
    assert caught.value.hint
    assert set(environment.home.root.parent.iterdir()) == beside
    return caught.value


def crafted(*members: tarfile.TarInfo, form: int = 1) -> io.BytesIO:
    description = Description(
        format=form,
        version="9",
        created_at=NOW,
        home="/",
        runtime="local",
        running=False,
        agents=[],
    )
    content = msgspec.json.encode(description)
    first = tarfile.TarInfo(DESCRIPTION)
    first.size = len(content)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        tar.addfile(first, io.BytesIO(content))
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return io.BytesIO(gzip.compress(stream.getvalue()))


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    info.size = 1 if kind == tarfile.REGTYPE else 0
    return info


@pytest.mark.parametrize(
    "members",
    [
        [member("../evil")],
        [member("/evil")],
        [member("a/../../evil")],
        [member("no/such/directory")],
        [member("a", tarfile.SYMTYPE, ".."), member("a/evil")],
        [member("a", tarfile.SYMTYPE, "/etc/evil"), member("a")],
        [member("a"), member("a")],
        [member("a"), member("b", tarfile.LNKTYPE, "a")],
        [member("a", tarfile.CHRTYPE)],
        [member("a", tarfile.FIFOTYPE)],
        [member(".")],
    ],
)  # fmt: skip
def test_what_leads_outside_is_refused(members: list[tarfile.TarInfo], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    refused(hive_in(tmp_path / "in/new"), crafted(*members))
    assert [file.name for file in tmp_path.iterdir()] == ["in"]


def test_a_format_of_another_time_names_the_version(tmp_path: Path) -> None:
    error = refused(hive_in(tmp_path / "new"), crafted(form=2))
    assert "version" in error.hint


@pytest.mark.parametrize(
    "content", [b"", b"no backup", gzip.compress(b"no tar"), gzip.compress(b"")]
)
def test_any_other_file_is_refused(content: bytes, tmp_path: Path) -> None:
    refused(hive_in(tmp_path / "new"), io.BytesIO(content))


def test_where_there_is_no_hive_nothing_is_saved(tmp_path: Path) -> None:
    with pytest.raises(HiveError) as caught:
        saved(hive_in(tmp_path / "none"), tmp_path / "b")
    assert caught.value.code == "no_hive"
    assert "HIVE_HOME" in caught.value.hint
