"""Every sentence of the page, in the language of whoever asks. Templates and modules hold no words of their own.

A language is one file, `languages/CODE.toml`; adding a file adds a language. `words.NAME` is the sentence NAME in the
language that `speak` chose for this request (and thread); English until it did. A name that a language lacks is said
in English, never left out; a test proves that none of ours lacks any.

The rules of the wording: a suspicion, never a diagnosis; no disease is named; a negative does not exclude; a failure
says that it is one and to read the image as usual; what the machine says is unverified. The English sentences that
explain a code stand in `edge.errors`, beside what raises it.
"""

from __future__ import annotations

import tomllib
from contextvars import ContextVar
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from edge.errors import REASONS, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT: Final = "en"

SHAPE: Final[Mapping[str, str]] = {
    "findings": "diamond",
    "no_findings": "ring",
    "not_analysed": "octagon",
    "pending": "hourglass",
}
"""Which drawing stands for an outcome. Never a tick: a tick says that all is well, and nobody knows that."""

_speaking: ContextVar[str] = ContextVar("language", default=DEFAULT)


@cache
def languages() -> dict[str, str]:
    """The languages there are: code, and what each calls itself."""
    folder = resources.files("edge.web") / "languages"
    codes = sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))
    return {code: str(load(code)["LANGUAGE_NAME"]) for code in codes}


@cache
def load(code: str) -> Mapping[str, Any]:
    """All of a language: sentences, and tables of sentences. Keys that are numbers are numbers."""
    file = resources.files("edge.web") / "languages" / f"{code}.toml"
    whole: Mapping[str, Any] = _numbered(tomllib.loads(file.read_text(encoding="utf-8")))
    return whole


def speak(code: str | None) -> None:
    """Chooses the language of this request; English when it is not known."""
    _speaking.set(code if code in languages() else DEFAULT)


def spoken() -> str:
    """The code of the language of this request."""
    return _speaking.get()


def reason(code: str) -> Reason:
    """A code's sentence and next step. A code that nobody knows still says that something is wrong."""
    told = load(spoken()).get("REASONS", {}).get(code)
    if told:
        return Reason(code, told["text"], told["do"])
    if code in REASONS:
        return REASONS[code]
    language = load(spoken())
    return Reason(code, language["UNKNOWN_PROBLEM"].format(code=code), language["UNKNOWN_PROBLEM_DO"])


def detailed(given: Reason) -> Reason:
    """A stored reason in the language of this request, with the detail that it was stored with."""
    if given.code not in REASONS:
        return given
    told = reason(given.code)
    detail = given.text.removeprefix(REASONS[given.code].text).strip()
    return Reason(given.code, f"{told.text} {detail}" if detail.startswith("(") else told.text, told.do)


def __getattr__(name: str) -> Any:
    if not name.isupper():
        raise AttributeError(name)
    try:
        return load(_speaking.get())[name]
    except KeyError:
        pass
    try:
        return load(DEFAULT)[name]
    except KeyError:
        raise AttributeError(name) from None


def _numbered(value: Any) -> Any:
    if isinstance(value, dict):
        return {int(key) if key.isdigit() else key: _numbered(inner) for key, inner in value.items()}
    return value
