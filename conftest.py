"""What every test may use."""

import pytest

pytest_plugins = ["hivetesting.fixtures", "hivetesting.loopback"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of tests that can do more than the default run has time for."""
    kills = parser.getgroup("kills", "tests/test_kills.py")
    kills.addoption("--kills", type=int, default=6, help="how often something is killed")
    kills.addoption("--outage-s", type=float, default=8, help="how long the bus is away at once")
    kills.addoption("--kill-seed", type=int, default=None, help="repeats the moments of a run")
