"""What agents wrote, as the pages' modules draw it: in a real Chromium, under the real policy."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page as BrowserPage
from playwright.async_api import async_playwright

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.asyncio(loop_scope="module")]

# Draws what a module of ours makes of a text; the answer is how the browser holds it.
DRAW = """async ([base, module, name, text]) => {
  const { html, render } = await import(`${base}/hiveweb/vendor/preact.js`);
  const draw = (await import(`${base}/hiveweb/${module}`))[name];
  const box = document.createElement("div");
  document.body.append(box);
  render(html`<div>${draw(text)}</div>`, box);
  return box.innerHTML;
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[BrowserPage]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = await chromium.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        yield page
        await chromium.close()
        assert wrong == []


class Drawing:
    """Draws texts on a page of ours."""

    def __init__(self, page: BrowserPage, base: str) -> None:
        self._page = page
        self._base = base

    async def markdown(self, text: str) -> str:
        return await self._draw("markdown.js", "inMarkdown", text)

    async def colours(self, text: str) -> str:
        return await self._draw("ansi.js", "inColours", text)

    async def lines(self, before: str, after: str) -> Any:
        return await self._page.evaluate(
            """async ([base, part]) => (await import(`${base}/hiveweb/diff.js`)).linesOf(part)""",
            [self._base, {"before": before, "after": after}],
        )

    async def _draw(self, module: str, name: str, text: str) -> str:
        return str(await self._page.evaluate(DRAW, [self._base, module, name, text]))


@pytest_asyncio.fixture(loop_scope="module")
async def draw(browser: BrowserPage, serve: Any) -> AsyncIterator[Drawing]:
    async with serve({}) as served:
        await browser.goto(f"{served.url}/api/echo")  # under the policy, as every answer is
        yield Drawing(browser, served.bundle.base)


async def test_markdown_becomes_what_it_says(draw: Drawing) -> None:
    shown = await draw.markdown(
        "# Head\n\nSome **bold**, _em_ and `code & <b>`.\n\n- one\n- [x] two\n\n"
        "1. first\n\n> quoted\n\n```py\nprint('<i>')\n```\n\n|a|b|\n|-|-:|\n|1|2|\n"
    )
    for part in (
        '<p class="heading h1">Head</p>', "<strong>bold</strong>", "<em>em</em>",
        "<code>code &amp; &lt;b&gt;</code>", "<li>", "☑", "<ol", "<blockquote>", "print('&lt;i&gt;')",
        "<th", '<td class="right">2</td>',
    ):  # fmt: skip
        assert part in shown, part
    assert "<h1" not in shown  # an agent's text has no place in the page's outline


@pytest.mark.parametrize(
    "text",
    [
        "<script>window.pwned=1</script>",
        "<img src=x onerror=window.pwned=1>",
        "<style>*{display:none}</style>",
        '<form action="http://evil.example"><input></form>',
        "![pixel](http://evil.example/p.png)",
        "[go](javascript:window.pwned=1)",
        "[go](data:text/html,<script>window.pwned=1</script>)",
        "[go](//evil.example)",
        "[go](/api/interrupt)",
        "<a href='http://evil.example'>go</a>",
        "[a]: javascript:window.pwned=1\n\n[a]",
    ],
)
async def test_what_is_no_plain_text_stays_text(
    draw: Drawing, browser: BrowserPage, text: str
) -> None:
    shown = await draw.markdown(text)
    for tag in ("<script", "<img", "<style", "<form", "<input", "<a "):
        assert tag not in shown
    assert await browser.evaluate("window.pwned") is None


async def test_a_link_says_where_it_leads_and_tells_nobody_where_from(draw: Drawing) -> None:
    shown = await draw.markdown(
        "[https://bank.example](https://evil.example/x) <https://a.example>"
    )
    assert shown.count('rel="noopener noreferrer"') == 2
    assert "(evil.example)" in shown
    assert "(a.example)" not in shown


@pytest.mark.parametrize(
    "text",
    [
        ">" * 20_000, "[" * 20_000, "_a__b" * 4000, "a**b*" * 4000, "- " * 10_000, "x" * 200_000,
        "|a" * 5000 + "\n" + "|-" * 5000, "\n".join(" " * n + "- a" for n in range(140)),
    ],
    ids=["quotes", "brackets", "underscores", "stars", "dashes", "long", "table", "list"],
)  # fmt: skip
async def test_no_text_is_too_much_for_the_reader(draw: Drawing, text: str) -> None:
    assert await draw.markdown(text)


async def test_colours_are_classes_and_other_controls_are_shown(draw: Drawing) -> None:
    shown = await draw.colours(
        "\x1b[1;31mred\x1b[0m \x1b[38;2;1;2;3mrgb\x1b[0m \x1b]0;t\x07 <b>\x00\u202e"
    )
    assert '<span class="ansi-red ansi-bold">red</span>' in shown
    assert "style=" not in shown
    assert "&lt;b&gt;␀⟨U+202E⟩" in shown
    assert "\x1b" not in shown
    assert "span" not in await draw.colours("\x1b[31m" * 4000 + "red")


async def test_a_difference_is_added_and_removed_lines_with_what_is_around(draw: Drawing) -> None:
    before = "\n".join(str(n) for n in range(30)) + "\n"
    lines = await draw.lines(before, before.replace("7\n", "seven\n", 1).replace("25", "x"))
    signs = "".join(line["sign"] or "|" for line in lines)
    assert signs == "   -+   |   -+   "
    assert [line["text"] for line in lines if line["sign"] == "+"] == ["seven", "x"]
    # What cannot be compared in time is still shown whole.
    large = [json.dumps([n * k for n in range(4000)]).replace(",", "\n") for k in (3, 7)]
    whole = await draw.lines(*large)
    assert {line["sign"] for line in whole} == {"+", "-"}
