"""Whether this process may still have memory. One that may not answers nothing rightly any more: it is to end.

Who keeps it starts it afresh, and nothing is lost by that. What a machine itself runs out of, the kernel takes from the
largest; this is for the limits that only refuse: of addresses (`edge.confine`), and of what the machine may promise.
"""

from __future__ import annotations

import mmap
from typing import Final

_ENOUGH: Final = 1 << 24
"""Bytes: less than one film needs, and more than what malloc(3) keeps in hand."""


def headroom() -> bool:
    """Asks for a film's worth, touches none of it and gives it back: microseconds."""
    try:
        mmap.mmap(-1, _ENOUGH).close()
    except (OSError, MemoryError):
        return False
    return True
