"""Object files: complete, durable, proven by their names."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from edge.errors import StoreError
from edge.store.objects import Objects, digest


def test_put_and_read(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    name = objects.put(b"film")
    assert name == hashlib.sha256(b"film").hexdigest()
    assert objects.read(name) == b"film"
    assert objects.put(b"film") == name
    assert list(objects.incoming.iterdir()) == []


def test_a_changed_object_is_found_out(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    name = objects.put(b"film")
    objects.path(name).write_bytes(b"fi1m")
    for look in (objects.read, objects.prove):
        with pytest.raises(StoreError) as caught:
            look(name)
        assert caught.value.reason.code == "object-corrupt"
    objects.path(name).unlink()
    for look in (objects.read, objects.prove):
        with pytest.raises(StoreError) as caught:
            look(name)
        assert caught.value.reason.code == "object-missing"


def test_the_file_is_synced_before_it_bears_its_name_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = Objects(tmp_path)
    name = hashlib.sha256(b"film").hexdigest()
    steps: list[str] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append("sync folder" if target.is_dir() else f"sync file {target.parent.name}")
        real_fsync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        steps.append("rename")
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    objects.put(b"film")
    assert objects.path(name).exists()
    assert steps == ["sync file incoming", "sync folder", "rename", "sync folder"]


def test_sweeps_leave_what_is_referred_to_or_young(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    kept, old, young = objects.put(b"kept"), objects.put(b"old"), objects.put(b"young")
    for name in (kept, old):
        stat = objects.path(name).stat()
        os.utime(objects.path(name), (stat.st_atime - 7200, stat.st_mtime - 7200))
    assert objects.sweep_orphans({kept}) == 1
    assert [objects.path(n).exists() for n in (kept, old, young)] == [True, False, True]
    objects.temporary("tmp").touch()
    objects.temporary("put").touch()
    objects.sweep_incoming("tmp")
    assert [p.name[:3] for p in objects.incoming.iterdir()] == ["put"]


@pytest.mark.parametrize("size", [0, 10, 5_000_000])
def test_the_data_set_is_known_again_whatever_its_file_meta(tmp_path: Path, size: int) -> None:
    uid = generate_uid(entropy_srcs=["data set"])
    files = []
    for sender in ("UNIT", "A_LONGER_TITLE"):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.SourceApplicationEntityTitle = sender
        dataset.SOPClassUID, dataset.SOPInstanceUID = ComputedRadiographyImageStorage, uid
        dataset.EncapsulatedDocument = b"\x01" * size
        path = tmp_path / f"{sender}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        files.append(digest(path))
        assert files[-1].size == path.stat().st_size
        assert files[-1].object == hashlib.sha256(path.read_bytes()).hexdigest()
    assert files[0].dataset == files[1].dataset
    assert files[0].object != files[1].object


def test_what_is_no_dicom_file_is_all_data_set(tmp_path: Path) -> None:
    for content in (b"", b"hello", os.urandom(300)):
        path = tmp_path / "x"
        path.write_bytes(content)
        found = digest(path)
        assert found.object == found.dataset == hashlib.sha256(content).hexdigest()
