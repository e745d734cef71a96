"""What `agent.toml` allows, held to by the real CLI: its own tools, and further MCP servers."""

import sys
from pathlib import Path

from hivecommon.contracts.agent_toml import McpServer
from hivecommon.contracts.events import ToolResult, Trouble
from hivetesting.agents import Agents
from hivetesting.harness import tell
from hivetesting.messages_api.rules import in_order
from hivetesting.messages_api.steps import Text, ToolUse

SERVER = """
import os
from mcp.server.mcpserver import MCPServer
server = MCPServer("extra")

@server.tool()
def double(number: int) -> str:
    return f"{os.environ['UNIT']} {2 * number}"

server.run()
"""


async def test_allowed_tools_work_others_are_refused_and_an_extra_server_is_there(
    agents: Agents, tmp_path: Path
) -> None:
    script = tmp_path / "extra.py"
    script.write_text(SERVER)
    extra = McpServer(command=sys.executable, args=[str(script)], env={"UNIT": "apples"})
    calls = [
        ToolUse("Bash", {"command": "echo allowed"}),
        ToolUse("Bash", {"command": "cat /etc/hostname"}),
        ToolUse("mcp__extra__double", {"number": 21}),
        ToolUse("Write", {"file_path": "x", "content": "x"}),
    ]
    agents.api.script = in_order(*[[call] for call in calls], [Text("done")])
    _, watch = await agents.spawn(
        "anna",
        tools_allowed=["Read", "Bash(echo *)", "WebFetch"],
        tools_denied=["WebFetch"],
        mcp_servers={"extra": extra, "broken": McpServer(command=str(tmp_path / "none"))},
    )
    asked = await tell(agents.operator, "anna", "go")
    ended = await watch.turn_ended(asked, within_s=110)
    assert ended.outcome == "answered"
    echoed, refused, doubled, unknown = watch.bodies(ToolResult)
    assert (echoed.text, echoed.is_error) == ("allowed", False)
    assert refused.is_error
    assert "apples 42" in doubled.text
    assert not doubled.is_error
    [missing] = [body for body in watch.bodies(Trouble) if body.code == "mcp_server_failed"]
    assert missing.message == "the MCP server broken of agent.toml did not start"
    assert unknown.is_error
    offered = set(agents.api.requests[0].tools)
    assert {"Read", "Bash", "mcp__extra__double", "mcp__hive__send"} <= offered
    assert not {"Write", "Edit", "WebFetch", "WebSearch"} & offered
