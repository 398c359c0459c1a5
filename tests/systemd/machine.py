"""A Debian machine to boot: a tree, an image of it, and a run in QEMU. Needs root, debootstrap and QEMU.

The processor is emulated: slow, but it runs everywhere, also inside another virtual machine.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

_PACKAGES = "systemd-sysv,udev,dbus,python3,python3-venv,linux-image-cloud-amd64,initramfs-tools,zstd,procps"
_UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/usr/bin/python3 /root/guest.py
TimeoutStartSec=infinity
[Install]
WantedBy=multi-user.target
"""


def bootstrap(tree: Path, release: str = "bookworm") -> None:
    """A minimal Debian in `tree`, unless it is there already."""
    if (tree / "boot").is_dir() and list((tree / "boot").glob("vmlinuz-*")):
        return
    tree.parent.mkdir(parents=True, exist_ok=True)
    _run("debootstrap", "--variant=minbase", f"--include={_PACKAGES}", release, str(tree))


def with_package(base: Path, tree: Path, package: Path, guest: Path, films: list[Path], configuration: str) -> None:
    """A copy of `base` with the package installed as an admin would, and `guest` run at the end of its boot."""
    _run("cp", "--archive", "--reflink=auto", str(base), str(tree))
    root = tree / "root"
    shutil.copy(package, root / "calcedge.deb")
    shutil.copy(guest, root / "guest.py")
    (root / "films").mkdir()
    for film in films:
        shutil.copy(film, root / "films")
    (tree / "etc/systemd/system/visit.service").write_text(_UNIT, encoding="ascii")
    # A mount namespace of its own: the tree's /proc goes with it.
    inside = 'mount -t proc proc "$1/proc" && chroot "$1" dpkg --install /root/calcedge.deb'
    _run("unshare", "--mount", "sh", "-c", inside, "sh", str(tree))
    _run("chroot", str(tree), "systemctl", "enable", "visit.service")
    (tree / "etc/calcedge/calcedge.toml").write_text(configuration, encoding="utf-8")
    (tree / "etc/tmpfiles.d").mkdir(exist_ok=True)
    (tree / "etc/tmpfiles.d/xray.conf").write_text("d /run/xray 0755 calcedge calcedge -\n", encoding="ascii")
    allowed = tree / "etc/systemd/system/calcedge-bridge.service.d/60-simulated.conf"
    allowed.parent.mkdir(parents=True, exist_ok=True)
    allowed.write_text("[Service]\nDeviceAllow=char-pts rw\n", encoding="ascii")


def boot(tree: Path, work: Path, limit_s: float) -> list[dict[str, Any]]:
    """Boots the tree and returns what the guest reported, line by line."""
    image, console, report = work / "disk.img", work / "console.log", work / "report.log"
    _run("mke2fs", "-q", "-t", "ext4", "-d", str(tree), str(image), "6G")
    kernel, initrd = (next((tree / "boot").glob(f"{name}-*")) for name in ("vmlinuz", "initrd.img"))
    _run(
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "3072", "-smp", "2",
        "-kernel", str(kernel), "-initrd", str(initrd), "-append", "root=/dev/vda rw console=ttyS0",
        "-drive", f"file={image},if=virtio,format=raw,cache=unsafe", "-display", "none", "-net", "none", "-no-reboot",
        "-serial", f"file:{console}", "-serial", f"file:{report}",
        limit_s=limit_s,
    )  # fmt: skip
    return [json.loads(line) for line in report.read_text(encoding="utf-8").splitlines() if line.startswith("{")]


def _run(*command: str, limit_s: float = 1200) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit_s)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
