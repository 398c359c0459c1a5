"""Sentences that are put together from parts: places, measures, counts. The parts are `edge.web.words`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from edge.web import plurals, words

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from edge.types import ModelId, QualityNote

_REGION: Final = re.compile(r"\b(?:(?:DP|MP|PP|MC)[1-5]|CARPUS)\b")


def count(forms: Mapping[str, str], number: int) -> str:
    """`1 area`, `2 areas`: the form that goes with the number."""
    return plurals.choose(words.PLURAL, forms, number)


def number(value: float, digits: int = 1) -> str:
    """A measured number, with the language's decimal sign."""
    return f"{value:.{digits}f}".replace(".", words.DECIMAL)


def ltr(text: str) -> str:
    """A measure, a date, a code: read from left to right also where the words around it are not (UAX 9, isolates)."""
    return f"\u2066{text}\u2069" if text and words.DIRECTION == "rtl" else text


def place(side: str, region: str) -> str:
    """Where in which hand: `Left index finger, end phalanx (DP2)`."""
    if region == "CARPUS":
        return _named(side, words.WRIST[side], "CARPUS")
    finger_name = words.FINGERS[side][int(region[-1])]
    return _named(side, words.OF_FINGER.format(finger=finger_name, part=words.BONES[region[:-1]]), region)


def joint(side: str, name: str) -> str:
    """Which joint of which hand: `Left index finger, end joint (DIP2)`."""
    finger_name = words.FINGERS[side][int(name[-1])]
    return _named(side, words.OF_FINGER.format(finger=finger_name, part=words.JOINT_NAMES[name[:-1]]), name)


def finger(region: str) -> str:
    """The finger of a region in a word, or the wrist."""
    return str(words.SHORT_WRIST if region == "CARPUS" else words.SHORT_FINGERS[int(region[-1])])


def _named(side: str, what: str, code: str) -> str:
    if side == "U":
        return f"{what} ({code}, {words.SIDE_UNKNOWN})"
    return f"{what} ({code})"


def hand_summary(side: str, definite: int, possible: int, fingers: Collection[str]) -> str:
    """What was marked in one hand, in one line."""
    sure = [count(words.COUNT_DEFINITE, definite)] * bool(definite)
    sure += [count(words.COUNT_POSSIBLE, possible)] * bool(possible)
    total = count(words.COUNT_AREAS, definite + possible)
    comma = words.COMMA
    return str(
        words.HAND_SUMMARY.format(
            hand=words.HANDS[side], areas=total, sure=comma.join(sure), places=comma.join(fingers)
        )
    )


def share(value: float) -> str:
    """A change as a share: `+31 %`."""
    return ltr(f"{value * 100:+.0f} %".replace("-", "\u2212"))


def area(square_mm: float) -> str:
    """An area."""
    return ltr(f"{number(square_mm)} mm²")


def length(mm: float) -> str:
    """A length."""
    return ltr(f"{number(mm)} mm")


def long_axis(mm: float) -> str:
    """The longest extent of an area."""
    return str(words.LONG_AXIS.format(mm=number(mm)))


def density(grade: int) -> str:
    """How dense an area is."""
    return str(words.DENSITY.format(grade=words.DENSITIES.get(grade, str(grade))))


def kind(lesion_type: str, bodies: int) -> str:
    """The form of an area, and of how many bodies it is made."""
    return f"{words.LESION_TYPES[lesion_type]}{words.COMMA}{count(words.COUNT_BODIES, bodies)}"


def signs(joints: int, tips: int) -> str:
    """The associated signs, in one line; empty when there are none."""
    parts = [count(words.COUNT_NARROW, joints)] * bool(joints)
    parts += [count(words.COUNT_BONE_LOSS, tips)] * bool(tips)
    return str(words.ALSO.format(signs=words.SEMICOLON.join(parts))) if parts else ""


def moved(model: ModelId) -> str:
    """At which thresholds a site let the model look, and which are the model's own; empty where these were used."""
    if model.moved_from is None or model.possible_threshold is None or model.definite_threshold is None:
        return ""
    return str(
        words.THRESHOLDS_SAID.format(
            possible=number(model.possible_threshold, 2),
            own_possible=number(model.moved_from.possible, 2),
            definite=number(model.definite_threshold, 2),
            own_definite=number(model.moved_from.definite, 2),
        )
    )


def narrowing(grade: int, space_mm: float | None) -> str:
    """A joint's suspected narrowing."""
    told = str(words.NARROWING.format(grade=grade))
    return f"{told}{words.COMMA}{length(space_mm)}" if space_mm is not None else told


def osteolysis(grade: int) -> str:
    """A fingertip's suspected bone loss."""
    return str(words.OSTEOLYSIS.format(grade=grade))


def technique(kvp: float | None, ma: float | None, ms: float | None, mas: float | None) -> str:
    """kV, mA, ms and mAs, as far as they are known."""
    pairs = ((kvp, "kV"), (ma, "mA"), (ms, "ms"), (mas, "mAs"))
    told = "  ".join(f"{value:g} {unit}".replace(".", words.DECIMAL) for value, unit in pairs if value is not None)
    return ltr(told)


def send_asked(objects: int) -> str:
    """What 'Send again' did."""
    return count(words.COUNT_SEND_AGAIN, objects)


def parcels_in_trouble(parcels: int, held: int) -> str:
    """How many objects a problem concerns."""
    if held == parcels:
        return count(words.COUNT_HELD, held)
    waiting = count(words.COUNT_WAITING, parcels)
    return f"{waiting}{words.COMMA}{count(words.COUNT_OF_THEM_HELD, held)}" if held else waiting


def quality(note: QualityNote) -> tuple[str, str]:
    """A quality note in the language of the page, with the fingers it names, and what to do about it.

    A note from a newer detector, for which there are no words, is told as it came.
    """
    known = words.QUALITY_NOTES.get(note.code)
    if known is None:
        return note.text, str(words.QUALITY_DO_UNKNOWN)
    fingers = dict.fromkeys(finger(region) for region in _REGION.findall(note.text))
    return (f"{known['text']} ({words.COMMA.join(fingers)})" if fingers else known["text"]), known["do"]
