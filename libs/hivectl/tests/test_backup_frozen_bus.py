"""The bus stands still for a backup and goes on afterwards, whatever becomes of the backup."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hivecommon.broker import server_pid_file
from hivecommon.command import run
from hivecommon.contracts.streams import INBOX
from hivecommon.errors import Unavailable
from hivectl.backup.frozen_bus import find_server, frozen
from hivectl.supervisor.process_id import ProcessId
from hivetesting.broker import Broker, running_broker
from hivetesting.fixtures import Connect

DIES_INSIDE = """
import os, signal, sys
from collections.abc import Iterator
from pathlib import Path
from hivecommon.home import HiveHome
from hivectl.backup.frozen_bus import find_server, frozen
with frozen(find_server(HiveHome(Path(sys.argv[1])))):
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A bus that nobody else in this run uses."""
    with running_broker(tmp_path / "hive") as broker:
        yield broker


def server_of(broker: Broker) -> ProcessId:
    found = find_server(broker.home)
    assert found is not None
    return found


def stands_still(server: ProcessId) -> bool:
    return psutil.Process(server.pid).status() == psutil.STATUS_STOPPED


def test_it_stands_still_for_as_long_as_the_block(own_broker: Broker) -> None:
    server = server_of(own_broker)
    with frozen(server):
        assert stands_still(server)
    assert not stands_still(server)


async def test_what_was_acknowledged_is_in_its_files(own_broker: Broker, connect: Connect) -> None:
    alice = await connect(await own_broker.register("alice"))
    await own_broker.register("bob")
    for number in range(50):
        ack = await alice.client.request("inbox.bob.alice", b"marked %d." % number)
        assert b'"seq"' in ack.data
    with frozen(server_of(own_broker)):
        stored = b"".join(
            file.read_bytes() for file in own_broker.home.jetstream.rglob(f"{INBOX.name}/**/*.blk")
        )
    for number in range(50):
        assert b"marked %d." % number in stored
    assert alice.connected


def test_it_goes_on_when_the_backup_fails(own_broker: Broker) -> None:
    server = server_of(own_broker)
    with pytest.raises(RuntimeError, match="disk full"), frozen(server):
        raise RuntimeError("disk full")
    assert not stands_still(server)


async def test_it_goes_on_when_the_backup_is_killed(own_broker: Broker, connect: Connect) -> None:
    home = str(own_broker.home.root)
    died = await run([sys.executable, "-c", DIES_INSIDE, home], timeout_s=30, env={})
    assert died.code == -signal.SIGKILL
    await connect(own_broker.operator_login())
    assert not stands_still(server_of(own_broker))


def test_a_bus_that_went_on_meanwhile_makes_no_backup(own_broker: Broker) -> None:
    server = server_of(own_broker)
    with pytest.raises(Unavailable, match="went on"), frozen(server):
        go_on(server)


def go_on(server: ProcessId) -> None:
    server.signal(signal.SIGCONT)
    while stands_still(server):
        pass


def test_a_number_that_is_another_process_by_now_is_not_taken_for_the_bus(tmp_path: Path) -> None:
    with running_broker(tmp_path / "hive") as broker:
        file = server_pid_file(broker.home)
    assert find_server(broker.home) is None
    for left in (str(os.getpid()), "", "no number", "-1", "999999999"):
        file.write_text(left)
        assert find_server(broker.home) is None
