"""What the clinic's systems answer: the worklist's items, an archive's words about what it stored."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Final

from pydicom import Dataset, dcmread

from edge.clock import SystemClock
from edge.config import Worklist
from edge.errors import DeliveryError
from edge.fleet.admin.ledger import Ledger
from edge.fleet.link import ROOT
from edge.orders.item import item_of, read_item
from edge.outbox.dicomweb import judge_stored
from edge.quiet import PARSER_ERRORS, reading
from edge.store import Store, orders
from edge.web.orders import row
from tests.fuzz.dicom import CHANGES
from tests.fuzz.engine import ACCEPTED, Target


def _item() -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "T-D8810", "SRT", "Left hand"
    step = Dataset()
    step.ScheduledStationAETitle, step.Modality = "CALCEDGE", "CR"
    step.ScheduledProcedureStepStartDate, step.ScheduledProcedureStepStartTime = "20261122", "101500"
    step.ScheduledProcedureStepDescription, step.ScheduledProcedureStepID = "Hand links", "S1"
    step.ScheduledProtocolCodeSequence = [code]
    item = Dataset()
    item.SpecificCharacterSet = "ISO_IR 192"
    item.PatientName, item.PatientID = "Müller^Eva", "4711"
    item.PatientBirthDate, item.PatientSex = "19600101", "F"
    item.AccessionNumber, item.StudyInstanceUID, item.RequestedProcedureID = "A1", "1.2.3", "R1"
    item.RequestedProcedureCodeSequence = [code]
    item.ScheduledProcedureStepSequence = [step]
    return item


def _bytes(*, implicit: bool) -> bytes:
    out = BytesIO()
    _item().save_as(out, implicit_vr=implicit, little_endian=True)
    return out.getvalue()


def _worklist(folder: Path) -> Target:
    """An item as it came over the network, into the store and onto the page."""
    settings = Worklist(title="RIS", host="ris")
    store = Store.open(folder / "store")

    class Enough(Exception):  # noqa: N818 - nothing of this stays
        """Rolls back."""

    def test(data: bytes) -> str:
        try:
            with reading():
                item = dcmread(BytesIO(data), force=True)  # as the network's library does, which refuses what it can't
        except (*PARSER_ERRORS, OSError):
            return ACCEPTED
        facts = read_item(item, settings)
        if facts is None:
            return "no-order"
        with contextlib.suppress(Enough), store.transaction() as tx:
            number = orders.upsert(tx, facts, store.clock.now())
            for order in orders.listed(tx):
                row(order)
            assert number
            raise Enough
        with contextlib.suppress(*PARSER_ERRORS):
            item_of(facts)
        return ACCEPTED

    return Target(test, [_bytes(implicit=True), _bytes(implicit=False)], CHANGES, codes=frozenset({"no-order"}))


def _dicomweb(folder: Path) -> Target:
    """An archive's answer to a store request."""
    del folder

    def test(data: bytes) -> str:
        for status in (200, 202, 409):
            verdict = judge_stored(status, data, "1.2.3")
            if isinstance(verdict, DeliveryError):
                return verdict.reason.code
        return ACCEPTED

    stored = b'{"00081199":{"vr":"SQ","Value":[{"00081155":{"vr":"UI","Value":["1.2.3"]}}]}}'
    failed = stored.replace(b"00081199", b"00081198").replace(
        b'"Value":["1.2.3"]}', b'"Value":["1.2.3"]},"00081197":{"vr":"US","Value":[272]}'
    )
    return Target(test, [stored, failed, b"[" + stored + b"," + failed + b"]", b"[" * 100_000, b'{"a":' * 100_000])


def _status(folder: Path) -> Target:
    """What a box tells the fleet's admin: one that fell into other hands tells anything."""
    ledger = Ledger(folder / "ledger.sqlite", SystemClock())

    def test(data: bytes) -> str:
        topic, _, payload = data.partition(b"\n")
        taken = ledger.record([(topic.decode("utf-8", "replace"), payload)])
        ledger.devices()
        return ACCEPTED if taken else "not-ours"

    update = (
        b'{"origin": {"boot": "b", "seq": 4}, "code": "", "cohorts": ["lab"], "kinds": {"model": {"good": "m-1",'
        b' "trial": "", "code": "", "bad": ["m-0"]}}}'
    )
    seeds = [f"{ROOT}/clinic/box-1/update\n".encode() + update, f"{ROOT}/clinic/box-1/health\n".encode() + update,
             f"{ROOT}/clinic/box-2/status\n".encode() + b'{"online": true}',
             f"{ROOT}/clinic/box-2/update\n".encode() + b'{"a":' * 50_000]  # fmt: skip
    return Target(test, seeds, codes=frozenset({"not-ours"}))


TARGETS: Final[dict[str, Callable[[Path], Target]]] = {"worklist": _worklist, "dicomweb": _dicomweb, "status": _status}
