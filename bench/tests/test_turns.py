"""Measurements are taken in turn."""

from collections.abc import Mapping

from bench.frame.turns import CPU, WALL, Act, in_turn, rotated


async def test_sides_take_turns_in_being_first() -> None:
    done: list[str] = []

    def act(name: str) -> Act:
        async def do() -> None:
            done.append(name)

        return do

    taken = await in_turn({"a": act("a"), "b": act("b")}, rounds=3, budget_s=60, warm_up=0)
    assert "".join(done) == "abbaab"
    assert {name: len(sample.values) for name, sample in taken.items()} == {"a": 3, "b": 3}


async def test_what_an_act_measured_itself_counts() -> None:
    async def act() -> Mapping[str, float]:
        return {WALL: 0.25, CPU: 0.125}

    taken = await in_turn({"a": act}, rounds=2, budget_s=60)
    assert list(taken["a"].values) == [250, 250]
    assert list(taken["a" + CPU].values) == [125, 125]


async def test_the_budget_ends_it_after_a_whole_round() -> None:
    async def act() -> None:
        pass

    taken = await in_turn({"a": act, "b": act}, rounds=1000, budget_s=0)
    assert [len(sample.values) for sample in taken.values()] == [1, 1]


def test_rotation_goes_round() -> None:
    assert [rotated("abc", by) for by in (0, 1, 5)] == [list("abc"), list("bca"), list("cab")]
