"""The self-test behind `calcedge doctor`: a list of checks of one shape.

Each check takes the configuration and answers with one line. `WARN` is for what works but should be known; only
`FAIL` makes the doctor's exit code differ from 0. No answer holds patient data.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from edge.clock import SystemClock, clock_trusted
from edge.config import (
    Config,
    DicomDestination,
    DicomNode,
    DicomWebDestination,
    FhirDestination,
    FolderDestination,
    Tls,
    WebService,
)
from edge.detector.analyse import Analyser
from edge.errors import CalcedgeError, StoreError, reason
from edge.health import unit
from edge.health.answer import Answer, Check, Verdict
from edge.network import calling
from edge.network.own import own_node
from edge.outbox.dicomweb import DicomWeb
from edge.outbox.fhir import FhirServer
from edge.runtime import RunFolder
from edge.store import Store, events, images

__all__ = ["CHECKS", "Answer", "Check", "Verdict", "examine"]

_ECHO_S: Final = 5
_OLD_S: Final = 5.0
_BUILT: Final = datetime(2026, 11, 1, tzinfo=UTC)
"""No honest clock shows an earlier time than this software's making."""


def examine(config: Config) -> Iterator[Answer]:
    """Runs every check, in order. A check that can't do its work says so; the next runs all the same."""
    for name, check in CHECKS.items():
        try:
            yield from check(config)
        except CalcedgeError as error:
            yield Answer(name, Verdict.FAIL, error.reason.text, error.reason.do)


def store(config: Config) -> Iterator[Answer]:
    """The database opens and is sound, its audit chain holds, and the newest objects are what their names say."""
    opened = Store.open(config.data)
    try:
        with opened.read() as connection:
            try:
                (sound,) = connection.execute("PRAGMA quick_check").fetchone()
            except sqlite3.DatabaseError as error:
                raise StoreError("store-unusable", type(error).__name__) from error
            broken = events.broken_link(connection)
            newest = images.latest(connection, 5)
        if sound != "ok":
            yield _fail("store", "store-unusable", "the database is damaged")
            return
        if broken is not None:
            yield _fail("store", "store-unusable", f"the audit trail is broken at event {broken}")
            return
        for image in newest:
            opened.objects.prove(image.object)
        yield Answer("store", Verdict.OK, f"{config.data}: database, audit trail and newest objects are sound")
    finally:
        opened.close()


def model(config: Config) -> Iterator[Answer]:
    """The model loads and gives the golden results."""
    analyser = Analyser(config.analysis.release, threads=config.analysis.threads)
    analyser.self_test()
    name = f"{analyser.model.name} {analyser.model.version}"
    yield Answer("model", Verdict.OK, f"{name}: golden images give the proven results")


def processes(config: Config) -> Iterator[Answer]:
    """The processes beat, if the appliance was started."""
    run = RunFolder(config.run_folder, SystemClock())
    for service in ("bridge", "dicom", "analyze", "web"):
        status = run.read(service)
        alive = status is not None and status.age_s is not None and status.age_s <= _OLD_S
        if alive:
            yield Answer(service, Verdict.OK, "running")
        else:
            yield Answer(service, Verdict.WARN, "not running", "Start the appliance: calcedge run.")


def dicom(config: Config) -> Iterator[Answer]:
    """Our own node and every archive answer C-ECHO; every destination folder can be written."""
    status = RunFolder(config.run_folder, SystemClock()).read("dicom")
    if status is not None and status.age_s is not None and status.age_s <= _OLD_S:
        yield _echo("dicom", own_node(config.dicom, config.tls, _ECHO_S), config.tls)
    for destination in config.deliver_to():
        if isinstance(destination, DicomDestination):
            yield _echo(f"archive {destination.name}", destination, config.tls)
        elif isinstance(destination, DicomWebDestination):
            yield _web(destination, DicomWeb(destination, config.tls))
        elif isinstance(destination, FhirDestination):
            yield _web(destination, FhirServer(destination, config.tls))
        else:
            yield _folder(destination)
    for name, node in (("worklist", config.worklist), ("mpps", config.mpps)):
        if node:
            yield _echo(name, node, config.tls)


def disk(config: Config) -> Iterator[Answer]:
    """There is room for more images."""
    config.data.mkdir(parents=True, exist_ok=True)
    free_mb = shutil.disk_usage(config.data).free // 1_000_000
    if free_mb <= config.intake.reserve_mb:
        yield _fail("disk", "disk-full", f"{free_mb} MB free, {config.intake.reserve_mb} MB kept in reserve")
    elif free_mb <= 4 * config.intake.reserve_mb:
        yield Answer("disk", Verdict.WARN, f"{free_mb} MB free", "Check that the archive is reachable.")
    else:
        yield Answer("disk", Verdict.OK, f"{free_mb} MB free")


def clock(config: Config) -> Iterator[Answer]:
    """The clock shows a possible time, and is kept by a time source if there is one."""
    del config
    now = SystemClock().now()
    if now.utc < _BUILT:
        yield Answer("clock", Verdict.FAIL, f"shows {now.iso}, which is past", "Set the clock.")
    elif not clock_trusted():
        yield Answer("clock", Verdict.WARN, f"{now.iso}, not kept by a time source", "Reports say so. Connect one.")
    else:
        yield Answer("clock", Verdict.OK, now.iso)


CHECKS: Final[dict[str, Check]] = {
    "store": store,
    "model": model,
    "serial": unit.serial,
    "processes": processes,
    "dicom": dicom,
    "disk": disk,
    "clock": clock,
}


def _fail(check: str, code: str, detail: str) -> Answer:
    why = reason(code, detail=detail)
    return Answer(check, Verdict.FAIL, why.text, why.do)


def _echo(check: str, node: DicomNode, tls: Tls | None) -> Answer:
    where = f"{node.title} at {node.host}:{node.port}"
    try:
        calling.echo(node.model_copy(update={"timeout_s": _ECHO_S}), tls)
    except CalcedgeError as error:
        return Answer(check, Verdict.FAIL, error.reason.text, error.reason.do)
    return Answer(check, Verdict.OK, f"{where} answers")


def _web(destination: WebService, service: DicomWeb | FhirServer) -> Answer:
    check = f"archive {destination.name}"
    try:
        service.knock()
    except CalcedgeError as error:
        return Answer(check, Verdict.FAIL, error.reason.text, error.reason.do)
    return Answer(check, Verdict.OK, f"{destination.url} answers")


def _folder(destination: FolderDestination) -> Answer:
    probe = destination.path / ".calcedge-probe"
    try:
        destination.path.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
    except OSError as error:
        return _fail(f"folder {destination.name}", "destination-folder", type(error).__name__)
    with contextlib.suppress(OSError):
        probe.unlink()
    return Answer(f"folder {destination.name}", Verdict.OK, f"{destination.path} can be written")
