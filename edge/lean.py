"""Starts a process of its own that loads no more than it needs: `python -m edge.lean MODULE ARGUMENT...`.

Libraries load what they might once use, and each of the appliance's processes would pay for it in memory and at every
start. What always holds: what is left out is only looked for by libraries that go on without it.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

_LUXURIES: Final = ("rich", "requests")
"""structlog colours its tracebacks with the first, which never reach a log of ours (`edge.log`); pydicom downloads its
test films with the second. Together they are 10 MB and 0.15 s of a processor in each process."""
_LATE: Final = ("gdcm",)
"""pydicom loads all decoders that it finds. This one is 19 MB, and few units' films need it."""


def without_luxuries() -> None:
    """From here on this process has none of them. To be called before structlog and pydicom are imported."""
    for name in (*_LUXURIES, *_LATE):
        sys.modules[name] = None  # type: ignore[assignment]  # importlib's own way to say: not here


def late(name: str) -> Any:
    """A module that was left out until it is really needed.

    Raises:
        ImportError: it is not installed.
    """
    if sys.modules.get(name, sys) is None:
        del sys.modules[name]
    return import_module(name)


def command(module: str, *arguments: str) -> list[str]:
    """What starts a module of ours, whose `main` takes the arguments, in such a process."""
    return [sys.executable, "-m", "edge.lean", module, *arguments]


if __name__ == "__main__":
    without_luxuries()
    sys.exit(import_module(sys.argv[1]).main(sys.argv[2:]))
