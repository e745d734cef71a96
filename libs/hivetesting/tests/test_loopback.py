import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hivetesting import loopback

pytestmark = pytest.mark.skipif(
    not loopback.pytest_xdist_auto_num_workers(), reason="may not make network namespaces"
)


def test_two_workers_listen_on_the_same_port_and_each_reaches_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = taken.getsockname()

        def answer_elsewhere() -> bytes:
            loopback.leave_network()
            with (
                socket.create_server(address) as other,
                socket.create_connection(address, 5) as caller,
                other.accept()[0] as answerer,
            ):
                answerer.sendall(b"here")
                return caller.recv(4)

        # unshare(2) concerns the calling thread alone, which is why this can be tried in here.
        with ThreadPoolExecutor(1) as thread:
            assert thread.submit(answer_elsewhere).result() == b"here"
        with pytest.raises(OSError, match="in use"):
            socket.create_server(address)


def test_what_a_worker_starts_shares_its_network() -> None:
    seen: list[str] = []

    def run() -> None:
        loopback.leave_network()
        started = threading.Thread(target=lambda: seen.append(network()))
        started.start()
        started.join()
        seen.append(network())

    within = threading.Thread(target=run)
    within.start()
    within.join()
    assert len(set(seen)) == 1
    assert seen[0] != network()


def network() -> str:
    return str(Path("/proc/thread-self/ns/net").readlink())
