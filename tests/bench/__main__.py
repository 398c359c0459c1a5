"""Runs the benches, each in a process of its own, and writes one table: var/bench/figures.json and .md.

A bench that ends badly leaves a line that says so, and the next one runs all the same.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from tests.bench.catalogue import BENCHES
from tests.bench.figure import Figure, missing
from tests.bench.proofs import PROOFS, prove

_HEAD: Final = "| issue | bench | figure | asked | measured | holds | peer | ratio | circumstances |\n|" + "---|" * 9
_LONGEST_S: Final = 3 * 3600


def main(arguments: Sequence[str]) -> int:
    """Runs what is named, or everything."""
    given = _parser().parse_args(arguments)
    if given.only:
        return _here(given.only)
    every = [name for name, bench in BENCHES.items() if given.long or not bench.long]
    names = given.names or every + (list(PROOFS) if given.long else [])
    rows: list[dict[str, Any]] = []
    for name in names:
        for row in _apart(name):
            rows.append(row)
            print(_line(row), flush=True)
    _write(given.out, rows)
    return 1 if any(row["holds"] is False for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    known = [
        f"  {name:18} issue {bench.issue}: {bench.about}{' (long)' * bench.long}" for name, bench in BENCHES.items()
    ]
    known += [f"  {name:18} issue {proof.issue}: {proof.asked} (long)" for name, proof in PROOFS.items()]
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, epilog="benches:\n" + "\n".join(known),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "names", nargs="*", choices=[*BENCHES, *PROOFS, []], metavar="BENCH", help="all short ones by default"
    )
    parser.add_argument("--long", action="store_true", help="those that take long, too: hours")
    parser.add_argument("--out", type=Path, default=Path("var/bench"), help="where the table goes (%(default)s)")
    parser.add_argument("--only", choices=[*BENCHES, *PROOFS], help=argparse.SUPPRESS)
    return parser


def _here(name: str) -> int:
    """Runs one bench in this process; each figure becomes a line of JSON."""
    bench = BENCHES[name].load() if name in BENCHES else prove(PROOFS[name])
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
        for figure in bench(Path(folder)):
            print(json.dumps(asdict(figure)), flush=True)
    return 0


def _apart(name: str) -> list[dict[str, Any]]:
    """One bench in a process of its own."""
    began_s, issue = time.monotonic(), (BENCHES.get(name) or PROOFS[name]).issue
    around = {"issue": issue, "bench": name, "load": round(os.getloadavg()[0], 1)}
    command = [sys.executable, "-m", "tests.bench", "--only", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_LONGEST_S)
    figures = [Figure(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0:
        why = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
        figures.append(missing(f"{name}: NOT MEASURED to its end", why[0][:300]))
    took = {"took_s": round(time.monotonic() - began_s, 1)}
    return [around | took | asdict(figure) for figure in figures]


def _write(out: Path, rows: list[dict[str, Any]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    machine = f"{model}, {os.cpu_count()} processors, Python {platform.python_version()}"
    held = sum(row["holds"] is True for row in rows), sum(row["holds"] is not None for row in rows)
    body = {"machine": machine, "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "figures": rows}
    (out / "figures.json").write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    told = f"Measured on {machine}, {body['made_at']}. {held[0]} of {held[1]} figures that were asked for hold.\n"
    (out / "figures.md").write_text("\n".join([told, _HEAD, *map(_line, rows)]) + "\n", encoding="utf-8")


def _line(row: dict[str, Any]) -> str:
    holds = {None: "", True: "yes", False: "NO"}[row["holds"]]
    value = row["value"]
    measured = (
        "-" if value is None else f"{value if isinstance(value, str) else format(value, 'g')} {row['unit']}".strip()
    )
    ratio = "" if row["ratio"] is None else f"{row['ratio']:g} x"
    cells = [row["issue"], row["bench"], row["name"], row["bound"] or "", measured, holds, row["peer"], ratio]
    return "| " + " | ".join(map(str, [*cells, f"{row['how']}; load {row['load']}"])) + " |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
