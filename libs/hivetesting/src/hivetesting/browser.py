"""A real Chromium on a page of ours, and what is wrong with the page for those who see or click badly."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, Final

from playwright.async_api import Page, async_playwright

CHROMIUM: Final = "/usr/bin/chromium"
PHONE: Final = (390, 844)
DESK: Final = (1280, 800)

# In the browser's words for what comes of a server that restarts: no fault of the page.
_RESTART: Final = ("WebSocket", "ERR_")
_REFUSED: Final = "the server responded with a status of"

_SMALL = """[...document.querySelectorAll(
    "button:not(.link), nav a, a.button, input, select, textarea, summary")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 44)
  .map((one) => one.outerHTML.slice(0, 120))"""


@asynccontextmanager
async def browser_page(
    url: str, *, size: tuple[int, int] = PHONE, dark: bool = False, restarts: bool = False,
    refusals: bool = False,
) -> AsyncIterator[Page]:  # fmt: skip
    """Open a page; whatever it complains of on its console fails the test.

    `restarts` says that its server goes away meanwhile, `refusals` that it says no: a browser
    complains of either.
    """
    complaints: list[str] = []

    def complain(text: str) -> None:
        known = (*(_RESTART if restarts else ()), *((_REFUSED,) if refusals else ()))
        if not any(word in text for word in known):
            complaints.append(text)

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        context = await browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light", has_touch=size == PHONE,
            is_mobile=size == PHONE,
        )  # fmt: skip
        page = await context.new_page()
        page.set_default_timeout(60_000)
        page.on("console", lambda m: complain(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: complain(str(error)))
        await page.goto(url)
        yield page
        await browser.close()
    assert not complaints  # noqa: S101 - what tests are given is made for tests


async def violations(page: Page) -> list[str]:
    """Return what axe-core finds against the page, as `rule: element`."""
    await page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    found: Any = await page.evaluate("axe.run({ resultTypes: ['violations'] })")
    return [
        f"{rule['id']}: {node['html'][:160]}"
        for rule in found["violations"]
        for node in rule["nodes"]
    ]


async def small_targets(page: Page) -> list[str]:
    """Return what can be pressed and is less than 44 px high."""
    small: list[str] = await page.evaluate(_SMALL)
    return small


async def fits(page: Page) -> bool:
    """Return whether nothing has to be scrolled sideways."""
    return bool(await page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
