"""The conformance statement says what the code does: every table with a heading in italics."""

from __future__ import annotations

import re
import ssl
from datetime import date
from pathlib import Path

import pytest
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom.sop_class import _STORAGE_CLASSES

from edge.config import Dicom, DicomDestination, Worklist
from edge.intake import porch, scp
from edge.network import calling, implementation
from edge.network.tls import CIPHERS
from edge.orders.item import query
from edge.outbox import archive, policy
from edge.outbox.commitment import judge_failure
from edge.report.codes import SCHEME
from edge.report.kinds import KINDS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "conformance.md").read_text(encoding="utf-8")


def _table(heading: str) -> list[list[str]]:
    """The rows of the first table behind a heading, without its head."""
    after = PAGE.split(heading, 1)[1]
    rows = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)
    assert rows
    cells = [[cell.strip() for cell in row.strip("| \n").split(" | ")] for row in rows[0].splitlines()]
    return cells[2:]


def test_the_version_is_this_one() -> None:
    from edge import __version__

    assert f"calcedge {__version__}. After PS3.2." in PAGE
    assert dict(_table("*Implementation*"))["Implementation Version Name"] == implementation.VERSION
    assert dict(_table("*Implementation*"))["Implementation Class UID"] == implementation.CLASS_UID
    assert implementation.CLASS_UID.is_valid
    assert int(dict(_table("*Implementation*"))["Maximum PDU size, both ways"]) == calling.MAX_PDU


def test_the_objects_made() -> None:
    told = [
        [kind, UID(k.sop_class_uid).name, k.sop_class_uid, k.modality, str(k.series_number), k.made]
        for kind, k in KINDS.items()
    ]
    assert _table("*Objects made*") == told
    assert f"scheme `{SCHEME}`" in PAGE


def test_the_classes_and_syntaxes_taken() -> None:
    taken = {str(context.abstract_syntax): context for context in scp.supported_contexts()}
    told = [uid for _, uid in _table("## Appendix A")]
    assert set(told) == set(_STORAGE_CLASSES.values()) & set(taken)
    others = {UID(uid).name for uid in set(taken) - set(told)}
    assert others == {"Verification SOP Class", "Storage Commitment Push Model SOP Class"}
    assert [uid for _, uid in _table("## Appendix B")] == list(scp.TRANSFER_SYNTAXES)
    for uid in told:
        assert taken[uid].transfer_syntax == list(scp.TRANSFER_SYNTAXES)


def test_the_statuses_answered() -> None:
    told = {int(status, 16) for status, *_ in _table("*Statuses that are answered")}
    assert told == {scp.SUCCESS, scp.DUPLICATE, scp.OUT_OF_RESOURCES}


def _word(status: int | None) -> str:
    error = policy.judge_store(status)
    return "taken" if error is None else "held" if error.final else "tried again"


def test_what_each_status_leads_to() -> None:
    told: dict[int, str] = {}
    rest = ""
    for name, word in _table("*What an answer to C-STORE leads to*"):
        if name == "all other":
            rest = word
        elif name == "no answer":
            assert word == _word(None)
        else:
            low, _, high = name.partition(" to ")
            told |= dict.fromkeys(range(int(low, 16), int(high or low, 16) + 1), word)
    for status in range(0x10000):
        assert told.get(status, rest) == _word(status), f"{status:04X}"


def test_what_each_failure_of_a_commitment_leads_to() -> None:
    for reason, word in _table("*What a failure reason leads to*"):
        error = judge_failure(int(reason, 16))
        code = "sent again" if error.reason.code == "destination-lost" else "asked again"
        assert ("held" if error.final else code) == word


def test_the_return_keys() -> None:
    asked = query(Worklist(title="W", host="h"), date(2026, 11, 22), date(2026, 11, 23))
    step: Dataset = asked.ScheduledProcedureStepSequence[0]
    told_outer: set[int] = set()
    told_step: set[int] = set()
    for name, tag in _table("*Return keys*"):
        (told_step if name.startswith(">") else told_outer).add(int(tag.strip("()").replace(",", ""), 16))
    assert told_outer == {int(tag) for tag in asked.keys()}  # noqa: SIM118 - a data set iterates over elements
    assert told_step == {int(tag) for tag in step.keys()}  # noqa: SIM118
    assert step.ScheduledProcedureStepStartDate == "20261122-20261123"
    assert tag_for_keyword("PatientName") in told_outer


def test_the_time_limits_and_numbers() -> None:
    node, called = Dicom(), DicomDestination(name="a", title="A", host="h")
    told = [float(value.partition(" ")[0]) for _, value in _table("*Time limits*")]
    assert told == [
        porch.PATIENCE_S,
        scp.ACSE_TIMEOUT_S,
        node.idle_s,
        calling.CONNECT_S,
        called.timeout_s,
        calling.PARTING_S,
        called.commitment_wait_s,
    ]
    numbers = [value.partition(" ")[0] for _, value in _table("*Numbers*")]
    assert numbers[:2] == [str(node.max_associations), str(porch.MOST)]
    assert f"{policy.SLOWEST_BYTES_PER_S // 1000} 000 bytes" in PAGE
    assert f"same association for {archive.SAME_ASSOCIATION_S:.0f} s" in PAGE
    assert f"breaks off {policy.GIVE_UP_AFTER} times" in PAGE
    assert f"after {policy.SEND_AGAIN_AFTER} questions" in PAGE
    assert policy.FIRST_DELAY_S == 1
    assert policy.LONGEST_DELAY_S == 300


def test_the_cipher_suites() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers(CIPHERS)
    older = [cipher["name"] for cipher in context.get_ciphers() if not cipher["name"].startswith("TLS_")]
    assert [name for (name,) in _table("*TLS 1.2 cipher suites*")] == older


@pytest.mark.parametrize("charset", ["ISO_IR 100", "101", "144", "166", "192", "IR 87", "IR 149", "GB18030"])
def test_the_character_sets_named_are_those_shown(charset: str) -> None:
    shown = (Path(__file__).resolve().parents[1] / "orders" / "test_orders_worklist.py").read_text(encoding="utf-8")
    assert charset in PAGE
    assert charset in shown
