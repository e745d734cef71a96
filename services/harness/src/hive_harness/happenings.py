"""Reads the CLI's messages: from the SDK's classes to what happened in a turn."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from claude_agent_sdk import (
    AssistantMessage,
    ContentBlock,
    Message,
    RateLimitEvent,
    ResultMessage,
    StreamEvent,
    SystemMessage,
    TextBlock,
    ThinkingBlock,
    ToolResultBlock,
    ToolUseBlock,
    UserMessage,
)

from hive_harness.session import (
    Began,
    Called,
    Compacting,
    Happening,
    LimitSeen,
    Result,
    Retrying,
    Returned,
    Said,
    Thought,
    Usage,
    Wrote,
)
from hive_harness.trouble import unix

_ABORTED: Final = frozenset({"aborted_streaming", "aborted_tools"})


class Reader:
    """Reads the messages of one turn, in order."""

    def __init__(self, prompt_id: str, *, cost_before_usd: float) -> None:
        self._prompt_id = prompt_id
        self._cost_before_usd = cost_before_usd
        self._error = ""
        self._context_tokens = 0
        self.cost_usd = cost_before_usd
        """What the session has cost so far, as the CLI counts."""

    def read(self, message: Message) -> Iterator[Happening]:
        """Yield what a message tells; nothing for one that is of no interest."""
        match message:
            case SystemMessage():
                yield from _read_system(message.subtype, message.data)
            case AssistantMessage(parent_tool_use_id=None):
                self._error = message.error or self._error
                self._context_tokens = _context_tokens(message.usage) or self._context_tokens
                yield from _read_blocks(message.content)
            case UserMessage(parent_tool_use_id=None) if isinstance(message.content, list):
                yield from _read_blocks(message.content, of_user=True)
            case StreamEvent(parent_tool_use_id=None):
                yield from _read_delta(message.event)
            case RateLimitEvent():
                info = message.rate_limit_info
                yield LimitSeen(
                    info.status == "rejected", unix(info.resets_at), info.rate_limit_type or ""
                )
            case ResultMessage() if self._is_ours(message):
                yield self._read_result(message)
            case _:
                pass

    def _is_ours(self, message: ResultMessage) -> bool:
        # A turn that the CLI began by itself, or the rest of an earlier one, names another prompt.
        prompts = message.user_message_uuids or []
        return not prompts or self._prompt_id in prompts

    def _read_result(self, message: ResultMessage) -> Result:
        total = message.total_cost_usd or 0.0
        # The total goes on from turn to turn; when it drops, the CLI has begun to count anew.
        cost = total - self._cost_before_usd if total >= self._cost_before_usd else total
        self.cost_usd = total
        usage: Mapping[str, Any] = message.usage or {}
        return Result(
            ok=not message.is_error,
            aborted=message.terminal_reason in _ABORTED,
            error=self._error if message.is_error else "",
            status=message.api_error_status,
            words=clean(message.result or "; ".join(message.errors or ()))
            if message.is_error
            else "",
            usage=Usage(
                duration_s=message.duration_ms / 1000,
                cost_usd=cost,
                input_tokens=usage.get("input_tokens") or 0,
                output_tokens=usage.get("output_tokens") or 0,
                cache_read_tokens=usage.get("cache_read_input_tokens") or 0,
                cache_write_tokens=usage.get("cache_creation_input_tokens") or 0,
            ),
            context_used=self._context_used(message),
            refused=tuple(_refused(message.permission_denials or ())),
        )

    def _context_used(self, message: ResultMessage) -> float | None:
        windows = [model["contextWindow"] for model in (message.model_usage or {}).values()]
        if not self._context_tokens or not windows:
            return None
        return min(1.0, self._context_tokens / max(1, *windows))


def _context_tokens(usage: Mapping[str, Any] | None) -> int:
    # Each answer of the API tells how long the conversation was that it answered.
    parts = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum((usage or {}).get(part) or 0 for part in parts)


def _read_delta(event: Mapping[str, Any]) -> Iterator[Happening]:
    # The API's own words for a stream: a block's pieces, each of one kind.
    delta = event.get("delta") if event.get("type") == "content_block_delta" else None
    match delta:
        case {"type": "text_delta", "text": str(text)}:
            yield Wrote(clean(text), thinking=False)
        case {"type": "thinking_delta", "thinking": str(text)}:
            yield Wrote(clean(text), thinking=True)
        case _:
            pass


def _read_system(subtype: str, data: Mapping[str, Any]) -> Iterator[Happening]:
    match subtype:
        case "init":
            yield Began(
                session_id=str(data.get("session_id", "")),
                model=str(data.get("model", "")),
                cli_version=str(data.get("claude_code_version", "")),
                missing_servers=_missing_servers(data.get("mcp_servers")),
            )
        case "api_retry":
            yield Retrying(
                status=data.get("error_status"),
                error=str(data.get("error", "")),
                delay_s=float(data.get("retry_delay_ms") or 0) / 1000,
                attempt=int(data.get("attempt") or 0),
            )
        case "status" if data.get("status") == "compacting":
            yield Compacting(ended=False)
        case "compact_boundary":
            yield Compacting(ended=True)
        case _:
            pass


def _missing_servers(servers: Any) -> tuple[str, ...]:
    listed = servers if isinstance(servers, list) else []
    return tuple(
        str(server.get("name", ""))
        for server in listed
        if isinstance(server, dict) and server.get("status") == "failed"
    )


def _read_blocks(blocks: list[ContentBlock], *, of_user: bool = False) -> Iterator[Happening]:
    for block in blocks:
        match block:
            case TextBlock() if not of_user and block.text.strip():
                yield Said(clean(block.text))
            case ThinkingBlock() if block.thinking.strip():
                yield Thought(clean(block.thinking))
            case ToolUseBlock():
                yield Called(block.id, block.name, _clean_input(block.input))
            case ToolResultBlock():
                text = _result_text(block.content)
                yield Returned(block.tool_use_id, text, bool(block.is_error))
            case _:
                pass


def _refused(denials: Iterable[Any]) -> Iterator[str]:
    for denial in denials:
        if isinstance(denial, Mapping):
            yield clean(str(denial.get("tool_name", "?")))


def _result_text(content: str | list[dict[str, Any]] | None) -> str:
    if isinstance(content, str):
        return clean(content)
    parts = [
        part.get("text") or ""
        if part.get("type") == "text"
        else f"({part.get('type', 'something')})"
        for part in content or ()
    ]
    return clean("\n".join(parts))


def _clean_input(value: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean(str(key)): _clean_input(item) for key, item in value.items()}
        case list():
            return [_clean_input(item) for item in value]
        case _:
            return value


def clean(text: str) -> str:
    """Return `text` without lone surrogates, which neither JSON on the bus nor sqlite can hold."""
    return text.encode(errors="replace").decode()
