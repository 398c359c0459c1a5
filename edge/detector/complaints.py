"""Hears what a C library prints instead of raising.

The IJG codec inside GDCM goes on after damage: it prints "Corrupt JPEG data", fills what is missing with grey and
returns a picture. Whoever believes that picture has lost the warning. So standard error is a file of our own while the
codec runs; what the codec said decides, and what others said meanwhile is passed on.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

DAMAGE: Final = (
    b"Corrupt JPEG data",
    b"Premature end of JPEG file",
    b"Unsupported marker",
    b"Invalid SOS parameters",
    b"Inconsistent progression",
)
"""How the codec's warnings of lost data begin (jerror.h). It prints the first one of a picture."""

_STDERR: Final = 2
_one_at_a_time = threading.Lock()


@contextmanager
def heard() -> Iterator[list[bytes]]:
    """Within the block the list is empty; after it, it holds the lines that tell of damage."""
    damage: list[bytes] = []
    with _one_at_a_time:
        sys.stderr.flush()
        own = os.dup(_STDERR)
        ear = os.memfd_create("codec")
        os.dup2(ear, _STDERR)
        try:
            yield damage
        finally:
            os.dup2(own, _STDERR)
            os.lseek(ear, 0, os.SEEK_SET)
            lines = os.read(ear, 1 << 16).splitlines(keepends=True)
            os.close(ear)
            damage += [line for line in lines if line.startswith(DAMAGE)]
            for line in lines:
                if not line.startswith(DAMAGE):
                    os.write(own, line)
            os.close(own)
