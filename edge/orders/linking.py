"""Ties new images to orders, and notes when the first exposure for an order was made.

An image is judged once it is admitted, against the order that was picked when it was exposed; and once more when the
picture was looked at, for the side that it shows. Every verdict is an event: nothing is tied, or not tied, in silence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydicom.uid import generate_uid

from edge.orders.agreement import Judgement, judge, seen_differently
from edge.store import events, exposures, images, orders, performed
from edge.types import Findings

if TYPE_CHECKING:
    import sqlite3

    from edge.clock import Stamp
    from edge.store import Store
    from edge.store.images import Image
    from edge.store.orders import Link

ACTOR: Final = "orders"
_NEWEST: Final = 40


def link(store: Store, *, tell: bool) -> int:
    """Judges what is new. Returns how many verdicts were made.

    Args:
        store: the store.
        tell: whether the clinic's system is told of what is done (MPPS).
    """
    with store.read() as connection:
        new = orders.unjudged_images(connection, _NEWEST)
        looked_at = orders.unlooked_links(connection)
    made = sum(_judge(store, image_id, tell=tell) for image_id in new)
    for known in looked_at:
        _look(store, known)
    if tell:
        _note_exposures(store)
    return made + len(looked_at)


def _judge(store: Store, image_id: int, *, tell: bool) -> bool:
    stamp = store.clock.now()
    with store.transaction() as tx:
        image = images.get(tx, image_id)
        if image is None or image.header is None:
            return False
        same = orders.by_accession(tx, image.header.identity.accession_number)
        judgement = judge(image.header, same, orders.picked_at(tx, image.received_boot, _moment_ns(tx, image)))
        if judgement is None:
            return False
        made = orders.add_link(
            tx, image_id, judgement.order_id, stamp, verdict=judgement.verdict, evidence=judgement.evidence,
            differences=judgement.differences,
        )  # fmt: skip
        if made:
            _tell(tx, stamp, judgement, image_id)
        if made and tell and judgement.verdict != "refused":
            performed.begin(tx, judgement.order_id, generate_uid(prefix=None), stamp)
    return made


def _moment_ns(tx: sqlite3.Connection, image: Image) -> int:
    """When the image was exposed, as far as is known; else when it came."""
    exposure = exposures.get(tx, image.exposure_id) if image.exposure_id else None
    return exposure.at_ns if exposure and exposure.at_boot == image.received_boot else image.received_ns


def _look(store: Store, known: Link) -> None:
    """Compares the side that the picture shows."""
    with store.transaction() as tx:
        order = orders.get(tx, known.order_id)
        stored = images.latest_analysis(tx, known.image_id)
        differing, verdict = known.differences, known.verdict
        if order and stored and isinstance(stored.analysis, Findings):
            sides = {hand.side for hand in stored.analysis.hands}
            if seen_differently(order.facts, sides):
                differing = (*differing, "side_seen")
                verdict = "refused" if verdict == "refused" else "differs"
                seen = Judgement(known.order_id, verdict, known.evidence, differing)
                _tell(tx, store.clock.now(), seen, known.image_id)
        orders.look(tx, known.image_id, differing, verdict)


def _note_exposures(store: Store) -> None:
    """The first exposure after an order was picked begins its step, even if no image ever comes."""
    now = store.clock.now()
    with store.read() as connection:
        order = orders.picked(connection)
        if order is None or order.picked_boot != now.boot or order.picked_ns is None:
            return
        if not exposures.of_boot(connection, now.boot, order.picked_ns) or performed.of_order(connection, order.id):
            return
    with store.transaction() as tx:
        performed.begin(tx, order.id, generate_uid(prefix=None), now)


def _tell(tx: sqlite3.Connection, stamp: Stamp, judgement: Judgement, image_id: int) -> None:
    events.append(
        tx, stamp, ACTOR, "image-ordered", f"image:{image_id}", order=judgement.order_id, verdict=judgement.verdict,
        differences=list(judgement.differences),
    )  # fmt: skip
