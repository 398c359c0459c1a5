"""The operating points that the site's admin has chosen within the bounds of one model release.

What always holds: points belong to the release that they were chosen for (by the hash of its manifest) and hold for no
other, because another model's scores mean something else; nothing beyond the release's bounds is kept; and the audit
trail tells who moved which point from where to where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.store import events, settings
from edge.types import Bounds, OperatingPoints

if TYPE_CHECKING:
    from edge.store import Store

_NAME: Final = "thresholds"
_DIGITS: Final = 2
"""Points are chosen in hundredths, as the page shows them."""

_Score = Annotated[float, Field(ge=0, le=1)]


class Chosen(BaseModel):
    """Points that the site has chosen, and for which release."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    model_sha256: str
    release: str
    possible: _Score
    definite: _Score

    @property
    def points(self) -> OperatingPoints:
        """Both."""
        return OperatingPoints(self.possible, self.definite)


@dataclass(frozen=True, slots=True)
class Release:
    """A model release as far as its operating points go. `bounds` None: it lets nobody move them."""

    model_sha256: str
    name: str
    own: OperatingPoints
    bounds: Bounds | None


class OutOfBoundsError(ValueError):
    """The release doesn't allow these points."""


def chosen(store: Store) -> Chosen | None:
    """What the site has chosen last, for whichever release that was; None when the releases' own hold."""
    with store.read() as connection:
        kept = settings.everything(connection).get(_NAME)
    try:
        return Chosen.model_validate(kept) if kept else None
    except ValidationError:
        return None  # an older or newer application wrote it: the release's own points hold


def points_for(store: Store, model_sha256: str) -> OperatingPoints | None:
    """The points that the site has chosen for this release; None when its own hold."""
    found = chosen(store)
    return found.points if found and found.model_sha256 == model_sha256 else None


def choose(store: Store, release: Release, asked: OperatingPoints, actor: str) -> OperatingPoints:
    """Keeps points for a release, and answers with those that hold now. They are used from the next image on.

    Raises:
        OutOfBoundsError: if the release doesn't allow them.
    """
    points = OperatingPoints(
        _nearest(asked.possible, release.own.possible), _nearest(asked.definite, release.own.definite)
    )
    if points == release.own:
        give_back(store, release, actor)
    elif release.bounds is None or not release.bounds.allow(points):
        raise OutOfBoundsError
    else:
        kept = Chosen(
            model_sha256=release.model_sha256, release=release.name, possible=points.possible, definite=points.definite
        )
        _keep(store, release, kept, actor)
    return points


def give_back(store: Store, release: Release, actor: str) -> None:
    """The release's own points hold again, from the next image on."""
    _keep(store, release, None, actor)


def _nearest(asked: float, own: float) -> float:
    """In hundredths; what reads like the release's own point is that point."""
    value = round(asked, _DIGITS)
    return own if value == round(own, _DIGITS) else value


def _keep(store: Store, release: Release, kept: Chosen | None, actor: str) -> None:
    stamp = store.clock.now()
    before = points_for(store, release.model_sha256) or release.own
    after = kept.points if kept else release.own
    with store.transaction() as tx:
        settings.put(tx, _NAME, kept.model_dump() if kept else None, stamp)
        events.append(
            tx,
            stamp,
            actor,
            "setting-changed",
            f"setting:{_NAME}",
            release=release.name,
            possible=f"{before.possible:g} to {after.possible:g}",
            definite=f"{before.definite:g} to {after.definite:g}",
            by="release" if kept is None else "site",
        )
