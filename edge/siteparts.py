"""What the site's admin set on the page and every process must know: archives, worklist, certificate. One JSON file.

It lies beside the store as `site.json` and takes the place of the same parts of the configuration file. Processes end
when it changes and are started again by whoever keeps them; nothing is lost by that.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PARTS: Final = ("destinations", "worklist", "mpps", "tls")
_NAME: Final = "site.json"


def read(data: Path) -> dict[str, Any]:
    """The parts that were set; nothing when none was.

    Raises:
        OSError, ValueError: the file is there and can't be read.
    """
    try:
        text = (data / _NAME).read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    parts = json.loads(text)
    if not isinstance(parts, dict) or not parts.keys() <= set(PARTS):
        raise ValueError(f"{_NAME} holds something else than {', '.join(PARTS)}")
    return parts


def write(data: Path, parts: Mapping[str, Any]) -> None:
    """Keeps parts, durably, instead of those before."""
    temporary = data / f".{_NAME}"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(dict(parts), file, indent=1, sort_keys=True)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(data / _NAME)
    folder = os.open(data, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def stamp(data: Path) -> int:
    """Another number after each change."""
    try:
        found = (data / _NAME).stat()
    except FileNotFoundError:
        return 0
    return found.st_mtime_ns ^ found.st_ino
