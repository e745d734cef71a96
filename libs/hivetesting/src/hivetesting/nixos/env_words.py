"""EnvironmentFile= as systemd reads it, and an unquoted expansion as the real bash does it."""

# A stand-in for a program of the host: starting processes is what it does.

import subprocess
from pathlib import Path

NOT_IN_A_KEY = " \t\"'\\$"


def read_environment_file(text: str) -> dict[str, str]:
    """Read the assignments character by character; the last one of a key wins."""
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        if text[position] in " \t\r\n":
            position += 1
        elif text[position] in "#;":
            position = _line_end(text, position)
        else:
            equals = text.find("=", position, _line_end(text, position))
            if equals < 0:
                position = _line_end(text, position)
                continue
            key = text[position:equals].rstrip()
            value, position = _value(text, equals + 1)
            if key and not any(char in NOT_IN_A_KEY for char in key):
                found[key] = value
    return found


def split_words(text: str, cwd: Path) -> list[str]:
    """Expand `$text` without quotes: bash splits it at blanks and globs every word."""
    script = 'IFS=$\' \\t\\n\'; for word in $TEXT; do printf "%s\\0" "$word"; done'
    done = subprocess.run(
        ["/bin/bash", "-c", script], env={"TEXT": text}, cwd=cwd, check=True, stdout=subprocess.PIPE
    )  # fmt: skip
    return done.stdout.decode(errors="surrogateescape").split("\0")[:-1]


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _value(text: str, position: int) -> tuple[str, int]:
    value = ""
    solid = 0
    at_start = True
    while position < len(text) and text[position] != "\n":
        char = text[position]
        if at_start and char in "\"'":
            position += 1
            while position < len(text) and text[position] != char:
                escaped = char == '"' and text[position] == "\\"
                if escaped:
                    position += 1
                    if text[position] not in '"\\`$\n':
                        value += "\\"
                value += "" if escaped and text[position] == "\n" else text[position]
                position += 1
            solid = len(value)
        elif char == "\\":
            position += 1
            value += text[position : position + 1].strip("\n")
            solid, at_start = len(value), False
        elif char in " \t":
            value += "" if at_start else char
        else:
            value += char
            solid, at_start = len(value), False
        position += 1
    return value[:solid], position
