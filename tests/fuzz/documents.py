"""Files that somebody hands over: configuration, updates and their metadata, wheels, a backup."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from tuf.api.exceptions import DownloadHTTPError

from edge import config, siteparts
from edge.errors import StoreError
from edge.fleet.depot import Depot, wheel_files
from edge.fleet.documents import Manifest, Rollout
from edge.fleet.fetcher import Body, Fetcher
from edge.fleet.slots import Kind
from edge.fleet.statefile import StateFile, encode
from edge.fleet.trust import Repository, Trust
from edge.store import Store, backup
from tests.fleet.fleet import Clock, FleetOfOne
from tests.fleet.releases import wheel
from tests.fuzz.engine import ACCEPTED, Target

_TOML: Final = """
data = "/tmp/nowhere"
[device]
serial = "CE-1"
[serial]
port = "/dev/ttyUSB0"
[bridge]
mode = "poll"
profile = "spellman-pmx"
last_kv_per_count = 0.01
[dicom]
title = "CALCEDGE"
host = "0.0.0.0"
port = 11112
peers = [{title = "UNIT", address = "10.0.0.0/24"}]
[intake]
folder = "/tmp/in"
[web]
kiosk = ["127.0.0.1"]
[fleet]
device = "box-1"
repositories = ["https://updates.example/"]
broker = "mqtts://broker.example:8883"
[tls]
certificate = "a.pem"
key = "b.pem"
authorities = "c.pem"
[[destinations]]
type = "dicom"
name = "pacs"
title = "PACS"
host = "pacs.example"
tls = true
[[destinations]]
type = "dicomweb"
name = "web"
url = "https://pacs.example/dicom-web"
[worklist]
title = "RIS"
host = "ris.example"
"""
_LISTS: Final = b"x = " + b"[" * 200 + b"]" * 200 + b"\n"


def _configuration(folder: Path) -> Target:
    path = folder / "calcedge.toml"

    def test(data: bytes) -> str:
        path.write_bytes(data)
        config.load(path, folder / "data")
        return ACCEPTED

    parts = _TOML.split("\n[")
    pieces = ["\n[".join(parts[:count]) for count in range(1, len(parts))]
    return Target(test, [piece.encode() for piece in (_TOML, *pieces[::3])] + [_LISTS])


def _site(folder: Path) -> Target:
    """What the page wrote down for the other processes, damaged."""
    folder = folder / "data"
    folder.mkdir()

    def test(data: bytes) -> str:
        (folder / "site.json").write_bytes(data)
        config.load(None, folder)
        return ACCEPTED

    siteparts.write(folder, {"destinations": [{"type": "folder", "name": "usb", "path": "/tmp/usb"}], "worklist": None})
    sound = (folder / "site.json").read_bytes()
    return Target(test, [sound, b'{"mpps": {"title": "RIS", "host": "ris"}}'])


class _Memory(Fetcher):
    """A repository in memory; one of its files is the input."""

    def __init__(self, clock: Clock, files: dict[str, bytes]) -> None:
        super().__init__(clock)
        self.files = files
        self.asked: set[str] = set()

    def open(self, url: str, start: int = 0) -> Body:
        name = url.removeprefix("memory://here/")
        self.asked.add(name)
        content = self.files.get(name)
        if content is None:
            raise DownloadHTTPError("no such file", 404)
        return Body(start, iter([content[start:]]))


def _update_metadata(folder: Path) -> Target:
    """One file of a signed repository is replaced: the first byte of the input says which."""
    fleet = FleetOfOne(folder / "fleet")
    fleet.publish("app-1.0.0")
    fleet.roll_out("app-1.0.0")
    root = fleet.admin.root
    files = {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
    fleet.close()
    names = [name for name in files if name.endswith(".json")]
    bootstrap = fleet.bootstrap.read_bytes()
    cache = folder / "cache"

    def test(data: bytes) -> str:
        shutil.rmtree(cache, ignore_errors=True)
        name = names[data[0] % len(names)] if data else names[0]
        changed = files | {name: data[1:]}
        fetcher = _Memory(fleet.clock, changed)
        trust = Trust(cache, bootstrap, Repository("memory://here"), fetcher)
        trust.refresh(fleet.clock.now(), "")
        rollout = trust.rollout("clinic")
        assert rollout is None or rollout.fleet == "clinic"
        trust.manifest(Kind.APPLICATION, "app-1.0.0")
        if name in fetcher.asked and _says(data[1:]) != _says(files[name]):
            raise AssertionError(f"{name} was changed, and believed")
        return ACCEPTED

    return Target(test, [bytes([number]) + files[name] for number, name in enumerate(names)], deadline_s=10.0)


def _says(content: bytes) -> object:
    """What is signed in a metadata file; all of a document."""
    try:
        told = json.loads(content)
    except ValueError:
        return content
    return told.get("signed", told) if isinstance(told, dict) else told


def _update_documents(folder: Path) -> Target:
    """What stands inside the signature: an admin's mistake, or a stolen key."""
    del folder

    def test(data: bytes) -> str:
        shapes: tuple[type[Rollout | Manifest], ...] = (Rollout, Manifest)
        told = 0
        for shape in shapes:
            try:
                shape.model_validate_json(data)
            except ValidationError:
                told += 1
        return "update-untrusted" if told == len(shapes) else ACCEPTED

    rule = {
        "cohort": "lab",
        "release": "r-1",
        "percent": 5.0,
        "window": "22:00-05:00",
        "not_before": "2026-11-22T00:00:00Z",
    }
    channel = {"rollout": "x", "default": None, "rules": [rule], "pins": {"box-1": "factory"}, "floor_epoch": 2}
    rollout = {"schema": 1, "fleet": "clinic", "serial": 3, "channels": {"application": channel}}
    manifest = {
        "schema": 1, "kind": "application", "release": "r-1", "version": "1.0.0", "epoch": 1, "hardware": ["any"],
        "blobs": [{"path": "a-1.whl", "sha256": "0" * 64, "length": 5}],
    }  # fmt: skip
    return Target(test, [json.dumps(rollout).encode(), json.dumps(manifest).encode()])


def _wheel(folder: Path) -> Target:
    """A wheel is unpacked where it belongs, or refused."""
    sound = wheel(
        {"tinyapp.py": "x = 1\n", "tinyapp/data/a.txt": "a" * 5000, "tiny-1.dist-info/METADATA": "Name: tiny\n"}
    )
    depot = Depot(folder / "depot")

    def test(data: bytes) -> str:
        for name, content in wheel_files(data, 16 * max(len(data), 1)):
            assert len(content) <= 16 * max(len(data), 1)
            assert (depot.store / name).resolve().is_relative_to(depot.store.resolve())
        return ACCEPTED

    return Target(test, [sound, wheel({"../out.py": "x"}), wheel({"/abs.py": "x"}), wheel({"a" * 250: "x"})])


def _state(folder: Path) -> Target:
    """The box's own truth, damaged: the factory's state then, never an exception."""
    file = StateFile(folder)

    def test(data: bytes) -> str:
        file.path.write_bytes(data)
        state = file.read()
        encode(state)
        return ACCEPTED

    return Target(test, [encode(file.read())])


def _backup(folder: Path) -> Target:
    store = Store.open(folder / "store")
    name = store.objects.put(b"object")
    out = io.BytesIO()
    backup.write(store, out)
    sound = out.getvalue()
    store.close()
    target = folder / "within" / "here" / "restored"

    def test(data: bytes) -> str:
        shutil.rmtree(target, ignore_errors=True)
        before = set(_outside(folder, target))
        try:
            backup.restore(io.BytesIO(data), target)
        except StoreError:
            assert not (target / backup.DATABASE).exists(), "refused, and nevertheless in place"
            raise
        finally:
            assert set(_outside(folder, target)) == before, "something was written elsewhere"
        return ACCEPTED

    evil = io.BytesIO()
    with tarfile.open(fileobj=evil, mode="w") as tar:
        for path in ("../../evil", f"objects/../{name}", "objects/aa/../../../evil"):
            tar.addfile(tarfile.TarInfo(path))
        link = tarfile.TarInfo("objects/aa/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    return Target(test, [sound, evil.getvalue()], deadline_s=10.0)


def _outside(folder: Path, target: Path) -> Iterator[str]:
    return (str(path) for path in folder.rglob("*") if not path.is_relative_to(target) and path not in target.parents)


TARGETS: Final[dict[str, Callable[[Path], Target]]] = {
    "configuration": _configuration,
    "site": _site,
    "update-metadata": _update_metadata,
    "update-documents": _update_documents,
    "wheel": _wheel,
    "state": _state,
    "backup": _backup,
}
