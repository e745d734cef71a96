"""lifecycle's settings: what is read, what is refused."""

import sys
from pathlib import Path

import pytest
from hive_lifecycle.config import LifecycleConfig, read_config
from hivecommon.environment import read_environment
from hivecommon.errors import HiveError


def read(**variables: str) -> LifecycleConfig:
    environ = {"HIVE_HOME": "/h", "HIVE_RUN": "/r", **variables}
    return read_config(environ, read_environment(environ, uid=0))


def test_the_harness_is_a_module_of_this_python_that_imports_nothing_of_the_agents() -> None:
    assert read().harness == (sys.executable, "-P", "-m", "hive_harness")


def test_another_harness_can_be_named() -> None:
    command = read(HIVE_HARNESS_COMMAND="/bin/fake --name 'a b'").harness
    assert command == ("/bin/fake", "--name", "a b")


@pytest.mark.parametrize(
    ("choice", "found", "required"),
    [("", True, False), ("auto", True, False), ("require", True, True), ("off", False, False)],
)
def test_a_sandbox_is_looked_for_unless_it_is_switched_off(
    tmp_path: Path, choice: str, *, found: bool, required: bool
) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.touch(mode=0o755)
    config = read(HIVE_SANDBOX=choice, PATH=str(tmp_path))
    assert config.bwrap == (str(bwrap) if found else None)
    assert config.sandbox_required is required


@pytest.mark.parametrize(
    ("variable", "value"), [("HIVE_SANDBOX", "maybe"), ("HIVE_CLAUDE_CLI", "claude")]
)
def test_a_wrong_value_is_named_with_its_variable(variable: str, value: str) -> None:
    with pytest.raises(HiveError) as caught:
        read(**{variable: value})
    assert caught.value.code == "bad_environment"
    assert f"{variable}={value!r}" in caught.value.message
