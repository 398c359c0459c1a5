"""Runs inside the virtual machine, as root, at the end of its boot: uses the installed package as an admin would.

Standard library only, apart from the application under test. Every step writes one JSON line to the second serial
port; the machine is switched off at the end, whatever happened.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

SERVICES = ("bridge", "dicom", "analyze", "web")
DATA = Path("/var/lib/calcedge")
PORT = Path("/run/xray/unit")
PACKAGE = Path("/root/calcedge.deb")
_HASTE_S = 0.5


def main() -> None:
    """All steps, in order; a step that can't be taken is told as an error and ends the visit."""
    with Path("/dev/ttyS1").open("w", encoding="utf-8") as report:
        try:
            for step, facts in visit():
                report.write(json.dumps({"step": step} | facts) + "\n")
                report.flush()
        except (OSError, ValueError, subprocess.SubprocessError, TimeoutError) as error:
            report.write(json.dumps({"step": "error", "text": f"{type(error).__name__}: {error}"}) + "\n")
            report.write(
                json.dumps({"step": "journal", "text": run("journalctl", "-b", "-n", "60", "-o", "cat")}) + "\n"
            )
        report.flush()
    subprocess.run(["systemctl", "poweroff", "--no-block"], check=False)


def visit() -> Iterator[tuple[str, dict[str, object]]]:
    """What an admin, a technician and an accident do."""
    until(lambda: all(active(service) for service in SERVICES), 300)
    yield "started", {"uptime_s": uptime_s(), "restarts": restarts(), "memory_mb": memory_mb()}
    yield "listening", {"addresses": listening()}
    yield "page", {"status": page_status()}
    unit = expose()
    until(lambda: len(delivered()) >= 2, 400)
    yield "exposed", {"delivered": len(delivered()), "exposures": count("exposures"), "images": count("images")}
    for service in SERVICES:
        os.kill(main_pid(service), signal.SIGKILL)
    until(lambda: all(active(service) for service in SERVICES), 200)
    yield "killed", {"restarts": restarts(), "images": count("images")}
    hung = main_pid("analyze")
    os.kill(hung, signal.SIGSTOP)
    until(lambda: main_pid("analyze") not in {0, hung} and active("analyze"), 200)
    yield "hung", {"restarts": restarts()}
    unit.kill()
    before = kept()
    run("dpkg", "--install", str(PACKAGE))
    until(lambda: all(active(service) for service in SERVICES), 300)
    yield "upgraded", {"kept": before <= kept(), "files": len(before)}
    run("dpkg", "--purge", "calcedge")
    yield (
        "removed",
        {
            "kept": before <= kept(),
            "application": Path("/opt/calcedge").exists(),
            "running": any(active(service) for service in SERVICES),
        },
    )


def expose() -> subprocess.Popen[bytes]:
    """A simulated unit behind the port that the configuration names; its image comes by DICOM."""
    command = ["/opt/calcedge/current/bin/calcedge", "simulate", "unit", "--port-link", str(PORT)]
    command += ["--images", "/root/films", "--send-to", "CALCEDGE@127.0.0.1:11112", "--exposures", "1"]
    with Path("/run/xray/unit.log").open("wb") as log:
        return subprocess.Popen(["runuser", "--user", "calcedge", "--", *command], stdout=log, stderr=log)


def run(*command: str) -> str:
    """A command's output; an error when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{command[0]}: {done.stdout[-400:]} {done.stderr[-400:]}")
    return done.stdout


def until(true: Callable[[], bool], limit_s: float) -> None:
    """Waits; an error after the limit."""
    end, pause = time.monotonic() + limit_s, threading.Event()
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {limit_s} s")
        pause.wait(_HASTE_S)


def shown(service: str, what: str) -> str:
    """A property of a unit."""
    return run("systemctl", "show", "--value", "--property", what, f"calcedge-{service}.service").strip()


def active(service: str) -> bool:
    return shown(service, "ActiveState") == "active"


def main_pid(service: str) -> int:
    return int(shown(service, "MainPID") or 0)


def restarts() -> dict[str, int]:
    return {service: int(shown(service, "NRestarts") or 0) for service in SERVICES}


def memory_mb() -> float:
    """Resident memory of all the appliance's processes, shared pages counted once for each."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        text = status.read_text(encoding="utf-8", errors="replace")
        if "calcedge" in (status.parent / "cmdline").read_text(encoding="utf-8", errors="replace"):
            total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS"))
    return round(total / 1024, 1)


def listening() -> list[str]:
    """Addresses and ports that somebody listens on, as `a.b.c.d:port`."""
    found = []
    for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
        address, state = line.split()[1], line.split()[3]
        if state == "0A":
            host, port = address.split(":")
            found.append(".".join(str(b) for b in reversed(bytes.fromhex(host))) + f":{int(port, 16)}")
    return sorted(found)


def page_status() -> int:
    with urllib.request.urlopen("http://127.0.0.1:8080/", timeout=60) as answer:
        return int(answer.status)


def uptime_s() -> float:
    return float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])


def delivered() -> list[Path]:
    return [path for path in (DATA / "outbox").rglob("*.dcm") if path.is_file()]


def kept() -> set[str]:
    """The object files of the store: content is in the name."""
    return {str(path) for path in (DATA / "objects").rglob("*") if path.is_file()}


def count(table: str) -> int:
    """Rows of a table, read beside the running appliance."""
    import sqlite3

    copy = Path("/run/xray/copy")
    shutil.copytree(DATA, copy, dirs_exist_ok=True, ignore=shutil.ignore_patterns("objects", "run", "outbox"))
    database = next(copy.glob("*.sqlite*"), None) or next(copy.glob("*.db"))
    with sqlite3.connect(database) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


if __name__ == "__main__":
    main()
