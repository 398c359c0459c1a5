"""What the release that ships was measured to do when it was made; nothing is evaluated here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from models.evaluation.asked import lines
from tests.bench.detector import release
from tests.bench.figure import Figure


def figures(_folder: Path) -> Iterator[Figure]:
    """The lines of the release's evaluation that were asked for."""
    folder = release()
    result = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    how = f"`calcedge-models evaluate` when {folder.name} was made; its card says on what"
    for line in lines(result):
        yield Figure(line.name, line.measured, "", line.asked, line.holds, how)
