"""Logs reach the bus as they reach standard output."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hivecommon.log import configure
from hivetesting.broker import Broker, running_broker
from hivetesting.fixtures import Connect


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A bus of its own: thousands of lines are nothing for the one that all tests share."""
    with running_broker(tmp_path) as running:
        yield running


@pytest.fixture(autouse=True)
def _as_before(broker: Broker, connect: Connect) -> Iterator[None]:
    # Asking for `connect` undoes the logging before connections are closed, which logs.
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers.clear()


async def test_a_line_is_the_same_on_stdout_and_on_the_bus(
    broker: Broker, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = await connect(broker.operator_login())
    tail = await operator.client.subscribe("log.dashboard.>")
    await operator.client.flush()
    bus = await connect(broker.service_login("dashboard"))
    bus_log = configure("dashboard")
    structlog.get_logger().info("agent_started", agent="alice", text="\x1b[31m<b>")
    logging.getLogger("uvicorn").error("it broke")
    await bus_log.flush(bus)
    lines = [await tail.next_msg(timeout=5) for _ in range(2)]
    assert [line.subject for line in lines] == ["log.dashboard.info", "log.dashboard.error"]
    shown = capsys.readouterr().out.splitlines()
    assert [json.loads(line.data) for line in lines] == [json.loads(line) for line in shown[:2]]
    first = json.loads(lines[0].data)
    assert (first["event"], first["agent"], first["source"]) == (
        "agent_started",
        "alice",
        "dashboard",
    )
    assert first["ts"].endswith("Z")


async def test_lines_of_an_outage_are_kept_the_newest_first_and_the_loss_is_said(
    broker: Broker, connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = await connect(broker.operator_login())
    tail = await operator.client.subscribe("log.dashboard.>")
    await operator.client.flush()
    bus_log = configure("dashboard")
    for number in range(2005):
        structlog.get_logger().info("line", number=number)
    bus = await connect(broker.service_login("dashboard"))
    await bus_log.flush(bus)
    first = json.loads((await tail.next_msg(timeout=5)).data)
    assert first["number"] == 5
    await bus_log.flush(bus)
    await bus.client.flush()
    assert '"count":5' in capsys.readouterr().out


def test_an_enormous_line_is_cut_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    configure("dashboard")
    structlog.get_logger().info("big", blob="x" * 100_000)
    line = json.loads(capsys.readouterr().out)
    assert line["event"] == "big"
    assert line["omitted_bytes"] > 100_000


def test_a_traceback_is_data_not_lines(capsys: pytest.CaptureFixture[str]) -> None:
    configure("dashboard")
    try:
        int("a\nb")
    except ValueError:
        structlog.get_logger().exception("failed")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1
    assert json.loads(lines[0])["exception"][0]["exc_type"] == "ValueError"


def test_no_local_variable_reaches_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    configure("dashboard")

    def connect(seed: str) -> None:
        raise ValueError(len(seed))

    try:
        connect("SUAOPENSESAME")
    except ValueError:
        structlog.get_logger().exception("failed")
    said = capsys.readouterr().out
    assert '"name":"connect"' in said
    assert "OPENSESAME" not in said
