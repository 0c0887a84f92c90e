"""Which keys classes get, and how names are shortened."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from tuilabel.errors import UsageError
from tuilabel.tui.keys import ClassKeys, best_key, check_class_keys, class_keys, shown_keys
from tuilabel.tui.names import short_names

DIGITS = tuple("0123456789")


def test_a_class_has_a_digit_and_a_letter_of_its_name() -> None:
    assert class_keys(["cat", "dog", "bird"]) == ("1c", "2d", "3b")
    assert class_keys(["cat", "cow", "owl", "donkey", "dog"]) == ("1c", "2w", "3o", "4d", "5g"), "initials come first"
    assert class_keys(["Éclair", "кошка", "猫"]) == ("1e", "2к", "3")
    assert class_keys([]) == ()


def test_words_that_all_names_begin_with_do_not_count() -> None:
    assert class_keys(["plant ash", "plant beech", "plant oak"]) == ("1a", "2b", "3o")


def test_a_letter_or_digit_as_a_name_is_the_only_key_of_its_class() -> None:
    assert class_keys(DIGITS) == DIGITS
    assert class_keys([*DIGITS, "unclear", "torn"]) == (*DIGITS, "u", "t")
    assert class_keys(["cat", "dog", "1"]) == ("3c", "2d", "1")
    assert class_keys([*"ABC", "apple"]) == (*"ABC", "4p"), "a and A are too alike"


def test_classes_keep_their_keys_while_others_come_and_go() -> None:
    keys = ClassKeys()
    assert keys.of(("cat", "dog", "emu"), (0, 1, 2)) == ("1c", "2d", "3e")
    assert keys.of(("cat", "emu", "deer", "cow"), (0, 2, 3, 4)) == ("1c", "3e", "4d", "5o")
    assert keys.of(("feline", "emu", "deer", "cow"), (0, 2, 3, 4)) == ("1c", "3e", "4d", "5o")
    assert keys.chosen(("feline", "emu"), (0, 2)) == {"feline": "c", "emu": "e"}


def test_classes_of_a_project_that_was_used_before_keep_their_keys() -> None:
    names = [*(f"kind {n}" for n in range(10)), "cat", "ape", "bee"]
    assert class_keys(names, used=True)[10:] == ("a", "b", "c")
    assert class_keys(names)[10:] == ("c", "a", "b")
    assert class_keys(["cat", "dog"], used=True) == ("1c", "2d"), "what was free is new"


def test_many_classes_have_a_key_as_long_as_there_are_any() -> None:
    keys = class_keys([f"{letter}{n}" for n in range(2) for letter in "abcdefghijklmnopqr"])
    assert all(keys), "36 classes"
    assert len({*keys}) == 36
    assert class_keys([f"class {n:04d} of a thousand" for n in range(1000)])[36:] == ("",) * 964


def test_the_users_choice_comes_first_and_another_class_gets_another_key() -> None:
    keys = ClassKeys({1: "c"})
    assert keys.of(("cat", "dog"), (0, 1)) == ("1a", "2c")
    keys.choose(1, "1")
    assert keys.of(("cat", "dog"), (0, 1))[1][0] == "1"
    assert "1" not in keys.of(("cat", "dog"), (0, 1))[0]
    assert keys.of(("cat", "dog"), (0, 1))[0], "cat still has a key"
    assert check_class_keys({"cat": "x"}, ["cat", "dog"]) == {"cat": "x"}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"cat": "x", "dog": "x"}, "gives x to cat and dog"),
        ({"cat": "xy"}, "one letter or digit"),
        ({"cat": 3}, "one letter or digit"),
        ({"cta": "x"}, "did you mean cat"),
    ],
)
def test_keys_that_cannot_be_are_refused(table: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        check_class_keys(table, ["cat", "dog"])


def test_keys_are_shown_in_columns() -> None:
    assert shown_keys(class_keys(["cat", "dog"])) == ["1 c", "2 d"]
    assert shown_keys(class_keys(["cat", "dog", "1"])) == ["3 c", "2 d", "1  "]
    assert shown_keys(DIGITS) == list(DIGITS)
    assert best_key("1c") == "c"
    assert best_key("7") == "7"


@pytest.mark.parametrize("width", [7, 9, 12, 20])
def test_long_names_can_be_told_apart(width: int) -> None:
    for names in (
        tuple(f"class {n:04d} of a thousand" for n in range(1000)),
        tuple(f"Fraxinus excelsior {part} {side}" for part in ("leaf", "bark") for side in ("north", "south")),
        tuple(f"{'x' * 30}{n}" for n in range(9)),
    ):
        shown = short_names(names, width)
        assert max(map(cell_len, shown)) <= width
        assert all("…" in text for text in shown)
        if width > 7 or "Frax" not in names[0]:
            assert len({*shown}) == len(names)


def test_names_that_begin_and_end_alike_can_be_told_apart() -> None:
    kinds = ("Fraxinus excelsior", "Fagus sylvatica", "Quercus robur")
    names = tuple(f"{kind}, leaf {side}" for kind in kinds for side in ("north", "south"))
    assert len({*short_names(names, 12)}) == 6
    herbarium = tuple(f"Herbarium sheet, {kinds[k % 3]}, leaf {k:02d}" for k in range(40))
    assert short_names(herbarium, 28)[:3] == (
        "…Fraxinus excelsior, leaf 00", "…Fagus sylvatica, leaf 01", "…Quercus robur, leaf 02",
    )  # fmt: skip
    assert len({*short_names(herbarium, 9)}) == 40


def test_what_all_long_names_begin_with_is_left_out() -> None:
    kinds = ("badger", "domestic-cat", "domestic-dog", "raccoon", "raccoon-dog")
    names = tuple(f"camera-trap-station-{side}-{kind}" for side in ("north", "south") for kind in kinds)
    assert "…trap-station-north-badger" in short_names(names, 28)
    for width in (9, 12, 15, 20, 28):
        shown = short_names(names, width)
        assert len({*shown}) == len(names)
        assert not any(text.startswith("came") for text in shown)


def test_names_are_shortened_only_where_they_must() -> None:
    assert short_names(("cat", "dog", "hippopotamus amphibius"), 8) == ("cat", "dog", "hippopo…")
    assert short_names(("plant: ash", "plant: beech"), 8) == ("…ash", "…beech")
    assert short_names(("猫猫猫猫一", "猫猫猫猫二"), 6) == ("…一", "…二")
