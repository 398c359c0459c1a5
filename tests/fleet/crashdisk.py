"""A disk that loses power: records every step of a `Disk`, makes every disk that a power cut may leave.

The model is harsher than ext4. Of a file's bytes nothing, half or all may be there until it is synced. Of the
changes of a folder any first few may be there until it is synced; of up to three open changes, any. Folders don't
wait for each other.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from edge.fleet.durable import PosixDisk


@dataclass(slots=True)
class File:
    """A file: what is durable, and what is there now."""

    durable: bytes = b""
    now: bytes = b""


@dataclass(slots=True)
class Folder:
    """A folder: its durable names, and the changes since."""

    durable: dict[str, Node] = field(default_factory=dict)
    changes: list[dict[str, Node | None]] = field(default_factory=list)

    def now(self, count: int | None = None) -> dict[str, Node]:
        chosen = self.changes if count is None else self.changes[:count]
        return merge(self.durable, chosen)


Node = File | Folder
Tree = dict[str, "bytes | Tree"]


def merge(names: dict[str, Node], changes: list[dict[str, Node | None]]) -> dict[str, Node]:
    merged = dict(names)
    for change in changes:
        for name, node in change.items():
            if node is None:
                merged.pop(name, None)
            else:
                merged[name] = node
    return merged


class PowerCut(BaseException):
    """The step was not done, and nothing after it."""


class CrashDisk:
    """Does each step for real, and in the model. `lost`: the number of one sync or rename that is left out."""

    def __init__(self, root: Path, lost: int | None = None) -> None:
        self.root = root
        self._real = PosixDisk()
        self._top = _load(root)
        self.steps: list[str] = []
        self.critical: list[int] = []
        self._lost = lost
        self._renamed: dict[Path, Path] = {}
        self.watch: Callable[[], object] = list  # nobody watches

    # -- the steps --

    def write(self, path: Path, content: bytes) -> None:
        self._begin("write", path)
        self._real.write(path, content)
        self._file(path).now = content

    def append(self, path: Path, content: bytes) -> None:
        self._begin("append", path)
        self._real.append(path, content)
        self._file(path).now += content

    def truncate(self, path: Path, size: int) -> None:
        self._begin("truncate", path)
        self._real.truncate(path, size)
        file = self._file(path)
        file.now = file.now[:size]

    def sync(self, path: Path) -> None:
        if self._begin("sync", path, critical=True):
            file = self._file(path)
            file.durable = file.now

    def sync_folder(self, path: Path) -> None:
        if self._begin("sync_folder", path, critical=True):
            folder = self._folder(path)
            folder.durable = folder.now()
            folder.changes.clear()

    def rename(self, old: Path, new: Path) -> None:
        if not self._begin("rename", new, critical=True):
            # Left out: what makes a name final is written straight under it; what is removed is removed under its name.
            if new.suffix == ".tmp":
                self._renamed[new] = old
            else:
                self._write_through(old, new)
            return
        self._real.rename(old, new)
        assert old.parent == new.parent
        folder = self._folder(old.parent)
        folder.changes.append({old.name: None, new.name: folder.now()[old.name]})

    def link(self, old: Path, new: Path) -> None:
        self._begin("link", new)
        self._real.link(old, new)
        self._folder(new.parent).changes.append({new.name: self._folder(old.parent).now()[old.name]})

    def make_folder(self, path: Path) -> None:
        self._begin("make_folder", path)
        self._real.make_folder(path)
        self._folder(path.parent).changes.append({path.name: Folder()})

    def unlink(self, path: Path) -> None:
        self._begin("unlink", path)
        self._real.unlink(path)
        folder = self._folder(path.parent)
        if path.name in folder.now():
            folder.changes.append({path.name: None})

    def remove_tree(self, path: Path) -> None:
        self._begin("remove_tree", path)
        path = self._renamed.get(path, path)
        parent = self._folder(path.parent)
        node = parent.now().get(path.name)
        if isinstance(node, Folder):
            self._empty(node)
            parent.changes.append({path.name: None})
        self._real.remove_tree(path)

    # -- the power cut --

    def disks(self) -> Iterator[Tree]:
        """Every disk that a power cut now may leave."""
        folders = [folder for folder in _folders(self._top) if folder.changes]
        calm: dict[int, list[dict[str, Node | None]]] = {id(folder): [] for folder in folders}
        busy = {id(folder): folder.changes for folder in folders}
        for share in (0.0, 0.5, 1.0):
            for base in (calm, busy):
                yield _seen(self._top, base, share)
                for folder in folders:
                    for kept in _subsets(folder.changes):
                        yield _seen(self._top, {**base, id(folder): kept}, share)

    # -- how --

    def _begin(self, name: str, path: Path, *, critical: bool = False) -> bool:
        self.watch()
        number = len(self.steps)
        self.steps.append(f"{name} {path.relative_to(self.root)}")
        if critical:
            self.critical.append(number)
        return number != self._lost

    def _write_through(self, old: Path, new: Path) -> None:
        folder = self._folder(old.parent)
        node = folder.now()[old.name]
        if isinstance(node, File):
            self._real.unlink(new)
            self._real.rename(old, new)
            folder.changes += [{new.name: File(b"", node.now)}, {old.name: None}]
            return
        self._real.rename(old, new)
        fresh = Folder()
        folder.changes.append({new.name: fresh})
        for name, inner in node.now().items():
            fresh.changes.append({name: inner})
        folder.changes.append({old.name: None})

    def _empty(self, folder: Folder) -> None:
        for name, node in folder.now().items():
            if isinstance(node, Folder):
                self._empty(node)
            folder.changes.append({name: None})

    def _folder(self, path: Path) -> Folder:
        node: Node = self._top
        for part in path.relative_to(self.root).parts:
            assert isinstance(node, Folder)
            node = node.now()[part]
        assert isinstance(node, Folder)
        return node

    def _file(self, path: Path) -> File:
        folder = self._folder(path.parent)
        node = folder.now().get(path.name)
        if node is None:
            node = File()
            folder.changes.append({path.name: node})
        assert isinstance(node, File)
        return node


def lay(tree: Tree, root: Path) -> None:
    """Writes a disk down."""
    root.mkdir(parents=True)
    for name, node in tree.items():
        if isinstance(node, dict):
            lay(node, root / name)
        else:
            (root / name).write_bytes(node)


def _load(path: Path) -> Folder:
    folder = Folder()
    for entry in path.iterdir():
        content = b"" if entry.is_dir() else entry.read_bytes()
        folder.durable[entry.name] = _load(entry) if entry.is_dir() else File(content, content)
    return folder


def _folders(folder: Folder) -> Iterator[Folder]:
    seen: set[int] = set()
    waiting = [folder]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        named = [one.durable, *({n: v for n, v in change.items() if v} for change in one.changes)]
        waiting += [node for names in named for node in names.values() if isinstance(node, Folder)]


def _subsets(changes: list[dict[str, Node | None]]) -> Iterator[list[dict[str, Node | None]]]:
    if len(changes) > 3:
        yield from (changes[:count] for count in range(len(changes) + 1))
    else:
        for count in range(len(changes) + 1):
            yield from (list(some) for some in itertools.combinations(changes, count))


def _seen(folder: Folder, kept: dict[int, list[dict[str, Node | None]]], share: float) -> Tree:
    tree: Tree = {}
    for name, node in merge(folder.durable, kept.get(id(folder), [])).items():
        if isinstance(node, Folder):
            tree[name] = _seen(node, kept, share)
        elif node.now == node.durable or share == 0:
            tree[name] = node.durable
        else:
            tree[name] = node.now[: int(len(node.now) * share)]
    return tree
