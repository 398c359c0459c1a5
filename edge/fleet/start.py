"""`python -m edge.fleet.start`: becomes one process of the release that is to run now. For systemd's units.

Standard library only, and it comes with the box's image: no release replaces it. It decides nothing; whether the
release proves itself is the launcher's question (`edge.fleet.launch --units`). The process keeps its number, so that
systemd's watchdog and sockets find it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from edge.fleet.crew import remember
from edge.fleet.installed import Installed
from edge.fleet.slots import Kind
from edge.fleet.statefile import StateFile


def main(arguments: Sequence[str]) -> None:
    """Doesn't return."""
    parser = argparse.ArgumentParser(prog="python -m edge.fleet.start", description=__doc__)
    parser.add_argument("--service", required=True, help="a process of the application, by the name of its pulse")
    parser.add_argument("--root", type=Path, required=True, help="the folder of the updates' durable state")
    parser.add_argument("--run-folder", type=Path, required=True, help="where the application's processes show life")
    parser.add_argument("rest", nargs="*", help="after --: for the process")
    given = parser.parse_args(arguments)
    application = Installed(given.root).startable(StateFile(given.root).read().slots[Kind.APPLICATION])
    remember(given.run_folder, given.service, application.release)
    command = application.command("service", given.service, *given.rest)
    os.execve(command[0], command, application.environment())  # noqa: S606 - it takes this process's place


if __name__ == "__main__":
    main(sys.argv[1:])
