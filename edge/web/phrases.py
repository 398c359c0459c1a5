"""Sentences that are put together from parts: places, measures, counts. English, like `edge.web.words`.

What always holds: these and `words` are all the language there is; another language is another pair of modules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.web import words

if TYPE_CHECKING:
    from collections.abc import Collection


def place(side: str, region: str) -> str:
    """Where in which hand: `Left index finger, end phalanx (DP2)`."""
    if region == "CARPUS":
        return _sided(side, "wrist", "CARPUS")
    finger = words.FINGERS[int(region[-1])]
    return _sided(side, f"{finger}, {words.BONES[region[:-1]]}", region)


def finger(region: str) -> str:
    """The finger of a region in a word, or the wrist."""
    return "wrist" if region == "CARPUS" else words.FINGERS[int(region[-1])].removesuffix(" finger")


def joint(side: str, name: str) -> str:
    """Which joint of which hand: `Left index finger, end joint (DIP2)`."""
    return _sided(side, f"{words.FINGERS[int(name[-1])]}, {words.JOINT_NAMES[name[:-1]]}", name)


def _sided(side: str, what: str, code: str) -> str:
    known = words.SIDES[side]
    named = f"{known} {what}" if known else what[0].upper() + what[1:]
    return f"{named} ({code})" if known else f"{named} ({code}, {words.SIDE_UNKNOWN})"


def count(number: int, one: str, many: str) -> str:
    """`1 area`, `2 areas`."""
    return f"{number} {one if number == 1 else many}"


def hand_summary(side: str, definite: int, possible: int, fingers: Collection[str]) -> str:
    """What was marked in one hand, in one line."""
    sure = [f"{definite} definite"] * bool(definite) + [f"{possible} possible"] * bool(possible)
    total = count(definite + possible, "area", "areas")
    return f"{words.HANDS[side]}: {total} ({', '.join(sure)}): {', '.join(fingers)}"


def area(square_mm: float) -> str:
    """An area."""
    return f"{square_mm:.1f} mm²"


def long_axis(mm: float) -> str:
    """The longest extent of an area."""
    return f"{mm:.1f} mm long"


def density(grade: int) -> str:
    """How dense an area is."""
    return f"density {words.DENSITIES.get(grade, str(grade))}"


def kind(lesion_type: str, bodies: int) -> str:
    """The form of an area, and of how many bodies it is made."""
    return f"{words.LESION_TYPES[lesion_type]}, {count(bodies, 'body', 'bodies')}"


def signs(joints: int, tips: int) -> str:
    """The associated signs, in one line; empty when there are none."""
    parts = [f"narrow joint space at {count(joints, 'joint', 'joints')}"] * bool(joints)
    parts += [f"bone loss at {count(tips, 'fingertip', 'fingertips')}"] * bool(tips)
    return words.ALSO + "; ".join(parts) + "." if parts else ""


def narrowing(grade: int, space_mm: float | None) -> str:
    """A joint's suspected narrowing."""
    return f"narrow joint space, grade {grade} of 3" + (f", {space_mm:.1f} mm" if space_mm is not None else "")


def osteolysis(grade: int) -> str:
    """A fingertip's suspected bone loss."""
    return f"bone loss at the tip, grade {grade} of 4"


def technique(kvp: float | None, ma: float | None, ms: float | None, mas: float | None) -> str:
    """kV, mA, ms and mAs, as far as they are known."""
    pairs = ((kvp, "kV"), (ma, "mA"), (ms, "ms"), (mas, "mAs"))
    return "  ".join(f"{value:g} {unit}" for value, unit in pairs if value is not None)


def send_asked(number: int) -> str:
    """What 'Send again' did."""
    return f"{count(number, 'object', 'objects')} will be sent again now."


def parcels_in_trouble(number: int, held: int) -> str:
    """How many objects a problem concerns."""
    total = count(number, "object", "objects")
    return f"{total} held" if held == number else f"{total} waiting" + (f", {held} of them held" if held else "")
