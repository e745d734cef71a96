"""The commands that containers are driven with, where their answers decide something."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hive_lifecycle.containers import Containers
from hive_lifecycle.nixos_config import read_nixos_config
from hivecommon.command import Completed

UNIT = ["journalctl", "-u", "container@h-alice.service", "-n", "3", "-o", "cat"]


@pytest.mark.parametrize(
    ("nspawns", "everybodys", "words"),
    [
        (b"Failed to stat /x\n", b"", "Failed to stat /x"),
        (b"one\n\n two \n", b"", "one; two"),
        (b"", b"container@h-alice.service: Failed\n", "container@h-alice.service: Failed"),
        (b"", b"", ""),
    ],
)
async def test_the_last_words_are_the_containers_own_if_it_said_any(
    tmp_path: Path, nspawns: bytes, everybodys: bytes, words: str
) -> None:
    asked: list[list[str]] = []

    async def run(argv: Sequence[str], **_options: object) -> Completed:
        asked.append(list(argv))
        return Completed(tuple(argv), 0, nspawns if "-t" in argv else everybodys, b"")

    config = read_nixos_config({"HIVE_META_HYPERHIVE": "path:/hive"})
    containers = Containers(config, run, tmp_path)
    assert await containers.last_words("h-alice") == words
    assert asked[0] == [*UNIT, "-t", "container h-alice", "--no-pager"]
    assert asked[1:] == ([] if nspawns else [[*UNIT, "--no-pager"]])
