"""A patient is planted in images, orders and requests, and must be found nowhere but where patients belong.

The real line runs, and fails in many ways; then every byte that was written anywhere but in the store, its objects and
what was delivered is searched for the name, the number, the day of birth and the order.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Self

import psutil
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom import AE, evt
from pynetdicom.events import Event
from pynetdicom.sop_class import ModalityWorklistInformationFind  # type: ignore[attr-defined]

from edge.clock import SystemClock
from edge.config import load
from edge.fleet.agent import Agent
from edge.fleet.update import Outcome
from edge.services.supervisor import SERVICES
from edge.store import images, orders
from tests.peers.appliance import Appliance
from tests.peers.films import write
from tests.peers.hands import new_hand
from tests.peers.orders import item
from tests.peers.sender import Sender
from tests.peers.waiting import wait_for

FAMILY, GIVEN, NUMBER, BORN, ACCESSION = "Xiphosura", "Quillonia", "PZ-77213904", "19310417", "ACC88137246"
NEEDLES = (FAMILY, GIVEN, "77213904", BORN, "1931-04-17", ACCESSION)
_WHERE_PATIENTS_BELONG = ("data/calcedge.sqlite", "data/calcedge.before", "data/objects/", "data/outbox/", "drop/")
"""The store, its objects, the folder that results are delivered to, and the folder that the test itself drops into."""


def _planted(number: int, **tags: object) -> Dataset:
    hand = new_hand(number)
    hand.SpecificCharacterSet = "ISO_IR 192"
    hand.PatientName, hand.PatientID = f"{FAMILY}^{GIVEN}", NUMBER
    hand.PatientBirthDate, hand.AccessionNumber = BORN, ACCESSION
    for keyword, value in tags.items():
        setattr(hand, keyword, value)
    return hand


class _Units(Appliance):
    """The same processes as units of systemd: each by itself, nobody hurries them on a busy machine."""

    def start(self) -> None:
        """Starts each service."""
        with (self.folder / "log").open("ab") as log:
            self.units = [
                subprocess.Popen(
                    [sys.executable, "-m", "edge", "service", service, "--config", str(self.config_path)],
                    stdout=log,
                    stderr=log,
                )
                for service in SERVICES
            ]
        self.process = self.units[0]

    def __enter__(self) -> Self:
        """Starts, and waits as long as it takes."""
        self.start()
        self.wait_ready(400)
        return self

    def __exit__(self, *_: object) -> None:
        """Ends them all."""
        for unit in self.units:
            unit.send_signal(signal.SIGTERM)
        for unit in self.units:
            unit.wait(60)

    def processes(self) -> list[psutil.Process]:
        """The services and everything below them that lives."""
        services = [psutil.Process(unit.pid) for unit in self.units if unit.poll() is None]
        return [*services, *(child for service in services for child in service.children(recursive=True))]


@contextmanager
def _worklist(port: int) -> Iterator[None]:
    """A worklist whose items name the patient, one of them in a way that can't be read."""

    def answer(_: Event) -> Iterator[tuple[int, Dataset]]:
        good = item(
            1, PatientName=f"{FAMILY}^{GIVEN}", PatientID=NUMBER, PatientBirthDate=BORN, AccessionNumber=ACCESSION
        )
        odd = item(2, PatientName=f"{FAMILY}^{GIVEN}", SpecificCharacterSet=f"{FAMILY}")
        odd.add_new(0x00101010, "AS", f"{FAMILY}{GIVEN}")
        odd.add_new(0x00101030, "DS", "1")
        odd["PatientWeight"]._value = FAMILY
        for one in (good, odd):
            yield 0xFF00, one

    node = AE("RIS")
    node.add_supported_context(ModalityWorklistInformationFind)
    server = node.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_FIND, answer)])
    assert server
    try:
        yield
    finally:
        server.shutdown()


