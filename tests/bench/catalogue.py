"""Every bench by name: for which issue's figure, where it is, and whether it takes more than a few minutes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

from tests.bench.figure import Figure


@dataclass(frozen=True, slots=True)
class Bench:
    """One bench. It is loaded only where it is run: a peer that is missing spoils no other."""

    issue: int
    where: str
    """`module:function` in this folder; the function takes a scratch folder and yields figures."""
    about: str
    long: bool = False

    def load(self) -> Callable[[Path], Iterator[Figure]]:
        """The function."""
        module, name = self.where.split(":")
        function: Callable[[Path], Iterator[Figure]] = getattr(import_module(f"tests.bench.{module}"), name)
        return function


BENCHES: Final[dict[str, Bench]] = {
    "demo": Bench(2, "box:demo", "one exposure from start to end"),
    "intake": Bench(2, "intake:against_peers", "durable intake of 10 MB images beside Orthanc and DCMTK"),
    "association": Bench(2, "intake:one_association", "memory over 100 images in one association"),
    "page": Bench(2, "latency:page", "last byte of an image to its findings on the page"),
    "detector": Bench(3, "detector:against_peers", "a whole analysis beside PyTorch eager and OpenVINO, same weights"),
    "networks": Bench(3, "detector:share_of_peak", "the networks' share of the machine's measured peak"),
    "memory": Bench(3, "detector:memory", "memory of an analysis"),
    "release": Bench(3, "release:figures", "the release's evaluation, as it was written down when it was made"),
    "link": Bench(4, "link:decode", "decoding frames, beside MIN's decoder"),
    "link-load": Bench(4, "link_load:load", "what the bridge costs at 115200 baud"),
    "link-replugs": Bench(4, "link_drops:replugs", "unplugged and back", long=True),
    "link-silences": Bench(4, "link_drops:silences", "a unit that falls silent", long=True),
    "time-map": Bench(4, "timemap:bench", "the unit's time and ours"),
    "matching": Bench(4, "matching:days", "exposures and images, 10,000 simulated days", long=True),
    "porch": Bench(5, "network:porch", "a send among half-open connections and a port scan"),
    "associations": Bench(5, "network:associations", "what very many associations leave behind"),
    "screen-page": Bench(6, "screen:page", "first content and the viewer, in Chromium"),
    "screen-list": Bench(6, "screen:images_list", "list and search over 100,000 images"),
    "screen-outcomes": Bench(6, "screen:outcomes", "from a durable outcome to the screen"),
    "screen-many": Bench(6, "crowd:many", "20 screens that follow an hour of work in five minutes"),
    "screen-hour": Bench(6, "crowd:hour", "20 screens that follow an hour of work for an hour", long=True),
    "hardening": Bench(8, "box:hardening", "systemd-analyze security of each unit"),
    "cold-start": Bench(8, "box:cold_start", "from nothing to READY, golden test included"),
    "footprint": Bench(8, "box:footprint", "memory of all processes, idle and at work"),
    "disk-writes": Bench(8, "box:disk_writes", "what an image writes to the disk"),
    "ports": Bench(8, "box:ports", "what a stranger finds on a running appliance"),
}
"""In the order of the table. What only a soak can show is in `tests.bench.proofs`."""
