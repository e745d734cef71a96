"""Labels in either order of words."""

import json

from hivetesting.forge.members import Place


def names(place: Place, number: int) -> list[str]:
    return sorted(label["name"] for label in place.show(number)["labels"])


def test_number_and_action_may_come_in_either_order(place: Place) -> None:
    number = str(place.issue())
    for name in ("feature", "bug", "two words"):
        place.alice.ok("labels", "create", name, "--color", "ff0000", "--description", "d")
    assert "feature" in place.alice.ok("labels", number, "add", "feature")
    place.alice.ok("labels", "add", number, "bug,two words")
    assert names(place, int(number)) == ["bug", "feature", "two words"]
    place.alice.ok("labels", number, "remove", "feature")
    place.alice.ok("labels", "remove", number, "BUG")
    assert names(place, int(number)) == ["two words"]
    assert place.alice.ok("labels", "list", number) == f"#{number}: two words\n"


def test_an_unknown_label_is_an_error_and_changes_nothing(place: Place) -> None:
    number = place.issue()
    place.alice.ok("labels", "create", "known")
    result = place.alice("labels", str(number), "add", "known", "unknwon")
    assert result.code == 4
    assert "no label 'unknwon'" in result.stderr
    assert "there are: known" in result.stderr
    assert names(place, number) == []


def test_removing_a_label_that_is_not_on_it_says_what_is(place: Place) -> None:
    number = place.issue()
    place.alice.ok("labels", "create", "known")
    place.alice.ok("labels", "add", str(number), "known")
    result = place.alice("labels", "remove", str(number), "other")
    assert (result.code, "it has: known" in result.stderr) == (4, True)


def test_making_a_label_twice_is_a_conflict(place: Place) -> None:
    place.alice.ok("labels", "create", "once")
    assert place.alice("labels", "create", "Once").code == 5


def test_list_gives_the_repository_s_labels(place: Place) -> None:
    place.alice.ok("labels", "create", "b")
    place.alice.ok("labels", "create", "a", "--description", "first")
    assert place.alice.ok("labels").splitlines() == ["a  first", "b"]
    assert [each["name"] for each in json.loads(place.alice.ok("labels", "list", "--json"))] == [
        "a",
        "b",
    ]


def test_a_wrong_order_says_the_right_one(place: Place) -> None:
    result = place.alice("labels", "add", "feature")
    assert result.code == 2
    assert "labels NUMBER add NAME" in result.stderr