def _drop(drop: Path) -> int:
    """Files of every kind of trouble, each with the patient in it. How many there are."""
    write(_planted(0), drop / "good.dcm")
    write(_planted(1, SOPClassUID=CTImageStorage, Modality="CT"), drop / "ct.dcm")
    odd = _planted(2)
    odd.add_new(0x00181405, "IS", "1")
    odd["RelativeXRayExposure"]._value = FAMILY  # a number that is none: libraries like to quote it
    odd.StudyDate = "1931041"
    write(odd, drop / "odd.dcm")
    whole = (drop / "good.dcm").read_bytes()
    (drop / "cut.dcm").write_bytes(whole[: len(whole) // 2])
    damaged = bytearray(whole.replace(b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.50"))
    damaged[-4000:] = os.urandom(4000)
    (drop / "damaged.dcm").write_bytes(bytes(damaged))
    (drop / "note.dcm").write_text(f"{FAMILY} {GIVEN} {NUMBER} {BORN}", encoding="utf-8")
    (drop / f"{FAMILY}_{GIVEN}.dcm").write_bytes(b"\0" * 128 + b"DICM" + f"{FAMILY}^{GIVEN}".encode() * 20)
    wrong = _planted(3)
    wrong.SpecificCharacterSet = "ISO 2022 IR 87"
    write(wrong, drop / "charset.dcm")
    twin = _planted(0, StudyDescription=FAMILY)  # the same identifier with other content
    write(twin, drop / "twin.dcm")
    return len(list(drop.glob("*.dcm")))


@pytest.mark.requirement("no patient data in any log")
def test_nobody_s_name_is_written_where_it_does_not_belong(
    tmp_path: Path, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("TMPDIR", "HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        (tmp_path / variable).mkdir()
        monkeypatch.setenv(variable, str(tmp_path / variable))
    drop, ris, nobody = tmp_path / "appliance" / "drop", free_port(), free_port()
    more = f"""
[intake]
folder = "{drop}"
[[destinations]]
type = "folder"
name = "folder"
path = "{tmp_path / "appliance" / "data" / "outbox"}"
[[destinations]]
type = "dicom"
name = "away"
title = "AWAY"
host = "127.0.0.1"
port = {nobody}
[worklist]
title = "RIS"
host = "127.0.0.1"
port = {ris}
every_s = 1.0
[fleet]
device = "box-1"
broker = "{(tmp_path / "messages").as_uri()}"
"""
    said: list[bytes] = []
    with (
        _worklist(ris),
        _Units(tmp_path / "appliance", more) as appliance,
        closing(appliance.store()) as store,
    ):
        dropped = _drop(drop)
        sender = Sender(appliance.dicom_port, [_planted(10)], threading.Event())
        sender.start()

        def arrived() -> bool:
            with store.read() as connection:
                counts = images.count_by_state(connection)
            return counts[images.State.REPORTED] >= dropped + 1

        wait_for(arrived, 240)
        sender.join()

        def listed() -> bool:
            with store.read() as connection:
                return any(order.facts.patient_id == NUMBER for order in orders.listed(connection))

        wait_for(listed, 60)
        said += _visits(appliance)
        processes = appliance.named()
        for name in ("worker", "darkroom"):
            if name in processes:
                processes[name].kill()
        said.append(appliance.get("/support-bundle.zip")[1])
        config = load(appliance.config_path)
        Agent(config, SystemClock(), ()).report(Outcome("update-waiting", "", {}), most_s=5)
    found = sorted(
        {
            f"{needle} in {where}"
            for where, text in _written(tmp_path, said)
            for needle in NEEDLES
            if needle.lower() in text
        }
    )
    assert found == []
    log = (tmp_path / "appliance" / "log").read_text(encoding="utf-8")
    assert "worker" in log
    assert list((tmp_path / "messages").iterdir())


def _visits(appliance: Appliance) -> list[bytes]:
    """Pages asked for with the patient in the address, some of which fail; what strangers are told."""
    words = urllib.parse.quote(f"{FAMILY} {GIVEN}")
    for path in (
        f"/images?q={words}", f"/images?scan=1&q={NUMBER}", f"/{FAMILY}/{NUMBER}", f"/errors/{FAMILY}",
        f"/orders?q={words}",
        f"/images.csv?q={FAMILY}", "/images/1", "/images/1/print", "/images/2/film", "/images/4/compare",
        "/images/1/export.zip",
    ):  # fmt: skip
        appliance.get(path)
    with appliance.store().transaction() as tx:  # a row that can't be read: every page that shows it fails
        tx.execute(
            "UPDATE images SET header = replace(header, ?, ?) WHERE id = 1", (f'"{NUMBER}"', f'{{"{FAMILY}": 1}}')
        )
    appliance.get("/images/1")
    appliance.get("/")
    form = urllib.parse.urlencode({"name": f"{FAMILY} {GIVEN}", "secret": NUMBER, "next": f"/{FAMILY}"}).encode()
    stranger = urllib.request.Request(f"http://127.0.0.1:{appliance.web_port}/sign-in", form)
    answers = [_open(stranger)]
    closed = ("/", "/health", "/sign-in", "/api/status", "/images/1", "/images.csv", "/audit", "/support-bundle.zip")
    base = f"http://127.0.0.1:{appliance.web_port}"
    return [*answers, *(_open(urllib.request.Request(base + path)) for path in closed)]


def _open(request: urllib.request.Request) -> bytes:
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        return error.read()


def _written(root: Path, said: list[bytes]) -> Iterator[tuple[str, str]]:
    """Every file outside the places for patients, and every answer, in lower case and in each reading of its bytes."""
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_file() and not any(place in name for place in _WHERE_PATIENTS_BELONG):
            yield from _texts(name, path.read_bytes())
    for number, answer in enumerate(said):
        yield from _texts(f"answer {number}", answer)


def _texts(name: str, content: bytes) -> Iterator[tuple[str, str]]:
    yield name, name.lower() + urllib.parse.unquote_to_bytes(content).decode("utf-8", "replace").lower()
    yield name, content.decode("utf-16-le", "replace").lower()
    if content[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for inner in archive.namelist():
                yield from _texts(f"{name}/{inner}", archive.read(inner))


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", f'"{FAMILY.upper()}"')
    (tmp_path / "a.zip").write_bytes(out.getvalue())
    (tmp_path / "b").write_bytes(GIVEN.encode("utf-16-le"))
    (tmp_path / "c").write_bytes(urllib.parse.quote(NUMBER).encode())
    texts = list(_written(tmp_path, [BORN.encode()]))
    assert all(any(needle.lower() in text for _, text in texts) for needle in (FAMILY, GIVEN, "77213904", BORN))
