"""Numbers in addresses and forms: those that a row of the store can have. Others name nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from werkzeug.routing import IntegerConverter

if TYPE_CHECKING:
    from werkzeug.routing import Map

HIGHEST: Final = 2**63 - 1
"""SQLite's integers have 64 bits."""


def number(text: str) -> int:
    """A row's number, for `type=` of a form's field.

    Raises:
        ValueError: it is none.
    """
    found = int(text)
    if not 0 <= found <= HIGHEST:
        raise ValueError("no row has such a number")
    return found


class RowNumber(IntegerConverter):
    """`<int:...>` in a route: what no row can have is no such page."""

    def __init__(self, map_: Map) -> None:
        super().__init__(map_, max=HIGHEST)
