"""`python -m tools.bus_reference`: write docs/bus.md anew; with `--check` say whether it is current."""

import sys

from tools.bus_reference.codes import ROOT
from tools.bus_reference.page import render

PAGE = ROOT / "docs" / "bus.md"


def main() -> int:
    """Return 0 when the page is current, or was written; 1 when `--check` finds it old."""
    text = render()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text)
        return 0
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    print(f"{PAGE.relative_to(ROOT)} is not current: run `make docs`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
