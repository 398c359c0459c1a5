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
from typing import Final

from tests.peers.scan import listening, open_tcp
from tests.peers.waiting import wait_for
from tests.systemd.box import HERE, THERE, Box
from tests.systemd.facts import (
    PATIENCE_S,
    SERVICES,
    Facts,
    active,
    all_ready,
    failed,
    images,
    kept,
    main_pid,
    page,
    processes,
    releases,
    rows,
    state,
)
from tests.systemd.fleet import Admin
from tests.systemd.released import back, told, under_a_fleet

PLANTED: Final = ("Zyxwvut", "PLANTED-4711")
"""Parts of the patient's name and identifier in the films that are sent."""
_SITE: Final = """data = "/var/lib/calcedge"
run = "/run/calcedge"
[serial]
port = "/run/xray/port"
[dicom]
host = "0.0.0.0"
peers = [{{ title = "SIMUNIT" }}]
[web.tls]
host = "0.0.0.0"
names = ["{there}"]
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
_KEY: Final = "/root/vault-key"
_SEALED: Final = "/etc/credstore.encrypted/calcedge.vault-key"


@dataclass(frozen=True, slots=True)
class Luggage:
    """What is brought along, all of it inside the box's tree."""

    package: str
    newer: str
    films: str
    archive: Path
    """Where the clinic's archive keeps what it takes; outside the box."""
    archive_port: int


def visit(box: Box, brought: Luggage, admin: Admin) -> Iterator[tuple[str, Facts]]:
    """All steps, in order."""
    yield "installed", install(box, brought.package)
    yield "closed", seen_from_outside(box)
    yield "opened", open_up(box, brought)
    yield "scanned", seen_from_outside(box)
    yield "exposed", expose(box, brought)
    yield "resting", footprint(box)
    yield "killed", kill_each(box)
    yield "hung", hang(box)
    yield from under_a_fleet(box, admin)
    before = kept(box)
    yield "sealed", seal(box) | {"kept": before <= kept(box)}
    box.reboot()
    all_ready(box)
    yield "rebooted", told(box) | {"kept": before <= kept(box), "vault": vault(box)}
    yield "keyless", without_its_key(box) | {"kept": before <= kept(box)}
    box.pull_the_plug()
    box.start()
    all_ready(box)
    yield "unplugged", told(box) | {"kept": before <= kept(box), "vault": vault(box)}
    yield "back", back(box, admin)
    box.run("dpkg", "--install", brought.newer, limit_s=1200)
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
    box.write("/etc/calcedge/calcedge.toml", _SITE.format(here=HERE, there=THERE, port=brought.archive_port))
    box.write("/etc/systemd/system/calcedge-bridge.service.d/60-simulated.conf", _SIMULATED)
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "enable", "calcedge-web-tls.socket")
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
    stick = box.root / "var/lib/calcedge/stick"
    try:
        # The unit names its terminal by its own process, which the bridge doesn't see: the terminal itself.
        wait_for(lambda: box.run("readlink", "-f", "/run/xray/unit", check=False).startswith("/dev/pts/"), PATIENCE_S)
        box.run("sh", "-c", "ln -s $(readlink -f /run/xray/unit) /run/xray/port")
        wait_for(lambda: rows(box, "exposures") == 1, PATIENCE_S)
        wait_for(lambda: len(list(stick.rglob("*.dcm"))) >= 2, PATIENCE_S)
        wait_for(lambda: len(list(brought.archive.iterdir())) >= len(list(stick.rglob("*.dcm"))), PATIENCE_S)
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
    health, entrance = page(box, "/health"), page(box, "/images")
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
        "health": json.loads(health.body) if health.body else None,
        "images": entrance.status,
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


def seal(box: Box) -> Facts:
    """Encrypts the store, as docs/security.md has it: its key is sealed to the box, and given to the kernel at boot."""
    plain = vault(box)
    box.run("systemctl", "stop", "calcedge.target", "calcedge-web.socket")
    box.run("calcedge", "vault", "key", _KEY)
    box.run("calcedge", "vault", "encrypt", "/var/lib/calcedge", "--key", _KEY)
    box.run("systemd-creds", "encrypt", "--name=calcedge.vault-key", _KEY, _SEALED)
    box.run("systemctl", "enable", "--now", "unlock-calcedge.service")
    box.run("systemctl", "start", "calcedge.target")
    all_ready(box)
    box.run("shred", "--remove", _KEY)
    return state(box) | {"vault": [plain, vault(box)]}


def without_its_key(box: Box) -> Facts:
    """It boots, and what would seal to it is away: nothing of the appliance may start. Then it is there again."""
    box.run("mv", _SEALED, "/root/sealed")
    box.reboot()
    facts = {"vault": vault(box), "running": [service for service in SERVICES if active(box, service)]}
    box.run("mv", "/root/sealed", _SEALED)
    box.run("systemctl", "start", "calcedge.target")
    all_ready(box)
    return facts


def vault(box: Box) -> str:
    """How the store's encryption stands."""
    return box.run("calcedge", "vault", "state", "/var/lib/calcedge").strip()


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
    wait_for(lambda: main_pid(box, "analyze") not in {0, hung}, PATIENCE_S)
    all_ready(box)
    return state(box)
