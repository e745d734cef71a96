from pathlib import Path

import pytest
from hivecommon.broker import operator_key
from hivecommon.errors import HiveError
from hivecommon.home import HiveHome
from hivecommon.keys import ensure_key
from hivectl.identity import login_name, operator_name


def home_with(directory: Path, *operators: str) -> HiveHome:
    home = HiveHome(directory)
    for name in operators:
        ensure_key(operator_key(home, name))
    return home


@pytest.mark.parametrize(
    ("operators", "environ", "chosen"),
    [
        (("anna", "bert"), {"HIVE_OPERATOR": "bert", "USER": "anna"}, "bert"),
        (("anna", "bert"), {"USER": "anna"}, "anna"),
        (("anna", "bert"), {"USER": "root", "SUDO_USER": "bert"}, "bert"),
        (("anna",), {"USER": "somebody"}, "anna"),
    ],
)
def test_the_operator_is_the_named_one_the_login_or_the_only_one(
    tmp_path: Path, operators: tuple[str, ...], environ: dict[str, str], chosen: str
) -> None:
    assert operator_name(home_with(tmp_path, *operators), environ) == chosen


@pytest.mark.parametrize("environ", [{"USER": "carl"}, {"HIVE_OPERATOR": "carl", "USER": "anna"}])
def test_an_unclear_operator_is_an_error_that_lists_them(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    with pytest.raises(HiveError, match="anna, bert") as caught:
        operator_name(home_with(tmp_path, "anna", "bert"), environ)
    assert caught.value.code == "no_operator"


def test_without_any_key_the_hint_says_who_makes_them(tmp_path: Path) -> None:
    with pytest.raises(HiveError, match="no operator's key") as caught:
        operator_name(HiveHome(tmp_path), {"USER": "anna"})
    assert "hive up" in caught.value.hint


@pytest.mark.parametrize(
    ("user", "name"),
    [("Anna", "anna"), ("DOMAIN\\anna", "domain-anna"), ("a" * 50, "a" * 32), (".x.", "x")],
)
def test_a_login_becomes_a_name_that_an_operator_may_have(user: str, name: str) -> None:
    assert login_name({"USER": user}) == name


def test_a_login_without_a_usable_letter_is_not_used() -> None:
    assert login_name({"USER": "...", "LOGNAME": "---"}) not in {"...", "---", ""}
