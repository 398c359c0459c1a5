"""The film as a PNG, in a few fixed widths, kept in memory for a while."""

from __future__ import annotations

import io
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from PIL import Image

if TYPE_CHECKING:
    from edge.store import Objects

WIDTHS: Final = (480, 960, 1600)
"""Any width asked for becomes the next of these, so that nobody can fill the memory with sizes."""
_KEPT: Final = 12


class Pictures:
    """Pictures by the name of their object. Names are hashes of content, so what is kept never ages.

    One is scaled at a time: when twenty screens ask for a new picture at once, it is made once.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._lock = threading.Lock()
        self._scaled = lru_cache(maxsize=_KEPT)(self._scale)

    def png(self, name: str, width: int | None) -> bytes:
        """The film, scaled down to the next fixed width at or above `width`; in full when there is none.

        Raises:
            StoreError: `object-missing` or `object-corrupt`.
        """
        step = next((fixed for fixed in WIDTHS if width is not None and fixed >= width), None)
        if step is None:
            return self._objects.read(name)
        with self._lock:
            return self._scaled(name, step)

    def _scale(self, name: str, width: int) -> bytes:
        content = self._objects.read(name)
        with Image.open(io.BytesIO(content)) as film:
            if film.width <= width:
                return content
            height = round(film.height * width / film.width)
            small = film.convert("L").resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)
        out = io.BytesIO()
        small.save(out, "PNG", compress_level=1)
        return out.getvalue()
