"""Making text that others wrote safe to show: no byte of it may steer a terminal or hide itself."""

import re
from typing import Final

# Control characters, line and paragraph separators, lone surrogates, and the format characters that
# reorder or hide text (Unicode TR36, "Trojan Source"). The joiners that scripts and emoji need stay.
_HIDDEN: Final = (
    "\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f"
)
_IN_A_LINE: Final = re.compile(f"[\x00-\x1f{_HIDDEN}]")
_IN_A_BLOCK: Final = re.compile(f"[\x00-\x08\x0b-\x1f{_HIDDEN}]")
_IN_JSON: Final = re.compile(f"[{_HIDDEN}]")


def one_line(text: str) -> str:
    r"""Return `text` on one line, whatever steers a terminal shown as `\x1b` or `\u202e`."""
    return _IN_A_LINE.sub(_visible, text)


def block(text: str) -> str:
    """Return `text` with its line breaks and tabs, all else as in `one_line`."""
    return _IN_A_BLOCK.sub(_visible, text.replace("\r\n", "\n"))


def json_text(encoded: bytes) -> str:
    """Return JSON as text in which only harmless characters stand unescaped; it stays the same JSON.

    The encoder has escaped the first 32 control characters; the rest can stand in strings only.
    """
    return _IN_JSON.sub(_json_escape, encoded.decode())


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    short = {9: r"\t", 10: r"\n", 13: r"\r"}.get(code)
    if short is not None:
        return short
    if code < 0x100:  # noqa: PLR2004 - what two hex digits hold
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"  # noqa: PLR2004 - four digits


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
