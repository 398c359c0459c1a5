"""The model's thresholds on the settings page: what is in use, how far it may be moved, and the way back.

What always holds: what the page offers are the bounds of the release that the analysis runs now, as the analysis
itself tells them; while it tells nothing, nothing can be changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Blueprint, redirect, request, url_for

from edge.people import thresholds
from edge.people.roles import Right
from edge.people.thresholds import OutOfBoundsError
from edge.types import OperatingPoints
from edge.web import parts, phrases, words
from edge.web.access import signed_in, who

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from werkzeug.wrappers import Response as AnyResponse

    from edge.people.thresholds import Release
    from edge.types import Range
    from edge.web.desk import Desk


@dataclass(frozen=True, slots=True)
class Field:
    """One threshold that may be set, in hundredths with a point: what a number's field takes."""

    name: str
    label: str
    value: str
    least: str
    greatest: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the settings page says of them. `fields`: none where nothing may be set."""

    now: str
    whose: str
    warnings: tuple[str, ...]
    bounds: str
    fields: tuple[Field, ...]
    is_moved: bool


def told(desk: Desk) -> Thresholds:
    """The thresholds as they are."""
    release = parts.read(desk.run, desk.config).analyzer.release
    if release is None:
        return Thresholds(words.THRESHOLDS_UNKNOWN, "", (), "", (), is_moved=False)
    points = thresholds.points_for(desk.store, release.model_sha256)
    used = points or release.own
    return Thresholds(
        _both(words.THRESHOLDS_NOW, used),
        _both(words.THRESHOLDS_MOVED, release.own) if points else str(words.THRESHOLDS_OWN),
        (*_ended(desk, release), *_meaning(used, release.own)),
        _bounds(release),
        tuple(_fields(used, release)),
        is_moved=points is not None,
    )


def blueprint(desk: Desk, settings_page: Callable[..., str]) -> Blueprint:
    """The routes."""
    routes = Blueprint("thresholds", __name__)

    @routes.post("/settings/thresholds")
    @who(Right.MANAGE)
    def choose() -> tuple[str, int] | AnyResponse:
        release = parts.read(desk.run, desk.config).analyzer.release
        if release is None:
            return settings_page(desk, words.THRESHOLDS_UNKNOWN), 409
        if "back" in request.form:
            thresholds.give_back(desk.store, release, signed_in().name)
        else:
            try:
                asked = OperatingPoints(float(request.form["possible"]), float(request.form["definite"]))
                thresholds.choose(desk.store, release, asked, signed_in().name)
            except (KeyError, ValueError, OutOfBoundsError):
                return settings_page(desk, words.THRESHOLDS_BAD), 400
        return redirect(url_for("settings.form", kept="thresholds", _anchor="thresholds"), 303)

    return routes


def _both(sentence: str, points: OperatingPoints) -> str:
    return sentence.format(possible=phrases.number(points.possible, 2), definite=phrases.number(points.definite, 2))


def _ended(desk: Desk, release: Release) -> Iterator[str]:
    """What was set for another release holds no more."""
    chosen = thresholds.chosen(desk.store)
    if chosen and chosen.model_sha256 != release.model_sha256:
        yield words.THRESHOLDS_ENDED.format(before=phrases.ltr(chosen.release), now=phrases.ltr(release.name))


def _meaning(used: OperatingPoints, own: OperatingPoints) -> Iterator[str]:
    if used.possible != own.possible:
        yield words.THRESHOLDS_MORE if used.possible < own.possible else words.THRESHOLDS_FEWER
    if used.definite != own.definite:
        yield words.THRESHOLDS_SURE_SOONER if used.definite < own.definite else words.THRESHOLDS_SURE_LATER


def _bounds(release: Release) -> str:
    if release.bounds is None:
        return str(words.THRESHOLDS_FIXED)
    return str(
        words.THRESHOLDS_BOUNDS.format(
            model=phrases.ltr(release.name),
            possible=_between(release.bounds.possible),
            definite=_between(release.bounds.definite),
        )
    )


def _between(bounds: Range) -> str:
    return str(
        words.THRESHOLDS_BETWEEN.format(
            least=phrases.number(bounds.least, 2), greatest=phrases.number(bounds.greatest, 2)
        )
    )


def _fields(used: OperatingPoints, release: Release) -> Iterator[Field]:
    if release.bounds is None:
        return
    for name, label, value, bounds in (
        ("possible", words.FIELD_POSSIBLE, used.possible, release.bounds.possible),
        ("definite", words.FIELD_DEFINITE, used.definite, release.bounds.definite),
    ):
        yield Field(name, label, f"{value:.2f}", f"{bounds.least:.2f}", f"{bounds.greatest:.2f}")
