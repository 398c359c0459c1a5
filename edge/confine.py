"""Shuts a process in before it touches what came from outside: files to read, memory to think, and nothing else.

What always holds afterwards, for this thread and for all that it starts, for good (no way back, also for root):

- no socket is made, no program started, no other process signalled or looked into: seccomp(2), by a short list;
- no file is written, made or removed, and nothing under /dev is opened: landlock(7);
- it takes no more memory than `MEMORY_BYTES`, and leaves no core dump with a patient's image in it.

What the kernel can't do (before 5.13, or within a filter that forbids asking) is left out, and `Confined` says so: the
units of systemd give the same from outside. Source: the kernel's documentation of both, asm/unistd.h of both machines.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MEMORY_BYTES: Final = 4 << 30
"""Of addresses, not of memory in use: the networks map far more than they touch."""

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_FILTER = 38, 22, 2
_EPERM: Final = 1
_FORBIDDEN: Final = (
    "socket", "connect", "bind", "listen", "accept", "accept4", "execve", "execveat", "ptrace", "process_vm_readv",
    "process_vm_writev", "kill", "pidfd_send_signal", "io_uring_setup", "bpf", "userfaultfd", "add_key", "request_key",
    "keyctl", "mount", "unshare", "setns", "perf_event_open",
)  # fmt: skip
_NUMBERS: Final[dict[str, tuple[int, tuple[int, ...]]]] = {  # the machine's AUDIT_ARCH, and the calls in that order
    "x86_64": (0xC000003E, (41, 42, 49, 50, 43, 288, 59, 322, 101, 310, 311, 62, 424, 425, 321, 323, 248, 249, 250,
                            165, 272, 308, 298)),
    "aarch64": (0xC00000B7, (198, 203, 200, 201, 202, 242, 221, 281, 117, 270, 271, 129, 424, 425, 280, 282, 217, 218,
                             219, 40, 97, 268, 241)),
}  # fmt: skip
_X32: Final = 0x40000000
"""Numbers from here on are the x32 way to the same calls."""
_LOAD, _JUMP_EQUAL, _JUMP_FROM, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | _EPERM

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""landlock's calls, the same on every machine."""
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
_RIGHTS: Final = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights on files each version of landlock knows; later ones know as many as the last."""
_NETWORK_FROM: Final = 4
_CONNECT_AND_BIND: Final = 0b11
_CLOSED: Final = frozenset({"dev"})


@dataclass(frozen=True, slots=True)
class Confined:
    """What could be had of it."""

    calls: bool
    files: bool


def confine() -> Confined:
    """Shuts this process in. To be called while it has one thread: others that run already are not held."""
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return Confined(calls=False, files=False)
    files = _close_files(libc)
    return Confined(_close_calls(libc), files)


def _limit(which: int, most: int) -> None:
    _, hard = resource.getrlimit(which)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(which, (most, most))


def _close_calls(libc: ctypes.CDLL) -> bool:
    known = _NUMBERS.get(platform.machine())
    if known is None:
        return False
    program = program_of(*known)
    buffer = ctypes.create_string_buffer(program, len(program))
    head = ctypes.create_string_buffer(struct.pack("HP", len(program) // 8, ctypes.addressof(buffer)))
    return int(libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, head, 0, 0)) == 0


def program_of(machine: int, numbers: tuple[int, ...]) -> bytes:
    """The filter: what is forbidden is refused with EPERM, as is all that comes another machine's way."""
    count = len(numbers)  # a jump counts the instructions that it leaves out; the last one refuses
    steps = [
        (_LOAD, 0, 0, 4),  # the machine
        (_JUMP_EQUAL, 0, count + 3, machine),
        (_LOAD, 0, 0, 0),  # the call's number
        (_JUMP_FROM, count + 1, 0, _X32),
        *((_JUMP_EQUAL, count - place, 0, number) for place, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("HBBI", *step) for step in steps)


def _close_files(libc: ctypes.CDLL) -> bool:
    version = libc.syscall(_CREATE, None, 0, 1)
    if version < 1:
        return False
    rights = (1 << _RIGHTS.get(version, _RIGHTS[max(_RIGHTS)])) - 1
    wanted = struct.pack("QQ", rights, _CONNECT_AND_BIND if version >= _NETWORK_FROM else 0)
    size = len(wanted) if version >= _NETWORK_FROM else 8
    ruleset = libc.syscall(_CREATE, wanted, size, 0)
    if ruleset < 0:
        return False
    try:
        for place in Path("/").iterdir():
            if place.name not in _CLOSED and place.is_dir():
                _allow_reading(libc, ruleset, place)
        return int(libc.syscall(_RESTRICT, ruleset, 0)) == 0
    finally:
        os.close(ruleset)


def _allow_reading(libc: ctypes.CDLL, ruleset: int, place: Path) -> None:
    try:
        folder = os.open(place, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return  # what can't be opened need not be allowed
    try:
        libc.syscall(_ADD, ruleset, 1, struct.pack("=Qi", _READ_FILE | _READ_DIR, folder), 0)
    finally:
        os.close(folder)
