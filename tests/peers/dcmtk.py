"""DCMTK's command line tools: nodes and callers that share no code with us."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from edge.config import Tls
from tests.peers.waiting import wait_for


def storescu(
    port: int,
    *paths: Path,
    title: str = "CALCEDGE",
    calling: str = "UNIT",
    tls: Tls | None = None,
    options: tuple[str, ...] = (),
) -> int:
    """Sends files or folders in one association and returns the exit code: 0 only if every file was stored."""
    command = ["storescu", "--scan-directories", "--max-send-pdu", "131072", "--required", *options, *_secure(tls)]
    command += ["--call", title, "--aetitle", calling, "127.0.0.1", str(port), *map(str, paths)]
    return subprocess.run(command, capture_output=True, timeout=120, check=False).returncode


def echoscu(port: int, title: str = "CALCEDGE", *, calling: str = "UNIT", tls: Tls | None = None) -> int:
    """Asks for C-ECHO and returns the exit code."""
    command = ["echoscu", *_secure(tls), "--call", title, "--aetitle", calling, "127.0.0.1", str(port)]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode


@contextmanager
def storescp(folder: Path, port: int, *options: str, tls: Tls | None = None) -> Iterator[None]:
    """DCMTK's storage node: writes what it receives into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with _running(["storescp", *_secure(tls), "--output-directory", str(folder), *options, str(port)], port):
        yield


@contextmanager
def dcmqrscp(folder: Path, port: int, title: str = "ARCHIVE") -> Iterator[None]:
    """DCMTK's archive: stores, and can be asked. It has no TLS of its own."""
    database = folder / "database"
    database.mkdir(parents=True)
    configuration = folder / "dcmqrscp.cfg"
    configuration.write_text(
        "MaxPDUSize = 16384\nMaxAssociations = 16\nHostTable BEGIN\nHostTable END\nVendorTable BEGIN\nVendorTable END\n"
        f"AETable BEGIN\n{title} {database} RW (100, 1024mb) ANY\nAETable END\n",
        encoding="ascii",
    )
    with _running(["dcmqrscp", "--prefer-uncompr", "--config", str(configuration), str(port)], port):
        yield


@contextmanager
def wlmscpfs(folder: Path, port: int, items: Sequence[Dataset], title: str = "WORKLIST") -> Iterator[Path]:
    """DCMTK's worklist: shows the items; yields the folder in which they lie. It has no TLS of its own."""
    place = folder / title
    place.mkdir(parents=True)
    (place / "lockfile").touch()
    for number, item in enumerate(items):
        write_item(place / f"{number}.wl", item)
    command = ["wlmscpfs", "--data-files-path", str(folder), "--keep-char-set", "--disable-file-reject", str(port)]
    with _running(command, port):
        yield place


def write_item(path: Path, item: Dataset) -> None:
    """A worklist file."""
    item.file_meta = FileMetaDataset()
    item.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    item.file_meta.MediaStorageSOPClassUID = generate_uid()
    item.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    item.save_as(path, enforce_file_format=True)


def _secure(tls: Tls | None) -> list[str]:
    if tls is None:
        return []
    return ["--enable-tls", str(tls.key), str(tls.certificate), "--add-cert-file", str(tls.authorities)]


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: _listens(port))
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(15)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
