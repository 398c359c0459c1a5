"""What the routes share: the store, the run folder, and the reading of both into what a page shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge.store import exposures, images, parcels
from edge.store.images import State
from edge.web import parts, problems, strip, timeline, views, words

if TYPE_CHECKING:
    from datetime import datetime

    from edge.config import Config
    from edge.runtime import RunFolder
    from edge.store import Store
    from edge.store.images import Image, StoredAnalysis
    from edge.store.parcels import ParcelState
    from edge.web.live import Live
    from edge.web.parts import Parts
    from edge.web.pictures import Pictures
    from edge.web.problems import Problem
    from edge.web.strip import Chip
    from edge.web.timeline import ExposureRow
    from edge.web.views import Shown, View

PAGE: Final = 50
_EARLIER: Final = 6
_EXPOSURES: Final = 6
_SEARCHED: Final = 50
"""Among how many of the newest images an exposure's own is looked for."""
_TROUBLED: Final = 200


@dataclass(frozen=True, slots=True)
class Around:
    """What every page shows around its content."""

    parts: Parts
    chips: tuple[Chip, ...]
    problems: tuple[Problem, ...]
    queue: dict[str, dict[ParcelState, int]]
    to_analyse: int


@dataclass(frozen=True, slots=True)
class Line:
    """One image in a list."""

    id: int
    shown: Shown
    patient: str
    received: str
    match_words: str


@dataclass(frozen=True, slots=True)
class Desk:
    """Where the routes find things."""

    store: Store
    config: Config
    run: RunFolder
    live: Live
    pictures: Pictures
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
        waiting = by_state[State.RECEIVED] + by_state[State.ADMITTED] + by_state[State.ANALYSED]
        return Around(now, strip.chips(now, queue, troubled), problems.find(now, troubled), queue, waiting)

    def newest(self, around: Around) -> View | None:
        """The image received last."""
        with self.store.read() as connection:
            found = images.latest(connection, 1)
        return self.image(found[0].id, around) if found else None

    def image(self, image_id: int, around: Around) -> View | None:
        """One image, or None. Its rows are read in one transaction: they are of one moment."""
        with self.store.read() as connection:
            connection.execute("BEGIN")
            try:
                image = images.get(connection, image_id)
                stored = images.latest_analysis(connection, image_id)
                own = parcels.of_image(connection, image_id)
            finally:
                connection.execute("COMMIT")
        return views.view(image, stored, own, around.parts, self.now()) if image else None

    def analysis(self, image_id: int) -> tuple[Image, StoredAnalysis] | None:
        """An image and its newest analysis, or None while there is none to show."""
        with self.store.read() as connection:
            image = images.get(connection, image_id)
            stored = images.latest_analysis(connection, image_id)
        if image is None or stored is None or views.shown(image, stored) == "pending":
            return None
        return image, stored

    def lines(self, before: int | None = None, limit: int = PAGE) -> tuple[Line, ...]:
        """Images for a list, newest first."""
        now = self.now()
        with self.store.read() as connection:
            found = images.latest(connection, limit, before)
            pairs = [(image, images.latest_analysis(connection, image.id)) for image in found]
        return tuple(
            Line(
                image.id,
                views.shown(image, stored),
                views.patient(image),
                views.moment(image.received_utc, now),
                words.MATCH[image.match],
            )
            for image, stored in pairs
        )

    def earlier(self) -> tuple[Line, ...]:
        """The images before the newest."""
        return self.lines(limit=_EARLIER + 1)[1:]

    def exposures(self) -> tuple[tuple[ExposureRow, ...], str | None]:
        """The last exposures, and when the newest was if its image is still awaited."""
        with self.store.read() as connection:
            last = exposures.latest(connection, _EXPOSURES)
            found = images.latest(connection, _SEARCHED)
        return timeline.rows(last, found, self.now()), timeline.awaited(last, found, self.now())

    def resendable(self, asked: list[int]) -> list[int]:
        """Those of the parcels asked for that are in trouble now."""
        with self.store.read() as connection:
            troubled = {p.id for p in parcels.troubled(connection, _TROUBLED) if p.state != "sent"}
        return [parcel for parcel in asked if parcel in troubled]
