"""How the appliance's processes stay small together: no decoder where nothing is decoded, nothing kept that is free.

pydicom loads every decoder it finds, 20 MB in each process. Only the worker, the darkroom and the recoder decode, and
they are processes of their own (docs/decisions/0003-untrusted-pixels.md); the others can't, not even by mistake.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

REST_S: Final = 1.0
"""A process that was asked for nothing for so long gives back what it doesn't need."""
_DECODERS: Final = ("gdcm", "pylibjpeg", "jpeg_ls")
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
"""mallopt(3), malloc.h."""
_ARENAS: Final = 2
_LARGE: Final = 1 << 17


def without_decoders() -> None:
    """From here on this process has no decoder of pixels. To be called before pydicom is imported."""
    for name in _DECODERS:
        sys.modules[name] = None  # type: ignore[assignment]  # importlib's own way to say: not here


def share_arenas() -> None:
    """Makes many threads share few heaps, and keeps what is large out of them. To be called before threads start.

    By its defaults malloc(3) gives nearly every thread a heap of its own and, once something large was freed, puts
    things of its size into them: thirty threads that take turns keep ten times what any one of them needs.
    """
    libc = ctypes.CDLL(None)
    libc.mallopt(_M_ARENA_MAX, _ARENAS)
    libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)


def give_back() -> None:
    """Returns free memory to the machine: malloc(3) keeps what one large film needed until the next comes."""
    ctypes.CDLL(None).malloc_trim(0)
