"""The one shape of every check of the doctor: a configuration in, answers of one line out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from edge.config import Config
from edge.errors import reason


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of the doctor. `do` is empty when all is well."""

    check: str
    verdict: Verdict
    text: str
    do: str = ""


Check = Callable[[Config], Iterator[Answer]]


def bad(check: str, code: str, detail: str = "", *, verdict: Verdict = Verdict.FAIL) -> Answer:
    """What is wrong, in the words of the house, with what to do next."""
    why = reason(code, detail=detail)
    return Answer(check, verdict, why.text, why.do)
