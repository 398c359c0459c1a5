"""The way of an image through the house, as a table, and what each step leaves behind durably.

    received --admit--> admitted --analyse--> analysed --report--> reported
        |                                        ^
        +--------------- refuse -----------------+

Each step commits in one transaction: the new state, what was made, the parcels it sends and the event that tells of
it. A process that dies before the commit leaves the image where it was; the step is simply done again. Objects are
durable before the transaction that names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from edge.config import FhirDestination, FolderDestination
from edge.errors import reason
from edge.store import events, images, parcels
from edge.store.images import State
from edge.store.parcels import Item
from edge.types import NotAnalysed

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from edge.clock import Stamp
    from edge.config import AnyDestination
    from edge.errors import ReportError
    from edge.store import Store
    from edge.store.images import Image, StoredAnalysis
    from edge.types import Analysed, Analysis, Header, ReportObject


class Step(StrEnum):
    """What can happen to an image."""

    ADMIT = "admit"
    REFUSE = "refuse"
    ANALYSE = "analyse"
    REPORT = "report"
    AGAIN = "again"


TRANSITIONS: Final[dict[tuple[State, Step], State]] = {
    (State.RECEIVED, Step.ADMIT): State.ADMITTED,
    (State.RECEIVED, Step.REFUSE): State.ANALYSED,
    (State.ADMITTED, Step.ANALYSE): State.ANALYSED,
    (State.ANALYSED, Step.REPORT): State.REPORTED,
    (State.REPORTED, Step.AGAIN): State.RECEIVED,
}

ACTOR: Final = "analyze"


@dataclass(frozen=True, slots=True)
class FhirBundle:
    """One analysis as FHIR: the identifier under which it is kept, and its text."""

    id: str
    content: bytes


class Flow:
    """Commits the steps of the table. The only writer of image states."""

    def __init__(self, store: Store, destinations: Sequence[AnyDestination]) -> None:
        self._store = store
        self._destinations = tuple(destinations)

    def next_image(self) -> Image | None:
        """The image to work on: the oldest that is not reported, nearest to its end first."""
        with self._store.read() as connection:
            for state in (State.ANALYSED, State.ADMITTED, State.RECEIVED):
                image = images.waiting(connection, (state,))
                if image:
                    return image
        return None

    def begin_attempt(self, image: Image) -> None:
        """Counts an attempt before it begins, so that a crash is counted too."""
        with self._store.transaction() as tx:
            images.begin_attempt(tx, image.id)

    def admit(self, image: Image, header: Header) -> bool:
        """The image is a radiograph of ours to analyse. False (and refused) when its identifier was used before."""
        stamp = self._store.clock.now()
        uid = header.identity.sop_instance_uid
        with self._store.transaction() as tx:
            conflicting = images.conflicts(tx, image.id, uid)
            images.admit(tx, image.id, header, conflicting=conflicting)
            if conflicting:
                refusal = NotAnalysed(image.object, reason("conflicting-duplicate"), uid)
                self._refuse(tx, image, refusal)
                events.append(tx, stamp, ACTOR, "image-conflicting", f"image:{image.id}")
            else:
                images.move(tx, image.id, State.RECEIVED, TRANSITIONS[State.RECEIVED, Step.ADMIT])
                events.append(tx, stamp, ACTOR, "image-admitted", f"image:{image.id}")
                self._send_original(tx, image, header)
        return not conflicting

    def refuse(self, image: Image, refusal: NotAnalysed) -> None:
        """The image is kept but not analysed, with the reason."""
        with self._store.transaction() as tx:
            self._refuse(tx, image, refusal)

    def analysed(self, image: Image, result: Analysed) -> None:
        """Keeps an analysis and its picture."""
        stamp = self._store.clock.now()
        picture = self._store.objects.put(result.picture_png) if result.picture_png else None
        with self._store.transaction() as tx:
            images.add_analysis(tx, image.id, result.analysis, picture, stamp)
            images.move(tx, image.id, State.ADMITTED, TRANSITIONS[State.ADMITTED, Step.ANALYSE])
            events.append(tx, stamp, ACTOR, "image-analysed", f"image:{image.id}", **_outcome(result.analysis))

    @property
    def wants_fhir(self) -> bool:
        """Whether any destination takes FHIR."""
        return any(_takes_fhir(destination) for destination in self._destinations)

    def reported(
        self, image: Image, analysis: StoredAnalysis, reports: Sequence[ReportObject], bundle: FhirBundle | None = None
    ) -> None:
        """Keeps the report objects (already proven) and queues them for every destination that takes such."""
        stamp = self._store.clock.now()
        named = [(report, self._store.objects.put(report.content)) for report in reports]
        text = self._store.objects.put(bundle.content) if bundle else None
        with self._store.transaction() as tx:
            for report, name in named:
                images.add_report(tx, analysis.id, report, name)
                item = Item(report.kind, name, report.sop_class_uid, report.sop_instance_uid)
                for destination in self._destinations:
                    if not isinstance(destination, FhirDestination):
                        parcels.add(tx, image.id, destination.name, item, stamp)
            if bundle and text:
                item = Item("fhir", text, "Bundle", bundle.id)
                for destination in filter(_takes_fhir, self._destinations):
                    parcels.add(tx, image.id, destination.name, item, stamp)
            self._end(tx, image, stamp, trouble=None, objects=len(named))

    def report_failed(self, image: Image, error: ReportError) -> None:
        """No report could be made: the image ends here with the reason, and nothing is sent in its name."""
        with self._store.transaction() as tx:
            self._end(tx, image, self._store.clock.now(), trouble=error.reason.code, objects=0)

    def _end(self, tx: sqlite3.Connection, image: Image, stamp: Stamp, *, trouble: str | None, objects: int) -> None:
        images.set_trouble(tx, image.id, trouble)
        images.move(tx, image.id, State.ANALYSED, TRANSITIONS[State.ANALYSED, Step.REPORT])
        events.append(tx, stamp, ACTOR, "image-reported", f"image:{image.id}", objects=objects, trouble=trouble)

    def _refuse(self, tx: sqlite3.Connection, image: Image, refusal: NotAnalysed) -> None:
        stamp = self._store.clock.now()
        images.add_analysis(tx, image.id, refusal, None, stamp)
        images.move(tx, image.id, State.RECEIVED, TRANSITIONS[State.RECEIVED, Step.REFUSE])
        events.append(tx, stamp, ACTOR, "image-analysed", f"image:{image.id}", **_outcome(refusal))

    def _send_original(self, tx: sqlite3.Connection, image: Image, header: Header) -> None:
        identity = header.identity
        item = Item("original", image.object, identity.sop_class_uid, identity.sop_instance_uid)
        for destination in self._destinations:
            if destination.originals:
                parcels.add(tx, image.id, destination.name, item, self._store.clock.now())


def _takes_fhir(destination: AnyDestination) -> bool:
    return isinstance(destination, FhirDestination) or (isinstance(destination, FolderDestination) and destination.fhir)


def analyse_again(store: Store, image_id: int, actor: str) -> bool:
    """A person asks for another analysis. False when the image is unknown or still on its way."""
    with store.transaction() as tx:
        image = images.get(tx, image_id)
        if image is None or image.state is not State.REPORTED:
            return False
        images.forget_attempts(tx, image_id)
        images.move(tx, image_id, State.REPORTED, TRANSITIONS[State.REPORTED, Step.AGAIN])
        events.append(tx, store.clock.now(), actor, "image-again", f"image:{image_id}")
    return True


def send_again(store: Store, parcel_id: int, actor: str) -> bool:
    """A person asks for a parcel to be sent again. False when it is unknown."""
    with store.transaction() as tx:
        known = parcels.requeue(tx, parcel_id, store.clock.now())
        if known:
            events.append(tx, store.clock.now(), actor, "parcel-again", f"parcel:{parcel_id}")
    return known


def _outcome(analysis: Analysis) -> dict[str, object]:
    if isinstance(analysis, NotAnalysed):
        return {"outcome": analysis.outcome, "reason": analysis.reason.code}
    return {"outcome": analysis.outcome, "lesions": len(analysis.lesions)}
