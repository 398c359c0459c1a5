"""Power cut at every step of an update: whatever the disk then holds, a good release starts and the update goes on."""

from __future__ import annotations

import hashlib
import itertools
import json
import marshal
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edge.errors import UpdateError
from edge.fleet.depot import Depot
from edge.fleet.documents import Manifest
from edge.fleet.durable import Disk, PosixDisk
from edge.fleet.installed import Installed, model_release
from edge.fleet.slots import FACTORY, Event, Kind, turn
from edge.fleet.statefile import State, StateFile, decode
from tests.fleet.crashdisk import CrashDisk, Tree, lay
from tests.fleet.releases import blob, download, manifest, wheel

SHARED = wheel({"shared.py": "x = 1\n"})
FILES: dict[str, dict[str, bytes]] = {
    "a1": {"app.whl": wheel({"tinyapp/__init__.py": "#", "tinyapp/__main__.py": "print(1)\n"}), "shared.whl": SHARED},
    "a2": {"app.whl": wheel({"tinyapp/__init__.py": "#", "tinyapp/__main__.py": "print(2)\n"}), "shared.whl": SHARED},
    "a3": {"app.whl": wheel({"tinyapp/__init__.py": "#", "tinyapp/__main__.py": "print(3)\n"}), "shared.whl": SHARED},
    "m1": {"manifest.json": b'{"n": 1}', "golden/one.dcm": b"GOLDEN", "anatomy.onnx": b"A" * 40},
    "m2": {"manifest.json": b'{"n": 2}', "golden/one.dcm": b"GOLDEN", "anatomy.onnx": b"B" * 40},
    "m3": {"manifest.json": b'{"n": 3}', "golden/one.dcm": b"GOLDEN", "anatomy.onnx": b"C" * 40},
}
MADE = {name: manifest(Kind.APPLICATION if name[0] == "a" else Kind.MODEL, name, FILES[name]) for name in FILES}
Promise = Callable[[Path], bool]


DONE = (2, 0, 3, 0)


class Unsynced(PosixDisk):
    """The real steps without waiting for the real disk: nobody cuts its power."""

    def sync(self, path: Path) -> None:
        """Nothing."""


class Noticed(BaseException):
    """A fault was found: enough."""


class Update:
    """The whole life of two updates, told to a disk. Idempotent: run again, it goes on where it was."""

    def __init__(self, root: Path, disk: Disk) -> None:
        self.root = root
        self.disk = disk
        self.promises: list[tuple[str, Promise]] = []

    def run(self) -> None:
        for name in ("m2", "m3", "a1", "a2", "a3"):
            self.one(MADE[name], FILES[name])

    def one(self, made: Manifest, files: dict[str, bytes]) -> None:
        state = StateFile(self.root, self.disk)
        depot = Depot(self.root, self.disk)
        depot.sweep()
        if _rank(state.read()) >= _rank_good(made):
            return
        missing = {one.path for one in depot.missing(made)}
        for path, content in files.items():
            if path in missing:
                download(depot, {path: content})
                self._promise(f"{path} is kept", _kept(made, blob(path, content).sha256))
        depot.install(made)
        self._promise(f"{made.release} is installed", lambda root: _whole(root, made))
        for event in (Event.ACTIVATE, Event.START, Event.PASS):
            self._turn(state, made, event)
        kept = [(kind, name) for kind, slot in state.read().slots.items() for name in slot.kept]
        depot.collect(kept)

    def _turn(self, file: StateFile, made: Manifest, event: Event) -> None:
        def change(state: State) -> State:
            slot = state.slots[made.kind]
            if slot.trial and event is Event.ACTIVATE:
                return state
            return state.with_slot(made.kind, turn(slot, event, release=made.release, boot="b1"))

        after = file.change(change)
        rank = _rank(after)
        self._promise(f"{made.release} {event}", lambda root: _rank(StateFile(root).read()) >= rank)

    def _promise(self, name: str, check: Promise) -> None:
        self.promises.append((name, check))


