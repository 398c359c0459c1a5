"""What the list is asked for: the form's fields as a query. Rules only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from edge.store.search import Query
from edge.web import words
from edge.web.numbers import number

if TYPE_CHECKING:
    from werkzeug.datastructures import MultiDict

    from edge.store.search import Kind

PAGE: Final = 50
_LONGEST: Final = 100
_KINDS: Final[dict[str, Kind]] = {
    "findings": "findings",
    "no_findings": "no_findings",
    "not_analysed": "not_analysed",
    "pending": "pending",
}


def asked(form: MultiDict[str, str], limit: int = PAGE) -> Query:
    """The query of a form. What makes no sense is left out."""
    since, until = _day(form.get("day", ""))
    return Query(
        words=form.get("q", "")[:_LONGEST],
        outcome=_KINDS.get(form.get("outcome", "")),
        since=since,
        until=until,
        before_id=form.get("before", type=number),
        limit=limit,
    )


def narrowed(query: Query) -> bool:
    """Whether anything is asked for at all."""
    return bool(query.words.strip() or query.outcome or query.since)


def _day(text: str) -> tuple[str, str]:
    """A day of the wall's calendar as UTC stamps."""
    try:
        start = datetime.strptime(text, "%Y-%m-%d").astimezone()
    except ValueError:
        return "", ""
    ends = (start, start + timedelta(days=1))
    first, last = (moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S") for moment in ends)
    return first, last


assert set(_KINDS) == set(words.SHAPE)
