"""What every test may use."""

pytest_plugins = ["hivetesting.fixtures", "hivetesting.loopback"]
