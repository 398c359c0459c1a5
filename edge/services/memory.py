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


def without_decoders() -> None:
    """From here on this process has no decoder of pixels. To be called before pydicom is imported."""
    for name in _DECODERS:
        sys.modules[name] = None  # type: ignore[assignment]  # importlib's own way to say: not here


def give_back() -> None:
    """Returns free memory to the machine: malloc(3) keeps what one large film needed until the next comes."""
    ctypes.CDLL(None).malloc_trim(0)
