"""Every tool can be offered: its arguments have a schema that a model is told."""

from typing import Any

from hive_harness.toolbox import Tool
from hive_harness.tools.about import AboutTools
from hive_harness.tools.items import ItemTools
from hive_harness.tools.manager import ManagerTools
from hive_harness.tools.messages import MessageTools
from hive_harness.tools.questions import QuestionTools

NOTHING: Any = None  # the tools are only listed, never called
GROUPS = (
    MessageTools(NOTHING, NOTHING, NOTHING, NOTHING),
    QuestionTools(NOTHING),
    ItemTools(NOTHING, NOTHING),
    AboutTools(NOTHING, NOTHING, NOTHING),
    ManagerTools(NOTHING),
)
TOOLS: list[Tool] = [tool for group in GROUPS for tool in group.tools]


def test_every_tool_has_a_schema_with_its_arguments() -> None:
    schemas = {tool.name: tool.schema["properties"] for tool in TOOLS}
    assert set(schemas["request_apply"]) == {"agent", "commit", "reason"}
    assert set(schemas["ask"]) == {"question", "to", "options", "multiple", "deadline_minutes"}
    assert set(schemas["remind"]) == {"text", "after_minutes", "at", "cron", "zone"}
    assert {"answer", "request_schedule", "request_spawn", "request_update"} <= set(schemas)


def test_every_tools_schema_stands_alone() -> None:
    for tool in TOOLS:
        assert tool.schema["type"] == "object"
        assert "$ref" not in str(tool.schema), tool.name


def test_no_two_tools_have_one_name() -> None:
    names = [tool.name for tool in TOOLS]
    assert len(names) == len(set(names))
