"""What an admin, a technician and an accident do with a box, step by step, and what is seen meanwhile.

Each step says what it saw as facts; tests judge them. Nothing is imported from the application: the box has its own.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.peers.scan import listening, open_tcp
from tests.peers.waiting import wait_for
from tests.systemd.box import HERE, THERE, Box

SERVICES: Final = ("bridge", "dicom", "analyze", "web")
PLANTED: Final = ("Zyxwvut", "PLANTED-4711")
"""Parts of the patient's name and identifier in the films that are sent."""
_PATIENCE_S: Final = 600.0
_DATA: Final = "/var/lib/calcedge"
_SITE: Final = """data = "/var/lib/calcedge"
run = "/run/calcedge"
[serial]
port = "/run/xray/port"
[dicom]
host = "0.0.0.0"
peers = [{{ title = "SIMUNIT" }}]
[[destinations]]
type = "folder"
name = "stick"
path = "/var/lib/calcedge/stick"
[[destinations]]
type = "dicom"
name = "archive"
title = "ARCHIVE"
host = "{here}"
port = {port}
confirm = false
"""
_SIMULATED: Final = """[Service]
DeviceAllow=char-pts rw
"""
_SHOWN_TO_THE_CLINIC: Final = """[Socket]
ListenStream=
ListenStream=0.0.0.0:8080
IPAddressAllow=10.88.7.0/24
"""

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Luggage:
    """What is brought along, all of it inside the box's tree."""

    package: str
    newer: str
    films: str
    archive: Path
    """Where the clinic's archive keeps what it takes; outside the box."""
    archive_port: int


def visit(box: Box, brought: Luggage) -> Iterator[tuple[str, Facts]]:
    """All steps, in order."""
    yield "installed", install(box, brought.package)
    yield "closed", seen_from_outside(box)
    yield "opened", open_up(box, brought)
    yield "scanned", seen_from_outside(box)
    yield "exposed", expose(box, brought)
    yield "resting", footprint(box)
    yield "killed", kill_each(box)
    yield "hung", hang(box)
    before = kept(box)
    box.reboot()
    all_ready(box)
    yield "rebooted", state(box) | {"kept": before <= kept(box)}
    box.pull_the_plug()
    box.start()
    all_ready(box)
    yield "unplugged", state(box) | {"kept": before <= kept(box)}
    box.run("dpkg", "--install", brought.newer)
    all_ready(box)
    version = box.run("calcedge", "--version").strip()
    yield "upgraded", state(box) | {"kept": before <= kept(box), "version": version, "releases": releases(box)}
    yield "journal", {"planted": [word for word in PLANTED if word in box.run("journalctl", "--no-pager")]}
    for step, how in (("removed", "--remove"), ("purged", "--purge")):
        box.run("dpkg", how, "calcedge")
        running = [service for service in SERVICES if active(box, service)]
        yield step, {"kept": before <= kept(box), "application": releases(box), "running": running} | failed(box)


def install(box: Box, package: str) -> Facts:
    """As an admin does, on the running box; no step by hand."""
    began_s = time.monotonic()
    box.run("dpkg", "--install", package, limit_s=1200)
    all_ready(box)
    enabled = [box.shown(unit, "UnitFileState") for unit in ("calcedge.target", "calcedge-update.timer")]
    return state(box) | {"seconds": round(time.monotonic() - began_s, 1), "enabled": enabled}


def open_up(box: Box, brought: Luggage) -> Facts:
    """The site's configuration: the unit's port, its archive, the clinic's network."""
    box.run("install", "-d", "-o", "calcedge", "-g", "calcedge", "/run/xray")
    box.write("/etc/tmpfiles.d/xray.conf", "d /run/xray 0755 calcedge calcedge -\n")
    box.write("/etc/calcedge/calcedge.toml", _SITE.format(here=HERE, port=brought.archive_port))
    box.write("/etc/systemd/system/calcedge-bridge.service.d/60-simulated.conf", _SIMULATED)
    box.write("/etc/systemd/system/calcedge-web.socket.d/60-clinic.conf", _SHOWN_TO_THE_CLINIC)
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", "calcedge.target")
    all_ready(box)
    return state(box)


