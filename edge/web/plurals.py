"""Which form of a word goes with a number, by the rules of Unicode's CLDR. A language names its rule in its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def _one_other(number: int) -> str:
    """English, Spanish, German and many more: 1 and the rest."""
    return "one" if number == 1 else "other"


def _zero_one(number: int) -> str:
    """French: 0 and 1, and the rest."""
    return "one" if number in (0, 1) else "other"


def _arabic(number: int) -> str:
    """Arabic: six forms."""
    if number < 3:
        return ("zero", "one", "two")[number]
    if 3 <= number % 100 <= 10:
        return "few"
    return "many" if 11 <= number % 100 <= 99 else "other"


def _none(number: int) -> str:
    """Chinese, Japanese, Thai and more: one form."""
    del number
    return "other"


RULES: Final[Mapping[str, Callable[[int], str]]] = {
    "one-other": _one_other,
    "zero-one": _zero_one,
    "arabic": _arabic,
    "none": _none,
}
FORMS: Final[Mapping[str, frozenset[str]]] = {
    "one-other": frozenset({"one", "other"}),
    "zero-one": frozenset({"one", "other"}),
    "arabic": frozenset({"zero", "one", "two", "few", "many", "other"}),
    "none": frozenset({"other"}),
}


def choose(rule: str, forms: Mapping[str, str], number: int) -> str:
    """The sentence for a number, with the number in it."""
    return forms[RULES[rule](number)].format(n=number)
