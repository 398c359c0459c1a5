"""`python -m tests.fuzz TARGET [--inputs N] [--seconds S] [--seed K] [--engine mutate|atheris]`.

`mutate` changes sound inputs by a seeded rule: the same numbers are the same inputs, on every machine. `atheris` is
guided by coverage (libFuzzer): it finds more, and not the same twice. Exit 0 when no bug was seen.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz import engine, guided, targets


def main() -> int:
    """Runs one target, prints a line of JSON, keeps what showed bugs in var/fuzz."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", choices=sorted(targets.NAMES))
    parser.add_argument("--inputs", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first input")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=["mutate", "atheris"], default="mutate")
    parser.add_argument("--keep", type=Path, default=Path("var/fuzz"), help="where inputs go that show bugs")
    asked = parser.parse_args()
    if asked.engine == "atheris":
        return guided.run(asked.target, asked.inputs, asked.seconds, asked.seed, asked.keep)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_room(asked.target)) as folder:
        target = targets.make(asked.target, Path(folder))
        tally = engine.run(
            target, inputs=asked.inputs, seconds=asked.seconds, seed=asked.seed, first=asked.first,
            tell=lambda so_far: print(f"{asked.target}: {so_far.inputs}, bugs: {so_far.bugs[-9:]}", file=sys.stderr),
        )  # fmt: skip
        kept = engine.keep(target, tally, asked.seed, asked.keep / asked.target) if tally.bugs else []
    print(
        json.dumps(
            {
                "target": asked.target,
                "inputs": tally.inputs,
                "seed": asked.seed,
                "first": asked.first,
                "bugs": len(tally.bugs),
                "slowest_s": round(tally.slowest_s, 3),
                "cpu_s": round(sum(os.times()[:4]), 1),
                "wall_s": round(time.monotonic() - began_s, 1),
                "codes": dict(tally.codes.most_common()),
            }
        )
    )
    for path in kept:
        print(f"kept {path}", file=sys.stderr)
    return 1 if tally.bugs else 0


def _room(target: str) -> Path | None:
    """In memory, as inputs are written again and again; on disk where who reads them may not see /dev."""
    memory = Path("/dev/shm")
    return memory if memory.is_dir() and target not in {"requests", "worker"} else None


if __name__ == "__main__":
    sys.exit(main())
