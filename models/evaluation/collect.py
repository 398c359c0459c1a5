"""Records of many films, made by a few processes; what is already kept is not made again."""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.evaluation.observe import Observer
from models.evaluation.record import LISTING, SHOWN, Listing, Shown, Store, listings_of, shown_of

PROCESSES: Final = 2
_worker: list[tuple[_Job, Observer]] = []
"""Of one worker process: its job and the release, loaded once."""


@dataclass(frozen=True)
class _Job:
    """All that a process needs to know. `shown` None: only listings are asked for."""

    release: Path
    real_root: Path | None
    thresholds: tuple[tuple[str, float], ...]
    listings: Store
    shown: Store | None


def listings(
    cases: Sequence[str], release: Path, cache: Path, *, real_root: Path | None = None, processes: int = PROCESSES
) -> list[Listing]:
    """The listing of each case, in order."""
    job = _Job(release.resolve(), real_root, (), listings_of(cache, release), None)
    _fill(cases, job, processes)
    return [job.listings.get(LISTING, case) for case in cases]


def both(
    cases: Sequence[str],
    release: Path,
    cache: Path,
    thresholds: Mapping[str, float],
    *,
    real_root: Path | None = None,
    processes: int = PROCESSES,
) -> list[tuple[Listing, Shown]]:
    """The listing of each case and what is shown at `thresholds`, in order."""
    shown = shown_of(cache, release, thresholds)
    points = tuple(sorted(thresholds.items()))
    job = _Job(release.resolve(), real_root, points, listings_of(cache, release), shown)
    _fill(cases, job, processes)
    return [(job.listings.get(LISTING, case), shown.get(SHOWN, case)) for case in cases]


def _fill(cases: Sequence[str], job: _Job, processes: int) -> None:
    missing = [case for case in cases if not _kept(case, job)]
    if not missing:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(missing)), context, _start, (job,)) as pool:
        done = [pool.submit(_make, case) for case in missing]
        for number, future in enumerate(as_completed(done), start=1):
            future.result()
            if number % 20 == 0 or number == len(missing):
                print(f"  {number} of {len(missing)}", file=sys.stderr, flush=True)  # noqa: T201 - progress


def _kept(case: str, job: _Job) -> bool:
    return job.listings.has(case) and (job.shown is None or job.shown.has(case))


def _start(job: _Job) -> None:
    _worker.append((job, Observer(job.release, dict(job.thresholds), job.real_root)))


def _make(case: str) -> None:
    job, observer = _worker[0]
    slide = observer.slide(case)
    if not job.listings.has(case):
        job.listings.put(LISTING, case, observer.listing(slide))
    if job.shown is not None:
        job.shown.put(SHOWN, case, observer.shown(slide))