def _rank(state: State) -> tuple[int, ...]:
    order = {FACTORY: 0, "m1": 0, "m2": 1, "m3": 2, "a1": 1, "a2": 2, "a3": 3}
    rank: list[int] = []
    for kind in (Kind.MODEL, Kind.APPLICATION):
        slot = state.slots[kind]
        trial = (1 + slot.trial.starts) if slot.trial else 0
        rank += [order[slot.good], trial]
    return tuple(rank)


def _kept(made: Manifest, sha256: str) -> Promise:
    def check(root: Path) -> bool:
        bundle = Installed(root).model(made.release) if made.kind is Kind.MODEL else None
        later = _rank(StateFile(root).read()) >= _rank_good(made)
        places = (root / "blobs" / sha256, root / "store" / sha256)
        return later or bundle is not None or any(place.exists() for place in places)

    return check


def _rank_good(made: Manifest) -> tuple[int, ...]:
    goods = {"m2": (1, 0, 0, 0), "m3": (2, 0, 0, 0), "a1": (2, 0, 1, 0), "a2": (2, 0, 2, 0), "a3": (2, 0, 3, 0)}
    return goods[made.release]


def _whole(root: Path, made: Manifest) -> bool:
    gone = _rank(StateFile(root).read()) > _rank_good(made)  # collected later, as it may be
    return gone or Depot(root, Unsynced()).installed(made.kind, made.release) is not None


def faults(root: Path, reference: dict[str, bytes], promises: list[tuple[str, Promise]]) -> Iterator[str]:
    """What is wrong with a disk after a power cut, before anything mended it."""
    state_file = root / "state.json"
    if not state_file.exists():
        yield "there is no state"
        return
    try:
        state = decode(state_file.read_bytes())
    except (ValueError, KeyError, TypeError):
        yield "the state can't be read"
        return
    for name, promise in promises:
        if not promise(root):
            yield f"promise broken: {name}"
    app = state.slots[Kind.APPLICATION].running
    for release in (app, state.slots[Kind.APPLICATION].good):
        if Installed(root).application(release) is None:
            yield f"{release} can't be started"
    for release in (state.slots[Kind.MODEL].running, state.slots[Kind.MODEL].good):
        if Installed(root).model(release) is None:
            yield f"model {release} can't be loaded"
    if model_release(root, Path("factory")).release == FACTORY:
        yield "the model fell back to the factory's"
    yield from _names(root, reference)