def expose(box: Box, brought: Luggage) -> Facts:
    """The unit exposes; its image comes by DICOM, is analysed, reported, and reaches both destinations."""
    unit = box.start_program(
        "runuser", "--user", "calcedge", "--", "/opt/calcedge/current/bin/calcedge", "simulate", "unit",
        "--port-link", "/run/xray/unit", "--images", brought.films, "--send-to", "CALCEDGE@127.0.0.1:11112",
        "--exposures", "1",
    )  # fmt: skip
    stick = box.tree / "var/lib/calcedge/stick"
    try:
        # The unit names its terminal by its own process, which the bridge doesn't see: the terminal itself.
        wait_for(lambda: box.run("readlink", "-f", "/run/xray/unit", check=False).startswith("/dev/pts/"), _PATIENCE_S)
        box.run("sh", "-c", "ln -s $(readlink -f /run/xray/unit) /run/xray/port")
        wait_for(lambda: rows(box, "exposures") == 1, _PATIENCE_S)
        wait_for(lambda: len(list(stick.rglob("*.dcm"))) >= 2, _PATIENCE_S)
        wait_for(lambda: len(list(brought.archive.iterdir())) >= len(list(stick.rglob("*.dcm"))), _PATIENCE_S)
        doctor = box.run("calcedge", "doctor", check=False)
    finally:
        box.run("pkill", "-f", "simulate unit", check=False)
        unit.wait(60)
    outcomes = {Path(path).suffix for path in box.run("find", "/var/lib/calcedge/stick", "-type", "f").split()}
    return {
        "stick": len(list(stick.rglob("*.dcm"))),
        "archive": len(list(brought.archive.iterdir())),
        "kinds": sorted(outcomes),
        "images": images(box),
        "exposures": rows(box, "exposures"),
        "doctor": doctor.splitlines(),
    } | state(box)


def seen_from_outside(box: Box) -> Facts:
    """As a stranger on the clinic's network sees the box, and what the kernel says listens."""
    health = subprocess.run(
        ["curl", "--silent", "--max-time", "20", f"http://{THERE}:8080/health"], capture_output=True, check=False
    )
    page = subprocess.run(
        ["curl", "--silent", "--max-time", "20", "-o", "/dev/null", "-w", "%{http_code}", f"http://{THERE}:8080/images"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    echoes = {
        title: subprocess.run(
            ["echoscu", "--timeout", "20", "--call", "CALCEDGE", "--aetitle", title, THERE, "11112"],
            capture_output=True,
            check=False,
        ).returncode
        for title in ("SIMUNIT", "STRANGER")
    }
    return {
        "open": open_tcp(THERE),
        "listening": listening(Path(f"/proc/{box.first}/net")),
        "health": json.loads(health.stdout) if health.stdout else None,
        "images": page.stdout,
        "echo": echoes,
    }


def footprint(box: Box) -> Facts:
    """Memory of all the appliance's processes, proportional set size; and the limits that hold for each."""
    time.sleep(5)  # the worker gives memory back when nothing came for a second
    sizes = {}
    for process in processes(box):
        rollup = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
        name = Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        pss = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
        sizes[name.strip()[-60:]] = round(pss / 1024, 1)
    limits = {}
    for service in SERVICES:
        group = f"/sys/fs/cgroup/memory/system.slice/calcedge-{service}.service/memory.limit_in_bytes"
        pids = f"/sys/fs/cgroup/pids/system.slice/calcedge-{service}.service/pids.max"
        newer = f"/sys/fs/cgroup/system.slice/calcedge-{service}.service/"
        told = box.run("sh", "-c", f"cat {group} {pids} || cat {newer}memory.max {newer}pids.max").split()
        limits[service] = {
            "memory": int(told[0]), "tasks": int(told[1]),
            "asked": int(box.shown(f"calcedge-{service}.service", "MemoryMax")),
            "watchdog": box.shown(f"calcedge-{service}.service", "WatchdogUSec"),
        }  # fmt: skip
    return {"pss_mib": sizes, "all_mib": round(sum(sizes.values()), 1), "limits": limits}


def kill_each(box: Box) -> Facts:
    """Each process dies at once; all come back."""
    for service in SERVICES:
        box.run("kill", "-KILL", str(main_pid(box, service)))
    all_ready(box)
    return state(box)


def hang(box: Box) -> Facts:
    """A process stands still; the watchdog finds it."""
    hung = main_pid(box, "analyze")
    box.run("kill", "-STOP", str(hung))
    wait_for(lambda: main_pid(box, "analyze") not in {0, hung}, _PATIENCE_S)
    all_ready(box)
    return state(box)


def state(box: Box) -> Facts:
    """How the services do."""
    restarts = {service: int(box.shown(f"calcedge-{service}.service", "NRestarts") or 0) for service in SERVICES}
    return {"restarts": restarts, "images": images(box)} | failed(box)


def failed(box: Box) -> Facts:
    """Units that failed, and what the whole system calls itself."""
    units = box.run("systemctl", "list-units", "--failed", "--plain", "--no-legend").split()
    return {"failed": units, "system": box.run("systemctl", "is-system-running", check=False).strip()}


def all_ready(box: Box) -> None:
    """Waits until each service said READY."""
    wait_for(lambda: all(active(box, service) for service in SERVICES), _PATIENCE_S)


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
    return {path.name for path in (box.tree / "var/lib/calcedge/objects").rglob("*") if path.is_file()}


def images(box: Box) -> int:
    """Images in the store."""
    return rows(box, "images")


def rows(box: Box, table: str) -> int:
    """Rows of a table, as the box's own Python reads them beside the running appliance."""
    question = f"SELECT count(*) FROM {table}"
    code = f"import sqlite3; print(sqlite3.connect('{_DATA}/calcedge.sqlite').execute('{question}').fetchone()[0])"
    return int(box.run("python3", "-c", code))
