"""Ports: waited for, exclusive, and named when they stay taken."""

import socket

import pytest
from hivecommon.errors import HiveError
from hivecommon.listen import listen
from hivetesting.broker import free_port


class NoPatience(Exception):
    pass


class Clock:
    """Counts the time that would have been slept, and lets something happen after a while."""

    def __init__(self, holder: socket.socket, free_after_s: float) -> None:
        self.slept_s = 0.0
        self._holder = holder
        self._free_after_s = free_after_s

    async def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        if self.slept_s >= self._free_after_s:
            self._holder.close()


def hold(port: int) -> socket.socket:
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", port))
    holder.listen()
    return holder


async def test_a_port_taken_for_ten_seconds_is_waited_for() -> None:
    port = free_port()
    clock = Clock(hold(port), free_after_s=10)
    with await listen("127.0.0.1", port, option="X", sleep=clock.sleep) as listener:
        assert listener.getsockname()[1] == port
    assert 10 <= clock.slept_s < 13


async def test_a_port_taken_for_good_is_named_with_the_option_after_22_seconds() -> None:
    port = free_port()
    clock = Clock(hold(port), free_after_s=9999)
    with pytest.raises(HiveError) as caught:
        await listen("127.0.0.1", port, option="HIVE_DASHBOARD_PORT", sleep=clock.sleep)
    assert caught.value.code == "port_taken"
    assert str(port) in caught.value.message
    assert "HIVE_DASHBOARD_PORT" in caught.value.hint
    assert clock.slept_s == pytest.approx(21.5)
    clock._holder.close()  # noqa: SLF001 - the test's own


async def test_two_listeners_on_one_port_are_impossible() -> None:
    port = free_port()

    async def no_patience(_seconds: float) -> None:
        raise NoPatience

    with await listen("127.0.0.1", port, option="X") as first:
        assert first.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
        with pytest.raises(NoPatience):
            await listen("127.0.0.1", port, option="X", sleep=no_patience)


async def test_another_error_is_not_waited_for() -> None:
    with pytest.raises(HiveError) as caught:
        await listen("192.0.2.1", 80, option="X")
    assert caught.value.code == "cannot_listen"
