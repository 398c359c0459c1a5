"""`python -m edge.fleet.launch`: what a box starts at boot. It starts the application, and is never updated itself.

With `--units` systemd starts the application's processes, each by `edge.fleet.start`, and this only watches and judges.
Standard library only, so that nothing a release brings can keep it from starting.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.clock import SystemClock
from edge.fleet.keeper import Keeper, Options
from edge.fleet.probation import Limits
from edge.signals import told_to_stop


def main(arguments: Sequence[str]) -> int:
    """Runs until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m edge.fleet.launch", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, help="the folder of the updates' durable state")
    parser.add_argument("--run-folder", type=Path, required=True, help="where the application's processes show life")
    parser.add_argument("--probation-s", type=float, default=Limits().probation_s)
    parser.add_argument("--units", action="store_true", help="systemd runs the application's processes")
    parser.add_argument("rest", nargs="*", help="after --: for every command of the application")
    given = parser.parse_args(arguments)
    stop = told_to_stop()
    limits = Limits(probation_s=given.probation_s)
    options = Options(given.root, given.run_folder, tuple(given.rest), limits, units=given.units)
    Keeper(options, SystemClock()).run(stop)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
