"""Copies of source trees that may be written to, whatever they are copied from."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hive_lifecycle import source_tree
from hive_lifecycle.source_tree import copy_writable, remove_tree
from hivecommon.errors import HiveError


@pytest.fixture
def store_path(tmp_path: Path) -> Iterator[Path]:
    """A tree as the Nix store has it: no file and no directory of it may be written."""
    root = tmp_path / "store"
    (root / "sub/deeper").mkdir(parents=True)
    (root / "agent.nix").write_text("{ }\n")
    (root / "sub/run.sh").write_text("#!/bin/sh\n")
    (root / "sub/run.sh").chmod(0o555)
    (root / "sub/deeper/notes").write_text("notes")
    (root / "link").symlink_to("agent.nix")
    for path in (root / "agent.nix", root / "sub/deeper/notes"):
        path.chmod(0o444)
    for path in (root / "sub/deeper", root / "sub", root):
        path.chmod(0o555)
    yield root
    remove_tree(root)


def test_s13_a_read_only_tree_becomes_one_that_can_be_edited(
    store_path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy_writable(store_path, copy)
    modes = {
        str(path.relative_to(copy)): stat.S_IMODE(path.lstat().st_mode)
        for path in copy.rglob("*")
        if not path.is_symlink()
    }
    assert modes == {
        "agent.nix": 0o644, "sub": 0o755, "sub/run.sh": 0o755, "sub/deeper": 0o755,
        "sub/deeper/notes": 0o644,
    }  # fmt: skip
    assert (copy / "link").readlink() == Path("agent.nix")
    if os.getuid():  # root may write anything anyway
        assert not os.access(store_path / "agent.nix", os.W_OK)
    (copy / "sub/deeper/new").write_text("new")
    (copy / "agent.nix").write_text("{ x = 1; }\n")
    assert (store_path / "agent.nix").read_text() == "{ }\n"


def test_links_are_never_followed_and_git_is_left_out(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("hidden")
    source = tmp_path / "source"
    (source / ".git").mkdir(parents=True)
    (source / "out").symlink_to(secret)
    copy_writable(source, tmp_path / "copy")
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["out"]
    assert (tmp_path / "copy/out").is_symlink()


def test_a_planted_pipe_is_refused_and_nothing_of_the_copy_remains(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "a").write_text("a")
    os.mkfifo(source / "pipe")
    with pytest.raises(HiveError, match="neither a file nor a directory"):
        copy_writable(source, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_tree_that_is_too_large_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    with (source / "huge").open("wb") as huge:
        huge.truncate(source_tree.MAX_TREE_BYTES + 1)
    with pytest.raises(HiveError, match="too large") as caught:
        copy_writable(source, tmp_path / "copy")
    assert caught.value.code == "bad_tree"
    assert not (tmp_path / "copy").exists()


def test_removing_a_tree_takes_the_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    remove_tree(tmp_path / "link")
    remove_tree(tmp_path / "never-there")
    assert [path.name for path in tmp_path.iterdir()] == ["real"]
