"""What is fuzzed, by name. A target is made in a folder of its own, only when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.fuzz.engine import Target

_MODULES: Final = {
    "admission": "intake", "decode": "intake", "worker": "intake",
    "requests": "web", "search": "web",
    "configuration": "documents", "site": "documents", "update-metadata": "documents", "update-documents": "documents",
    "wheel": "documents", "state": "documents", "backup": "documents",
    "worklist": "answers", "dicomweb": "answers", "status": "answers",
}  # fmt: skip
_SERIAL: Final = "tests.fuzz.serial"
NAMES: Final = (*_MODULES, *(f"serial-{name}" for name in ("frames", "messages", "session", "trace", "spellman")))


def make(name: str, folder: Path) -> Target:
    """The target, with its seeds."""
    folder.mkdir(parents=True, exist_ok=True)
    if name in _MODULES:
        made: dict[str, Callable[[Path], Target]] = importlib.import_module(f"tests.fuzz.{_MODULES[name]}").TARGETS
        return made[name](folder)
    made_serial: Callable[[str], Target] = importlib.import_module(_SERIAL).made
    return made_serial(name)
