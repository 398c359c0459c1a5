"""What the routes share: the store, the run folder, and the reading of both into what a page shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from edge.store import exposures, images, orders, parcels, search
from edge.store.images import State
from edge.store.parcels import ParcelState
from edge.store.search import Query
from edge.web import bedside, compare, parts, problems, strip, timeline, views
from edge.web import orders as order_rules

if TYPE_CHECKING:
    from edge.config import Config
    from edge.runtime import RunFolder
    from edge.store import Store
    from edge.store.images import Image, StoredAnalysis
    from edge.web.bedside import Fact
    from edge.web.darkroom import Darkroom
    from edge.web.live import Live
    from edge.web.orders import OrderRow
    from edge.web.parts import Parts
    from edge.web.pictures import Pictures
    from edge.web.problems import Problem
    from edge.web.strip import Chip
    from edge.web.timeline import ExposureRow
    from edge.web.views import Shown, View

_EARLIER: Final = 6
_EXPOSURES: Final = 6
_SEARCHED: Final = 50
"""Among how many of the newest images an exposure's own is looked for."""
_TROUBLED: Final = 200
_LONG_AGO: Final = datetime(1980, 1, 1, tzinfo=UTC)
"""Seen from here nothing is of today, and every time gets its date."""


@dataclass(frozen=True, slots=True)
class Around:
    """What every page shows around its content."""

    parts: Parts
    chips: tuple[Chip, ...]
    problems: tuple[Problem, ...]
    queue: dict[str, dict[ParcelState, int]]
    to_analyse: int
    latest: Line | None


@dataclass(frozen=True, slots=True)
class Line:
    """One image in a list."""

    id: int
    shown: Shown
    patient: str
    number: str
    received: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the routes find things."""

    store: Store
    config: Config
    run: RunFolder
    live: Live
    pictures: Pictures
    darkroom: Darkroom
    software: str
    release: str | None

    def now(self) -> datetime:
        """This moment, UTC."""
        return self.store.clock.now().utc

    def around(self) -> Around:
        """The parts, what is wrong, and the queue."""
        now = parts.read(self.run, self.config)
        with self.store.read() as connection:
            troubled = parcels.troubled(connection, _TROUBLED)
            queue = parcels.count_by_state(connection)
            by_state = images.count_by_state(connection)
            oldest = {
                parcel.destination: parcel.image_id
                for parcel in reversed(troubled)
                if parcel.state is ParcelState.QUEUED
            }
            waiting_for = {name: images.get(connection, image_id) for name, image_id in oldest.items()}
        waiting = by_state[State.RECEIVED] + by_state[State.ADMITTED] + by_state[State.ANALYSED]
        since = {name: views.moment(image.received_utc, self.now()) for name, image in waiting_for.items() if image}
        newest = self.lines(Query(limit=1))
        return Around(
            now,
            strip.chips(now, queue, troubled),
            problems.find(now, troubled, since),
            queue,
            waiting,
            newest[0] if newest else None,
        )

    def order(self) -> OrderRow | None:
        """The order that the next exposure is for."""
        if self.config.worklist is None:
            return None
        with self.store.read() as connection:
            picked = orders.picked(connection)
        return order_rules.row(picked) if picked else None

    def newest(self, around: Around) -> View | None:
        """The image received last."""
        with self.store.read() as connection:
            found = images.latest(connection, 1)
        return self.image(found[0].id, around) if found else None

    def image(self, image_id: int, around: Around, *, dated: bool = False) -> View | None:
        """One image, or None. Its rows are read in one transaction: they are of one moment.

        `dated`: every time with its date, for what is kept longer than today.
        """
        with self.store.read() as connection:
            connection.execute("BEGIN")
            try:
                image = images.get(connection, image_id)
                stored = images.latest_analysis(connection, image_id)
                own = parcels.of_image(connection, image_id)
                link = orders.link_of_image(connection, image_id)
            finally:
                connection.execute("COMMIT")
        if image is None:
            return None
        now = _LONG_AGO if dated else self.now()
        view = views.view(image, stored, own, around.parts, now)
        return replace(view, tie=order_rules.tie(link))

    def received(self, image_id: int) -> Image | None:
        """An image as received, whether it was analysed or not."""
        with self.store.read() as connection:
            return images.get(connection, image_id)

    def earlier_of(self, image_id: int) -> tuple[tuple[Image, StoredAnalysis], ...]:
        """The same patient's earlier images that have an analysis to show, newest first."""
        with self.store.read() as connection:
            image = images.get(connection, image_id)
            if image is None or image.header is None:
                return ()
            found = search.of_patient(connection, image.header.identity.patient_id, image_id)
            pairs = [
                (one, images.latest_analysis(connection, one.id))
                for one in found
                if one.state is State.REPORTED and compare.same_patient(image, one)
            ]
        return tuple((one, stored) for one, stored in pairs if stored is not None)

    def analysis(self, image_id: int) -> tuple[Image, StoredAnalysis] | None:
        """An image and its newest analysis, or None while there is none to show."""
        with self.store.read() as connection:
            image = images.get(connection, image_id)
            stored = images.latest_analysis(connection, image_id)
        if image is None or stored is None or views.shown(image, stored) == "pending":
            return None
        return image, stored

    def lines(self, query: Query) -> tuple[Line, ...]:
        """Images for a list, newest first."""
        now = self.now()
        with self.store.read() as connection:
            found = search.find(connection, query)
        return tuple(
            Line(
                one.image.id,
                one.kind,
                views.patient(one.image),
                views.number(one.image),
                views.moment(one.image.received_utc, now),
            )
            for one in found
        )

    def earlier(self) -> tuple[Line, ...]:
        """The images before the newest."""
        return self.lines(Query(limit=_EARLIER + 1))[1:]

    def bedside(self, around: Around) -> tuple[Fact, ...]:
        """What there is to know of the unit."""
        with self.store.read() as connection:
            last = exposures.latest(connection, 1)
        return bedside.facts(around.parts.unit, last[0] if last else None)

    def exposures(self) -> tuple[tuple[ExposureRow, ...], str | None]:
        """The last exposures, and when the newest was if its image is still awaited."""
        with self.store.read() as connection:
            last = exposures.latest(connection, _EXPOSURES)
            found = images.latest(connection, _SEARCHED)
        return timeline.rows(last, found, self.now()), timeline.awaited(last, found, self.now())

    def resendable(self, asked: list[int]) -> list[int]:
        """Those of the parcels asked for that may be sent again: all but those that wait for their first try."""
        with self.store.read() as connection:
            found = [parcels.get(connection, parcel) for parcel in asked[:_TROUBLED]]
        return [parcel.id for parcel in found if parcel and (parcel.state is not ParcelState.QUEUED or parcel.reason)]
