"""The processes that decode what came from outside can read files and answer, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from edge.config import DEFAULT_RELEASE
from edge.confine import _FORBIDDEN, _NUMBERS
from edge.services.worker import Settings, Worker
from edge.store import Objects
from edge.web.darkroom import Darkroom
from tests.fuzz import dicom

_TRIES = """
import ctypes, json, os, resource, socket, subprocess, sys, threading
from edge.confine import confine
before = len(os.listdir("/proc/self/task"))
held = confine()
own = sys.argv[1]
libc = ctypes.CDLL(None, use_errno=True)

def in_a_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(possible(socket.socket)))
    thread.start(); thread.join()
    if found[0]: return
    raise PermissionError

def raw(number, *arguments):
    if libc.syscall(number, *arguments) < 0 and ctypes.get_errno() == 1: raise PermissionError

def possible(what):
    try: what()
    except (PermissionError, MemoryError): return False
    except OSError: return True
    return True

tries = {
    "tcp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "udp": lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM),
    "unix": lambda: socket.socket(socket.AF_UNIX, socket.SOCK_STREAM),
    "packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW),
    "socket in a thread": in_a_thread,
    "io_uring": lambda: raw(425, 8, ctypes.create_string_buffer(120)),
    "program": lambda: subprocess.run(["/bin/true"]),
    "write": lambda: open(own + "/new", "w"),
    "change": lambda: open(own + "/there", "r+"),
    "shorten": lambda: os.truncate(own + "/there", 0),
    "remove": lambda: os.unlink(own + "/there"),
    "rename": lambda: os.rename(own + "/there", own + "/other"),
    "folder": lambda: os.mkdir(own + "/folder"),
    "link": lambda: os.symlink("/etc/passwd", own + "/link"),
    "serial port": lambda: open("/dev/ttyS0", "rb"),
    "any device": lambda: open("/dev/zero", "rb"),
    "kill": lambda: os.kill(os.getppid(), 0),
    "memory": lambda: bytearray(5 << 30),
    "namespace": lambda: raw(272, 0x40000000),
    "mount": lambda: raw(165, None, None, None, 0, None),
    "read": lambda: open(own + "/there").read(),
}
print(json.dumps({"calls": held.calls, "files": held.files, "threads": before,
                  "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
                  "possible": sorted(name for name, what in tries.items() if possible(what))}))
"""


@pytest.mark.requirement("untrusted pixels are decoded without network, devices or rights to write, within limits")
def test_what_is_shut_in_can_read_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("kept", encoding="ascii")
    done = subprocess.run([sys.executable, "-c", _TRIES, str(tmp_path)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert found == {"calls": True, "files": True, "threads": 1, "core": 0, "possible": ["read"]}
    assert (tmp_path / "there").read_text(encoding="ascii") == "kept"


@pytest.mark.requirement("untrusted pixels are decoded without network, devices or rights to write, within limits")
def test_the_worker_is_shut_in_with_all_its_threads(tmp_path: Path) -> None:
    with Worker(Settings(DEFAULT_RELEASE, 60.0, threads=2)) as worker:
        assert worker.trouble is None
        (tmp_path / "film.dcm").write_bytes(dicom.seeds()[0])
        worker.admit(tmp_path / "film.dcm", "film.dcm")
        assert worker.pid
        _is_shut_in(worker.pid)
        assert _descriptors(worker.pid, "socket:") == 1, "its parent's, and no other"


@pytest.mark.requirement("untrusted pixels are decoded without network, devices or rights to write, within limits")
def test_the_darkroom_is_shut_in_with_all_its_threads(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    darkroom = Darkroom(objects)
    try:
        plate = darkroom.plate(objects.put(dicom.seeds()[0]), "1.2.840.10008.1.2.1", small=False)
        assert len(plate) > 256 * 256
        process = darkroom._process
        assert process
        _is_shut_in(process.pid)
        assert _descriptors(process.pid, "socket:") == 0
    finally:
        darkroom.close()


def _is_shut_in(pid: int) -> None:
    """As the kernel tells it, of each thread."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = dict(line.split(":", 1) for line in (task / "status").read_text(encoding="ascii").splitlines())
        assert status["NoNewPrivs"].strip() == "1"
        assert status["Seccomp"].strip() == "2"
    limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    assert f"{4 << 30}" in next(line for line in limits.splitlines() if line.startswith("Max address space"))


def _descriptors(pid: int, kind: str) -> int:
    return sum(str(entry.readlink()).startswith(kind) for entry in Path(f"/proc/{pid}/fd").iterdir())


def test_each_machine_has_a_number_for_each_call() -> None:
    for _, numbers in _NUMBERS.values():
        assert len(numbers) == len(_FORBIDDEN) == len(set(numbers))
