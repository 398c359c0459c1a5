"""A Debian box to boot: systemd as the first process of namespaces of its own, with a cable to this machine.

It has its own processes, mounts, network, host name and control groups, and this machine's kernel; /var/lib is a disk
of its own, ext4. Commands are run in it as at its own shell. Needs root and debootstrap.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from functools import partial
from pathlib import Path
from typing import Final, Self

from tests.peers.waiting import wait_for

_PACKAGES: Final = "systemd-sysv,udev,dbus,python3,python3-venv,procps"
_ENTER: Final = Path(__file__).with_name("enter")
_DISK_BYTES: Final = 8 << 30
_NAMESPACES: Final = ("--mount", "--pid", "--uts", "--ipc", "--net", "--cgroup")
HERE: Final = "10.88.7.1"
"""This machine, as the box sees it: the clinic's network."""
THERE: Final = "10.88.7.2"
"""The box, as this machine sees it."""


def bootstrap(tree: Path, release: str = "bookworm") -> None:
    """A minimal Debian in `tree`, unless it is there already."""
    if (tree / "usr/lib/systemd/systemd").is_file():
        return
    tree.parent.mkdir(parents=True, exist_ok=True)
    _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", release, str(tree))


class Box:
    """One box. Use as a context manager; `reboot` as often as you like."""

    def __init__(self, base: Path, tree: Path) -> None:
        _run("cp", "--archive", "--reflink=auto", str(base), str(tree))
        self.tree = tree
        self._disk = tree.with_suffix(".disk")
        with self._disk.open("wb") as file:
            file.truncate(_DISK_BYTES)
        _run("mkfs.ext4", "-q", "-O", "encrypt", "-d", str(tree / "var/lib"), str(self._disk))
        self._process: subprocess.Popen[bytes] | None = None
        self._name = f"box{os.getpid()}"

    def __enter__(self) -> Self:
        """Boots."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Pulls the plug."""
        self.pull_the_plug()
        for group in self._groups():
            wait_for(partial(_removed, group))

    def start(self) -> None:
        """Boots, and connects the cable."""
        for group in self._groups():
            group.mkdir(exist_ok=True)
        groups = [str(group / "cgroup.procs") for group in self._groups()]
        enter = ["unshare", *_NAMESPACES, "--fork", "--kill-child", "sh", str(_ENTER), str(self.tree), str(self._disk)]
        join = 'for group in $1; do echo $$ > "$group"; done; shift; exec "$@"'
        self._process = subprocess.Popen(
            ["sh", "-c", join, "sh", " ".join(groups), *enter], stdin=subprocess.DEVNULL, start_new_session=True
        )
        wait_for(lambda: self.first is not None and self._answers(), 60)
        _run("ip", "link", "add", f"{self._name}h", "type", "veth", "peer", "name", "eth0", "netns", str(self.first))
        _run("ip", "address", "add", f"{HERE}/24", "dev", f"{self._name}h")
        _run("ip", "link", "set", f"{self._name}h", "up")
        _run("nsenter", "-t", str(self.first), "-n", "ip", "address", "add", f"{THERE}/24", "dev", "eth0")
        _run("nsenter", "-t", str(self.first), "-n", "ip", "link", "set", "eth0", "up")
        _run("nsenter", "-t", str(self.first), "-n", "ip", "link", "set", "lo", "up")
        wait_for(
            lambda: self.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"), 600
        )

    @property
    def first(self) -> int | None:
        """The number, here, of the box's first process, once that is systemd."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        with contextlib.suppress(FileNotFoundError, IndexError):
            child = int(children.read_text(encoding="ascii").split()[0])
            if Path(f"/proc/{child}/comm").read_text(encoding="ascii").strip() == "systemd":
                return child
        return None

    @property
    def root(self) -> Path:
        """The box's files as it sees them itself, while it runs; `tree` is without its disk."""
        return Path(f"/proc/{self.first}/root")

    def pull_the_plug(self) -> None:
        """Everything in the box ends at once."""
        if self._process is not None:
            if self.first is not None:
                os.kill(self.first, signal.SIGKILL)
            self._process.kill()
            self._process.wait()
            self._process = None

    def reboot(self) -> None:
        """In good order, as `systemctl reboot` does."""
        assert self._process is not None
        self.run("systemctl", "reboot", check=False)
        self._process.wait(120)
        self._process = None
        self.start()

    def command(self, *command: str) -> list[str]:
        """What runs a command in the box."""
        assert self.first is not None
        return ["nsenter", "--target", str(self.first), "--all", "--", *command]

    def run(self, *command: str, check: bool = True, limit_s: float = 300) -> str:
        """Runs a command in the box, as root. Its output; an error when it fails."""
        return _run(*self.command(*command), check=check, limit_s=limit_s)

    def start_program(self, *command: str) -> subprocess.Popen[bytes]:
        """Starts a command in the box that goes on."""
        return subprocess.Popen(self.command(*command), stdin=subprocess.DEVNULL)

    def shown(self, unit: str, what: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", "--value", "--property", what, unit).strip()

    def write(self, path: str, text: str) -> None:
        """Writes a file of the box, as an admin does."""
        target = self.tree / path.removeprefix("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")

    def _answers(self) -> bool:
        done = subprocess.run(self.command("systemctl", "list-units"), capture_output=True, check=False)
        return done.returncode == 0

    def _groups(self) -> list[Path]:
        root = Path("/sys/fs/cgroup")
        if (root / "cgroup.controllers").exists():
            return [root / self._name]
        kinds = ("memory", "pids", "devices", "cpu", "blkio", "systemd", "unified")
        return [root / kind / self._name for kind in kinds]


def _removed(group: Path) -> bool:
    """Removes control groups from the leaves on; False while somebody is still dying in one."""
    for folder in sorted((path for path in group.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts)):
        with contextlib.suppress(OSError):
            folder.rmdir()
    with contextlib.suppress(OSError):
        group.rmdir()
    return not group.exists()


def _run(*command: str, check: bool = True, limit_s: float = 1200) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit_s)
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout
