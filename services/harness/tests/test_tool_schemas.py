"""Every tool can be offered: its arguments have a schema that a model is told."""

from typing import cast

from hive_harness.tools.manager import ManagerTools
from hive_harness.tools.questions import QuestionTools
from hivecommon.bus import Bus


def test_every_tool_has_a_schema_with_its_arguments() -> None:
    nobody = cast(Bus, None)
    tools = [*ManagerTools(nobody, "hm1nd").tools, *QuestionTools(nobody, "hm1nd").tools]
    schemas = {tool.name: tool.schema["properties"] for tool in tools}
    assert set(schemas["request_apply"]) == {"agent", "commit", "reason"}
    assert set(schemas["ask"]) == {"question", "to", "options", "multiple", "deadline_minutes"}
    assert {"answer", "request_schedule", "request_spawn", "request_update"} <= set(schemas)
