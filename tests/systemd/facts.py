"""What can be seen of a box: how its services do, what the store holds, what answers on the network."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.peers.waiting import wait_for
from tests.systemd.box import THERE, Box

SERVICES: Final = ("bridge", "dicom", "analyze", "web")
DATA: Final = "/var/lib/calcedge"
PAGE: Final = f"https://{THERE}:8443"
PATIENCE_S: Final = 600.0

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came for a request; status 0 when nobody answered."""

    status: int
    body: str


def page(box: Box, path: str) -> Answer:
    """Asks as a tablet on the clinic's network, which trusts the box's own authority and nothing else."""
    authority = box.root / "var/lib/calcedge/tls/web/authority.pem"
    command = ["curl", "--silent", "--max-time", "20", "--cacert", str(authority)]
    command += ["--write-out", "\n%{http_code}", PAGE + path]
    body, _, status = subprocess.run(command, capture_output=True, text=True, check=False).stdout.rpartition("\n")
    return Answer(int(status), body)


def state(box: Box) -> Facts:
    """How the services do."""
    restarts = {service: int(box.shown(f"calcedge-{service}.service", "NRestarts") or 0) for service in SERVICES}
    launcher = [box.shown("calcedge-launcher.service", what) for what in ("ActiveState", "NRestarts")]
    return {"restarts": restarts, "launcher": launcher, "images": images(box)} | failed(box)


def failed(box: Box) -> Facts:
    """Units that failed, and what the whole system calls itself."""
    units = box.run("systemctl", "list-units", "--failed", "--plain", "--no-legend").split()
    return {"failed": units, "system": box.run("systemctl", "is-system-running", check=False).strip()}


def all_ready(box: Box) -> None:
    """Waits until each service said READY."""
    wait_for(lambda: all(active(box, service) for service in SERVICES), PATIENCE_S)


def active(box: Box, service: str) -> bool:
    return box.shown(f"calcedge-{service}.service", "ActiveState") == "active"


def main_pid(box: Box, service: str) -> int:
    return int(box.shown(f"calcedge-{service}.service", "MainPID") or 0)


def processes(box: Box) -> list[int]:
    """The numbers, here, of the appliance's processes in the box."""
    found = []
    ours = Path(f"/proc/{box.first}/ns/pid").stat().st_ino
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns/pid").stat().st_ino == ours and b"calcedge" in (process / "cmdline").read_bytes():
                found.append(int(process.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def releases(box: Box) -> list[str]:
    """What lies in the application's folder."""
    folder = box.tree / "opt/calcedge"
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def kept(box: Box) -> set[str]:
    """The object files of the store: content is in the name."""
    return {path.name for path in (box.root / "var/lib/calcedge/objects").rglob("*") if path.is_file()}


def images(box: Box) -> int:
    """Images in the store."""
    return rows(box, "images")


def rows(box: Box, table: str) -> int:
    """Rows of a table, as the box's own Python reads them beside the running appliance."""
    question = f"SELECT count(*) FROM {table}"
    code = f"import sqlite3; print(sqlite3.connect('{DATA}/calcedge.sqlite').execute('{question}').fetchone()[0])"
    return int(box.run("python3", "-c", code))
