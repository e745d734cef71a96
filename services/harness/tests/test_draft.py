"""What the model is writing, for whoever looks."""

import asyncio

from hive_harness.draft import MOST_CHARACTERS, Draft, Writing


def test_pieces_of_one_kind_are_one_text_and_another_kind_begins_anew() -> None:
    draft = Draft()
    for piece, thinking in (("I ", True), ("think", True), ("So ", False), ("be it", False)):
        draft.add(piece, thinking=thinking)
    assert draft.writing == Writing("So be it", thinking=False)
    draft.clear()
    assert draft.writing == Writing()


def test_of_a_long_text_the_end_is_shown() -> None:
    draft = Draft()
    for _ in range(3):
        draft.add("x" * MOST_CHARACTERS, thinking=False)
    draft.add("end", thinking=False)
    assert (len(draft.writing.text), draft.writing.text[-4:]) == (MOST_CHARACTERS, "xend")


async def test_a_change_reaches_who_waits_for_it_and_who_comes_after_it() -> None:
    draft = Draft()
    first = draft.writing
    waiting = asyncio.ensure_future(draft.other_than(first))
    await asyncio.sleep(0)
    draft.add("a", thinking=False)
    assert (await waiting).text == "a"
    assert (await draft.other_than(first)).text == "a"
