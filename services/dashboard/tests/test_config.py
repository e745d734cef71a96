"""Settings: which names browsers may use, and where the link leads."""

import pytest
from hive_dashboard.config import DashboardConfig, read_config
from hivecommon.environment import read_environment
from hivecommon.errors import HiveError
from hiveweb.hosts import LOOPBACK_HOSTS


def config(**environ: str) -> DashboardConfig:
    return read_config(read_environment({"HOME": "/home/x", **environ}, uid=1000), environ)


def test_only_loopback_names_are_answered_by_default() -> None:
    assert config().hosts == LOOPBACK_HOSTS
    assert config().link(7000, "T") == "http://127.0.0.1:7000/#ticket=T"


def test_further_names_are_answered_and_the_link_uses_one_on_a_wildcard_address() -> None:
    read = config(HIVE_DASHBOARD_HOST="0.0.0.0", HIVE_DASHBOARD_NAMES="Hive.example, proxy.lan")  # noqa: S104 - the case in question

    assert read.hosts == LOOPBACK_HOSTS | {"hive.example", "proxy.lan"}
    assert read.link(7001, "T") == "http://hive.example:7001/#ticket=T"


@pytest.mark.parametrize(("host", "shown"), [("192.0.2.7", "192.0.2.7"), ("fe80::1", "[fe80::1]")])
def test_the_address_that_is_listened_on_is_answered(host: str, shown: str) -> None:
    read = config(HIVE_DASHBOARD_HOST=host)

    assert shown in read.hosts
    assert read.link(7000, "T") == f"http://{shown}:7000/#ticket=T"


@pytest.mark.parametrize("names", ["http://hive", "hive:7000", "a b", "*", "hive/path"])
def test_a_name_that_is_none_is_named_with_its_variable(names: str) -> None:
    with pytest.raises(HiveError, match="HIVE_DASHBOARD_NAMES") as refused:
        config(HIVE_DASHBOARD_NAMES=names)
    assert refused.value.code == "bad_environment"
