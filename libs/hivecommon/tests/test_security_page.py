"""docs/security.md names tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_every_test_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "docs/security.md").read_text()))
    files = [
        file
        for place in ("libs/*/tests", "services/*/tests", "tests")
        for file in ROOT.glob(f"{place}/test_*.py")
    ]
    there = {
        name
        for file in files
        for name in re.findall(r"^(?:async )?def (test_\w+)\(", file.read_text(), re.MULTILINE)
    }
    assert named
    assert named - there == set()
