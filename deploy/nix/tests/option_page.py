"""Renders docs/nixos-options.md from the modules, to its standard output."""

import json
import subprocess  # noqa: TID251 - asks nix, outside of the hive
import sys
import textwrap
from pathlib import Path

HEAD = """# Options of services.hyperhive

Rendered by `python deploy/nix/tests/option_page.py > docs/nixos-options.md`; `make test` fails
when this page is out of date. `nix build .#option-docs` gives the same in nixpkgs' own form.
"""


def render() -> str:
    """Give the page as it should stand."""
    command = ["nix-instantiate", "--eval", "--json", "--strict"]
    done = subprocess.run(  # noqa: S603 - a constant command
        [*command, str(Path(__file__).with_name("options.nix"))], check=True, capture_output=True
    )
    parts = [HEAD]
    for option in json.loads(done.stdout):
        facts = [f"type: {option['type']}"]
        facts += [f"default: `{option['default']}`"] if option["default"] is not None else []
        facts += [f"example: `{option['example']}`"] if option["example"] is not None else []
        text = textwrap.dedent(option["description"]).strip()
        parts.append(f"## `{option['name']}`\n\n{text}\n\n{'; '.join(facts)}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.write(render())
