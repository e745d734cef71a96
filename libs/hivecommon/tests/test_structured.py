"""What a service does not load."""

import sys

import pytest
from hivecommon.command import run


@pytest.mark.parametrize(
    "module", ["hive_lifecycle", "hive_approvals", "hive_dashboard", "hive_harness"]
)
async def test_no_service_loads_rich_at_its_start(module: str) -> None:
    code = f"import {module}.__main__, structlog, sys; print('rich' in sys.modules)"
    done = await run([sys.executable, "-c", code], timeout_s=60)
    assert done.check().stdout == b"False\n"


async def test_rich_is_there_for_whoever_wants_it_later() -> None:
    code = "from hivecommon.structured import structlog; import rich.console; print('here')"
    done = await run([sys.executable, "-c", code], timeout_s=60)
    assert done.check().stdout == b"here\n"
