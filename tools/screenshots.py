"""`make screenshots`: take the pictures of the README from a running demo."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hivetesting.hive import hive_command
from playwright.sync_api import Page, sync_playwright

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
DESKTOP = {"width": 1280, "height": 800}
ONE_STORY = {"width": 1280, "height": 840}
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 60_000


@contextmanager
def demo(directory: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Run the demo; yield its link and the variables that `hive` needs, once the story is told."""
    with subprocess.Popen(
        [sys.executable, "-m", "hivetesting.demo", "--directory", directory],
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        link, variables = "", {}
        assert process.stdout is not None  # noqa: S101 - asked for above
        for line in process.stdout:
            if found := re.search(r"dashboard\s+(http\S+)", line):
                link = found[1]
            if "export " in line:
                variables = dict(re.findall(r"(HIVE_\w+)=(\S+)", line))
            if "told:" in line:
                break
        try:
            yield link, variables
        finally:
            process.terminate()
            process.communicate()  # its last words want a reader


def main() -> None:
    """Write docs/images/*.png."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory, demo(Path(directory)) as (link, variables):
        wish = ("spawn", "cora", "--request", "--persona", "You watch the tides.",
                "--reason", "Ada asks about moons; somebody should know what they do.")  # fmt: skip
        subprocess.run([hive_command(), *wish], env=variables, check=True)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path="/usr/bin/chromium",
                args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
            )
            take(browser.new_page(viewport=DESKTOP), link)  # type: ignore[arg-type]
            browser.close()


def take(page: Page, link: str) -> None:
    """Walk through the pages and take a picture of each."""
    page.set_default_timeout(PATIENCE_MS)
    page.goto(link)
    page.get_by_text("You watch the tides").wait_for()
    page.screenshot(path=IMAGES / "attention.png")
    page.get_by_role("link", name="Agents").first.click()
    page.get_by_role("link", name="ada").first.wait_for()
    page.screenshot(path=IMAGES / "agents.png")
    page.get_by_role("link", name="ada").first.click()
    page.get_by_text("Done.").first.wait_for()
    page.set_viewport_size(ONE_STORY)  # type: ignore[arg-type]
    page.screenshot(path=IMAGES / "dashboard.png")
    with page.context.expect_page() as opened:
        page.get_by_role("button", name="Own page").click()
    own = opened.value
    own.get_by_text("No question, reminder").wait_for()
    own.get_by_text("Done.").first.wait_for()
    own.screenshot(path=IMAGES / "own-page.png")
    own.close()
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    page.reload()  # what is said to a mouse is not said to a finger
    page.get_by_text("Done.").first.wait_for()
    page.screenshot(path=IMAGES / "phone.png")


if __name__ == "__main__":
    main()
