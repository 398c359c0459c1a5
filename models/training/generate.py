"""Makes the samples of a configuration, in worker processes, with progress. Starts again where it stopped."""

from __future__ import annotations

import multiprocessing
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from models.training.distal import save_distal
from models.training.samples import save_anatomy, save_lesions


def _one(job: tuple[str, int], *, folder: Path, renders: dict[str, int]) -> None:
    kind, seed = job
    {"lesions": save_lesions, "anatomy": save_anatomy, "distal": save_distal}[kind](folder, seed, renders[kind])


def seeds_of(pairs: list[int]) -> list[int]:
    """The seeds of a setting: pairs of the first and one past the last."""
    return [seed for first, past in zip(pairs[::2], pairs[1::2], strict=True) for seed in range(first, past)]


def generate(data: dict[str, Any], kinds: tuple[str, ...] = ("anatomy", "lesions", "distal")) -> None:
    """Makes every sample that `data` (the configuration's `[data]`) asks for and that isn't there yet."""
    folder = Path(data["folder"])
    folder.mkdir(parents=True, exist_ok=True)
    names = {"anatomy": "anatomy", "lesions": "lesion", "distal": "distal"}
    renders = {kind: int(data[f"{names[kind]}_renders"]) for kind in kinds}
    jobs = [(kind, seed) for kind in kinds for seed in seeds_of(data[f"{names[kind]}_seeds"])]
    jobs = [job for job in jobs if not (folder / f"{job[0]}_{job[1]:07d}.npz").exists()]
    started = time.monotonic()
    with multiprocessing.get_context("spawn").Pool(int(data["workers"])) as pool:
        work = pool.imap_unordered(partial(_one, folder=folder, renders=renders), jobs, chunksize=4)
        for done, _ in enumerate(work, start=1):
            if done % 50 == 0 or done == len(jobs):
                rate = done / (time.monotonic() - started)
                print(f"samples {done}/{len(jobs)}  {rate:.1f}/s", file=sys.stderr, flush=True)  # noqa: T201 - progress
