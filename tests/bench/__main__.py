"""Runs the benches and writes one table."""

from __future__ import annotations

import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from tests.bench import (
    crowd,
    detector,
    intake,
    latency,
    link,
    link_drops,
    link_load,
    matching,
    network,
    screen,
    timemap,
)
from tests.bench.figure import Figure

BENCHES: dict[str, Callable[[Path], Iterator[Figure]]] = {
    "intake": intake.against_orthanc,
    "association": intake.one_association,
    "porch": network.porch,
    "associations": network.associations,
    "page": latency.page,
    "link": link.decode,
    "detector": detector.against_eager,
    "networks": detector.share_of_peak,
    "memory": detector.memory,
    "link-replugs": link_drops.replugs,
    "link-silences": link_drops.silences,
    "link-load": link_load.load,
    "time-map": timemap.bench,
    "matching": matching.days,
    "screen-page": screen.page,
    "screen-list": screen.images_list,
    "screen-outcomes": screen.outcomes,
    "screen-many": crowd.many,
}
LONG: dict[str, Callable[[Path], Iterator[Figure]]] = {"screen-hour": crowd.hour}
"""Only when named."""


def main(names: list[str]) -> int:
    figures: list[Figure] = []
    for name in names or list(BENCHES):
        bench = BENCHES.get(name) or LONG[name]
        with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
            for figure in bench(Path(folder)):
                figures.append(figure)
                print(_row(figure), flush=True)
    out = Path("var/bench")
    out.mkdir(parents=True, exist_ok=True)
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    body = {"machine": machine, "figures": [asdict(figure) for figure in figures]}
    (out / "figures.json").write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    head = "| figure | value | asked | holds | how |\n|---|---|---|---|---|"
    table = "\n".join([f"Measured on {machine}.\n", head, *map(_row, figures)])
    (out / "figures.md").write_text(table + "\n", encoding="utf-8")
    return 1 if any(figure.holds is False for figure in figures) else 0


def _row(figure: Figure) -> str:
    holds = "" if figure.holds is None else "yes" if figure.holds else "NO"
    return f"| {figure.name} | {figure.value:g} {figure.unit} | {figure.bound or ''} | {holds} | {figure.how} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
