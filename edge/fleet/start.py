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
from typing import NoReturn

from edge.fleet.crew import remember
from edge.fleet.installed import Application, Installed
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
    become(chosen(given.root, given.run_folder, given.service), given.service, given.rest)


def chosen(root: Path, run_folder: Path, service: str) -> Application:
    """What is to run now; it is written down that the calling process becomes it."""
    application = Installed(root).startable(StateFile(root).read().slots[Kind.APPLICATION])
    remember(run_folder, service, application.release)
    return application


def become(application: Application, service: str, rest: Sequence[str]) -> NoReturn:
    """Turns the calling process into a process of this application."""
    command = application.command("service", service, *rest)
    os.execve(command[0], command, application.environment())  # noqa: S606 - it takes this process's place


if __name__ == "__main__":
    main(sys.argv[1:])