def _names(root: Path, reference: dict[str, bytes]) -> Iterator[str]:
    """Whatever has its final name is whole."""
    for entry in (root / "blobs").iterdir():
        if not entry.suffix and hashlib.sha256(entry.read_bytes()).hexdigest() != entry.name:
            yield f"blob {entry.name[:8]} is not whole"
    for entry in (root / "releases").glob("*.json"):
        try:
            made = Manifest.model_validate_json(entry.read_bytes())
        except ValueError:
            yield f"{entry.name} can't be read"
            continue
        installed = Installed(root)
        found = installed.model if made.kind is Kind.MODEL else installed.application
        if found(made.release) is None:
            yield f"{entry.name} names parts that are not here"
    stored = [e for e in (root / "store").iterdir() if not e.suffix]
    for folder in stored:
        there = {str(path.relative_to(root)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        wanted = {name: content for name, content in reference.items() if name.startswith(f"store/{folder.name}/")}
        if not _equal(there, wanted):
            yield f"store/{folder.name[:8]} is not whole"


def _equal(there: dict[str, bytes], wanted: dict[str, bytes]) -> bool:
    """The same files. Byte code may be written in other words for the same code in another process."""
    if there.keys() != wanted.keys():
        return False
    return all(_code(name, content) == _code(name, wanted[name]) for name, content in there.items())


def _code(name: str, content: bytes) -> object:
    if not name.endswith(".pyc"):
        return content
    try:
        return content[:16], marshal.loads(content[16:])
    except (EOFError, ValueError, TypeError):
        return content


def _before(root: Path) -> None:
    root.mkdir()
    depot = Depot(root, Unsynced())
    download(depot, FILES["m1"])
    depot.install(MADE["m1"])

    def first(state: State) -> State:
        slot = turn(state.slots[Kind.MODEL], Event.ACTIVATE, release="m1")
        return state.with_slot(Kind.MODEL, turn(slot, Event.PASS))

    StateFile(root, Unsynced()).change(first)


def _reference(tmp: Path) -> dict[str, bytes]:
    """Every store folder as it is when whole."""
    found: dict[str, bytes] = {}
    root = tmp / "reference"
    for files, made in ((FILES[name], made) for name, made in MADE.items()):
        depot = Depot(root, Unsynced())
        download(depot, files)
        depot.install(made)
    for path in (root / "store").rglob("*"):
        if path.is_file():
            found[str(path.relative_to(root))] = path.read_bytes()
    return found


class Examination:
    """Runs the update on a crash disk and looks at every disk a power cut may leave, each once."""

    def __init__(self, tmp: Path, reference: dict[str, bytes], *, lost: int | None = None, quick: bool = False) -> None:
        self.reference = reference
        self.found: dict[str, str] = {}
        self.states = 0
        self._tmp = tmp
        self._quick = quick
        self._lost = lost
        self._known: set[tuple[str, int]] = set()
        self._numbers = itertools.count()
        root = tmp / "root"
        tmp.mkdir(exist_ok=True)
        _before(root)
        self.disk = CrashDisk(root, lost)
        self.update = Update(root, self.disk)
        self.disk.watch = self._look
        try:
            self.update.run()
            self._look()
        except Noticed:
            pass
        except (OSError, KeyError, AssertionError, UpdateError) as error:
            self.found[f"the update itself failed: {type(error).__name__}"] = "run"

    def _look(self) -> None:
        if self._lost is not None and len(self.disk.steps) <= self._lost:
            return  # nothing is lost yet: the whole examination has looked at these
        for tree in self.disk.disks():
            key = (_fingerprint(tree), len(self.update.promises))
            if key in self._known:
                continue
            self._known.add(key)
            self.states += 1
            root = self._tmp / f"disk{next(self._numbers)}"
            lay(tree, root)
            after = f"after step {len(self.disk.steps)} ({self.disk.steps[-1] if self.disk.steps else 'none'})"
            for fault in faults(root, self.reference, self.update.promises):
                self.found.setdefault(fault, after)
            if not self._quick and not self.found:
                self._go_on(root, after)
            shutil.rmtree(root)
            if self._quick and self.found:
                raise Noticed

    def _go_on(self, root: Path, after: str) -> None:
        Update(root, Unsynced()).run()
        if _rank(StateFile(root).read()) != DONE:
            self.found.setdefault("the update didn't go on", after)
        for fault in faults(root, self.reference, []):
            self.found.setdefault(f"after going on: {fault}", after)
        left = [
            e.name
            for folder in ("store", "releases")
            for e in (root / folder).iterdir()
            if e.suffix in (".tmp", ".new")
        ]
        if left:
            self.found.setdefault(f"left behind: {left}", after)


def _fingerprint(tree: Tree) -> str:
    def plain(node: bytes | Tree) -> object:
        return node.hex() if isinstance(node, bytes) else {name: plain(inner) for name, inner in sorted(node.items())}

    return hashlib.sha256(json.dumps(plain(tree)).encode()).hexdigest()


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """Thousands of small disks: in memory where there is such a folder."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.mark.requirement("a power cut at any moment of an update leaves a box that starts a good release")
def test_every_power_cut_leaves_a_good_disk(quick_folder: Path) -> None:
    examination = Examination(quick_folder, _reference(quick_folder))
    print(f"{len(examination.disk.steps)} steps, {examination.states} disks")
    assert examination.found == {}
    assert examination.states > 200


def test_every_sync_and_rename_is_needed(quick_folder: Path) -> None:
    reference = _reference(quick_folder)
    critical = Examination(quick_folder / "whole", reference, quick=True).disk.critical
    assert len(critical) > 100
    unnoticed = []
    for number in critical:
        folder = quick_folder / str(number)
        broken = Examination(folder, reference, lost=number, quick=True)
        if not broken.found:
            unnoticed.append(f"{number} {broken.disk.steps[number]}")
        shutil.rmtree(folder)
    print(f"{len(critical)} syncs and renames left out one by one")
    assert unnoticed == []
