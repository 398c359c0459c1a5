"""The names and UIDs that lesions go by: the same in the report, the segmentation and the presentation state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from edge.report import wording
from edge.types import Findings, Lesion


@dataclass(frozen=True, slots=True)
class Tracked:
    """One reported lesion. `number` is the one drawn on the overlay, `name` reads `L-DP2-01`."""

    lesion: Lesion
    number: int
    name: str
    uid: str


def track(findings: Findings, uid: Callable[[], str]) -> tuple[Tracked, ...]:
    """The reported lesions in order, each with its tracking identifier and a tracking UID from `uid`."""
    labels = wording.hand_labels(findings.hands)
    seen: Counter[str] = Counter()
    found = []
    for number, lesion in enumerate(wording.reported(findings), 1):
        place = f"{labels[lesion.hand]}-{lesion.region}"
        seen[place] += 1
        found.append(Tracked(lesion, number, f"{place}-{seen[place]:02d}", uid()))
    return tuple(found)
