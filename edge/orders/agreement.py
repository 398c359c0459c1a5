"""Whether an image is what an order asked for. Rules without I/O.

What always holds: what contradicts is named; an image whose header names another patient is never tied to the order,
however plausible the rest; a silent header contradicts nothing. The image's own identity is never changed.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from edge.store.orders import Evidence, LinkVerdict, Order, OrderFacts
    from edge.types import Header, Side

WORDS: Final = {
    "patient_id": "the patient's number",
    "patient_name": "the patient's name",
    "patient_birth_date": "the patient's date of birth",
    "patient_sex": "the patient's sex",
    "accession_number": "the accession number",
    "side": "the side that the image's header states",
    "side_seen": "the side seen in the picture",
}
"""Every difference that there is, and what it is called for people."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """An order, and how an image stands to it."""

    order_id: int
    verdict: LinkVerdict
    evidence: Evidence
    differences: tuple[str, ...]


def judge(header: Header, same_accession: Sequence[Order], picked: Order | None) -> Judgement | None:
    """Which order an image answers. Its own accession number counts more than what was picked."""
    named = [order for order in same_accession if not is_another_patient(order.facts, header)]
    if named:
        order = next((order for order in named if picked and order.id == picked.id), named[0])
        return _judged(order, header, "accession")
    return _judged(picked, header, "picked") if picked else None


def differences(order: OrderFacts, header: Header) -> tuple[str, ...]:
    """The names of what the order and the header both state, and state differently."""
    identity = header.identity
    pairs = {
        "patient_id": (order.patient_id, identity.patient_id),
        "patient_birth_date": (order.patient_birth_date, identity.patient_birth_date),
        "patient_sex": (_sex(order.patient_sex), _sex(identity.patient_sex)),
        "accession_number": (order.accession_number, identity.accession_number),
    }
    differing = {name for name, (asked, found) in pairs.items() if asked and found and asked != found}
    if not same_name(order.patient_name, identity.patient_name):
        differing.add("patient_name")
    if order.side in ("L", "R") and header.laterality in ("L", "R") and order.side != header.laterality:
        differing.add("side")
    return tuple(name for name in WORDS if name in differing)


def is_another_patient(order: OrderFacts, header: Header) -> bool:
    """Whether the header is about somebody else: by number, or without one by name or date of birth."""
    differing = differences(order, header)
    if order.patient_id and header.identity.patient_id:
        return "patient_id" in differing
    return "patient_name" in differing or "patient_birth_date" in differing


def seen_differently(order: OrderFacts, sides: Iterable[Side]) -> bool:
    """Whether the picture shows only the other hand."""
    seen = set(sides) - {"U"}
    return order.side in ("L", "R") and bool(seen) and order.side not in seen


def same_name(one: str, other: str) -> bool:
    """Whether two names may be one person's: one representation in common, by letters alone; or one is silent."""
    ours, theirs = _representations(one), _representations(other)
    return not ours or not theirs or bool(ours & theirs)


def _judged(order: Order, header: Header, evidence: Evidence) -> Judgement:
    differing = differences(order.facts, header)
    verdict: LinkVerdict = "differs" if differing else "agrees"
    if is_another_patient(order.facts, header):
        verdict = "refused"
    return Judgement(order.id, verdict, evidence, differing)


def _representations(name: str) -> set[str]:
    """Alphabetic, ideographic and phonetic (PS3.5 section 6.2.1.1), each reduced to letters, folded."""
    folded = (unicodedata.normalize("NFKC", part).casefold() for part in name.split("="))
    reduced = {"^".join(filter(None, ("".join(filter(str.isalnum, c)) for c in part.split("^")))) for part in folded}
    return reduced - {""}


def _sex(value: str) -> str:
    return value if value in ("M", "F", "O") else ""
