"""Which hand an order is for, as far as its item says. Rules without I/O.

A worklist has no attribute for the side of a procedure; it stands in codes or in words. It is used only to say that
an image shows the other hand, never to decide which one it shows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from edge.store.orders import OrderSide

# SNOMED CT, from DICOM CID 244 (laterality).
_CODES: Final[dict[str, OrderSide]] = {"7771000": "L", "24028007": "R", "51440002": "B"}

# English, German, French, Spanish, Italian, Portuguese, Dutch, Polish.
_WORDS: Final[dict[str, OrderSide]] = {
    **dict.fromkeys(("left", "links", "linke", "linker", "linken", "gauche", "izquierda", "izquierdo"), "L"),
    **dict.fromkeys(("sinistra", "sinistro", "esquerda", "esquerdo", "linkerhand", "lewa", "lewej"), "L"),
    **dict.fromkeys(("right", "rechts", "rechte", "rechter", "rechten", "droite", "droit", "derecha"), "R"),
    **dict.fromkeys(("derecho", "destra", "destro", "direita", "direito", "rechterhand", "prawa", "prawej"), "R"),
    **dict.fromkeys(("both", "bilateral", "beide", "beider", "beidseits", "bds", "bilatérale", "obu"), "B"),
}
_LETTERS: Final[dict[str, OrderSide]] = {"L": "L", "LT": "L", "R": "R", "RT": "R", "B": "B", "BILAT": "B"}
"""Abbreviations, which count only in capitals and alone."""
_WORD: Final = re.compile(r"[^\W\d_]+")


def side_of(stated: str, codes: Iterable[str], texts: Iterable[str]) -> OrderSide:
    """The side by the attribute, else by codes, else by words; two sides are both, none is `U`.

    >>> side_of("", [], ["XR HAND 2 VIEWS LT"])
    'L'
    """
    if (letter := stated.strip().upper()) in ("L", "R", "B"):
        return _LETTERS[letter]
    coded = {_CODES[code] for code in codes if code in _CODES}
    words = [word for text in texts for word in _WORD.findall(text)]
    said = {_WORDS[word.casefold()] for word in words if word.casefold() in _WORDS}
    said = said or {_LETTERS[word] for word in words if word in _LETTERS}
    sides = coded or said
    if not sides:
        return "U"
    return sides.pop() if len(sides) == 1 else "B"
