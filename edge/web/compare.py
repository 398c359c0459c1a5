"""Now and before: two analyses of one patient's hands side by side. Rules only, no I/O.

What always holds: a difference is called a change only from 25 % on, and only when the same model said both, at the
same thresholds; sides that are not known are not compared; and an earlier image is another's unless identifier, birth
date and name agree as far as both are known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from edge.types import Findings

if TYPE_CHECKING:
    from edge.store.images import Image
    from edge.types import Hand, Identity

CHANGE: Final = 0.25
"""From this share on a difference in burden is called a change; below it may be positioning and noise."""

Trend = Literal["more", "less", "same", "new"]
Obstacle = Literal["model-differs", "thresholds-differ", "size-unknown", "no-common-side", "not-analysed"]


@dataclass(frozen=True, slots=True)
class Change:
    """One hand's burden then and now. `share` is the difference as a share of then; None when that was 0."""

    side: str
    before: float
    after: float
    share: float | None
    trend: Trend


def changes(before: object, after: object) -> tuple[Change, ...] | Obstacle:
    """What has changed from one analysis to the other, or why that can't be said."""
    if not isinstance(before, Findings) or not isinstance(after, Findings):
        return "not-analysed"
    if before.model.sha256 != after.model.sha256:
        return "model-differs"
    if _moved_to(before) != _moved_to(after):
        return "thresholds-differ"
    if before.image.mm_per_pixel is None or after.image.mm_per_pixel is None:
        return "size-unknown"
    then, now = _by_side(before), _by_side(after)
    found = tuple(
        _change(side, then[side].burden_index, now[side].burden_index)
        for side in "LR"
        if side in then.keys() & now.keys()
    )
    return found or "no-common-side"


def same_patient(one: Image, other: Image) -> bool:
    """Whether two images are of one person, by all that both headers say."""
    if one.header is None or other.header is None:
        return False
    first, second = one.header.identity, other.header.identity
    if not first.patient_id.strip() or first.patient_id != second.patient_id:
        return False
    return _agree(first.patient_birth_date, second.patient_birth_date) and _agree(_name(first), _name(second))


def _agree(one: str, other: str) -> bool:
    return not one or not other or one == other


def _name(identity: Identity) -> str:
    return " ".join(identity.patient_name.partition("=")[0].replace("^", " ").casefold().split())


def _moved_to(findings: Findings) -> tuple[float | None, float | None] | None:
    """Where a site has moved the model's thresholds to; None where the model's own were used."""
    model = findings.model
    return (model.possible_threshold, model.definite_threshold) if model.moved_from else None


def _by_side(findings: Findings) -> dict[str, Hand]:
    """The hands whose side is known and occurs once."""
    sides = [hand.side for hand in findings.hands]
    return {hand.side: hand for hand in findings.hands if hand.side != "U" and sides.count(hand.side) == 1}


def _change(side: str, before: float, after: float) -> Change:
    if before <= 0:
        return Change(side, before, after, None, "new" if after > 0 else "same")
    share = (after - before) / before
    trend: Trend = "same" if abs(share) < CHANGE else "more" if share > 0 else "less"
    return Change(side, before, after, share, trend)
