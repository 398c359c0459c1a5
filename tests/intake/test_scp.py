"""The DICOM node, spoken to by DCMTK."""

from __future__ import annotations

import os
import socket
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.config import Dicom
from edge.errors import CalcedgeError
from edge.intake.receive import Reception
from edge.intake.scp import StoreScp
from edge.store import Store, events, images
from tests.peers.dcmtk import echoscu, storescu
from tests.peers.films import film, write

pytestmark = pytest.mark.needs("storescu")


@pytest.fixture
def node(store: Store, free_port: Callable[[], int]) -> Iterator[tuple[Store, int]]:
    settings = Dicom(port=free_port())
    with StoreScp(settings, Reception(store, 0), store.objects):
        yield store, settings.port


def _images(store: Store) -> list[images.Image]:
    with store.read() as connection:
        return images.latest(connection, 100)


def test_an_image_is_stored_as_it_was_sent(node: tuple[Store, int], tmp_path: Path) -> None:
    store, port = node
    sent = write(film(1), tmp_path / "a.dcm")
    assert echoscu(port) == 0
    assert storescu(port, sent) == 0
    (image,) = _images(store)
    assert image.state is images.State.RECEIVED
    assert image.source == "dicom:UNIT@127.0.0.1"
    assert image.sop_instance_uid == film(1).SOPInstanceUID
    received = store.objects.read(image.object)
    assert received.endswith(sent.read_bytes()[-film(1).Rows * film(1).Columns * 2 :])
    with store.read() as connection:
        assert [event.what for event in events.latest(connection)] == ["image-received"]
    assert list(store.objects.incoming.iterdir()) == []


@pytest.mark.requirement("nothing lost")
def test_success_is_answered_only_after_everything_is_durable(
    node: tuple[Store, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the moment of the answer the object is synced under its name and the row is committed."""
    store, port = node
    trace: list[str] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        trace.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", fsync)
    from pynetdicom.dimse import DIMSEServiceProvider

    real_send = DIMSEServiceProvider.send_msg

    def send(self: DIMSEServiceProvider, primitive: Any, context_id: int) -> None:
        outside = sqlite3.connect(store.database.path)
        trace.append(f"answer with {outside.execute('SELECT count(*) FROM images').fetchone()[0]} rows")
        outside.close()
        real_send(self, primitive, context_id)

    monkeypatch.setattr(DIMSEServiceProvider, "send_msg", send)
    assert storescu(port, write(film(1), tmp_path / "a.dcm")) == 0
    (image,) = _images(store)
    assert trace[-1] == "answer with 1 rows"
    assert trace[-2] == image.object[:2]  # the folder, after the rename
    assert any(name.startswith("tmp") for name in trace[:-2])  # the file, before it


def test_the_same_image_again_is_one_image(node: tuple[Store, int], tmp_path: Path) -> None:
    store, port = node
    sent = write(film(1), tmp_path / "a.dcm")
    assert storescu(port, sent) == 0
    assert storescu(port, sent) == 0
    assert len(_images(store)) == 1


@pytest.mark.requirement("identity")
def test_an_identifier_used_for_two_images_is_kept_apart_and_told(node: tuple[Store, int], tmp_path: Path) -> None:
    store, port = node
    first = film(1)
    other = film(2, SOPInstanceUID=first.SOPInstanceUID)
    assert storescu(port, write(first, tmp_path / "a.dcm")) == 0
    assert storescu(port, write(other, tmp_path / "b.dcm")) != 0
    assert len({image.object for image in _images(store)}) == 2


def test_without_room_the_sender_keeps_the_image(store: Store, free_port: Callable[[], int], tmp_path: Path) -> None:
    settings = Dicom(port=free_port())
    with StoreScp(settings, Reception(store, 10**9), store.objects):
        assert storescu(settings.port, write(film(1), tmp_path / "a.dcm")) != 0
    assert _images(store) == []
    assert list(store.objects.incoming.iterdir()) == []


def test_a_port_in_use_is_said(store: Store) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Dicom(port=taken.getsockname()[1])
        with pytest.raises(CalcedgeError) as caught, StoreScp(settings, Reception(store, 0), store.objects):
            pass
    assert caught.value.reason.code == "port-in-use"
