"""docs/bus.md says what the contracts say, and names every error code."""

import ast

import pytest
from hive_harness.trouble import Code
from hivecommon.contracts.lifecycle import ListAgents, Rename

from tools.bus_reference import codes, requests, rights
from tools.bus_reference.__main__ import PAGE
from tools.bus_reference.page import render
from tools.bus_reference.requests import RequestClass


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == render(), "run `make docs` and commit docs/bus.md"


def test_every_error_code_of_the_source_is_explained() -> None:
    assert codes.unexplained() == [], f"explain them in {codes.TABLE.relative_to(codes.ROOT)}"


def test_no_code_is_explained_that_nothing_uses() -> None:
    assert codes.unused() == [], f"remove them from {codes.TABLE.relative_to(codes.ROOT)}"


def test_every_trouble_of_an_agent_is_explained() -> None:
    assert set(codes.explained("troubles")) == {
        *(str(code) for code in Code),
        *codes.used_codes("troubles"),
    }


def test_codes_are_found_as_words_as_constants_and_as_patterns() -> None:
    lines = ['GONE = "gone"', 'f(code="a_b")', "f(code=GONE)", 'f(code=f"job_{x}")', "f(code=x.y)",
             'f(code="x" if y else "z")', 'Trouble(code="t")']  # fmt: skip
    tree = ast.parse("\n".join(lines))
    constants = dict(codes.constants_in(tree))
    found = [pattern for family, pattern in codes.codes_in(tree, constants) if family == "errors"]
    assert found == ["a_b", "gone", "job_[a-z_]+", "x", "z"]
    assert ("troubles", "t") in codes.codes_in(tree, constants)


@pytest.mark.parametrize("request_class", requests.all_requests(), ids=lambda one: one.subject)
def test_the_service_named_as_answering_does(request_class: RequestClass) -> None:
    service = requests.answerer(request_class)
    sources = (codes.ROOT / "services" / service / "src").rglob("*.py")
    keys = {
        key.id
        for file in sources
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Name)
    }
    assert request_class.__name__ in keys


@pytest.mark.parametrize("request_class", requests.all_requests(), ids=lambda one: one.subject)
def test_somebody_may_ask(request_class: RequestClass) -> None:
    assert rights.publishers(request_class.subject)


@pytest.mark.parametrize(
    ("pattern", "subject", "allowed"),
    [
        ("hive.>", "hive.list", True),
        ("hive.>", "hive", False),
        ("agent.*.>", "agent.alice.status", True),
        ("req.alice.>", "req.bob.hello", False),
        ("inbox.*.operator", "inbox.alice.operator", True),
        ("inbox.*.operator", "inbox.alice.operator.x", False),
        ("inbox.*.operator", "inbox.alice", False),
    ],
)
def test_permissions_are_read_as_the_server_does(
    pattern: str, subject: str, *, allowed: bool
) -> None:
    assert rights.covers(pattern, subject) is allowed


def test_examples_are_bare_where_a_word_will_do() -> None:
    assert requests.example_payloads(ListAgents) == [""]
    assert requests.example_payloads(Rename) == ['{"agent":"alice","to":"bob"}']
