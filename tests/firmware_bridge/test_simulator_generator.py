"""Simulated PMX and XRV: what they answer, against the published vectors and the tables that read them."""

from __future__ import annotations

import pytest

from firmware_bridge.messages import FaultCode, UnitState
from firmware_bridge.simulator.condition import Condition
from firmware_bridge.simulator.generator import DIALECTS, Dialect, Generator, framed, pmx_dialect, xrv_dialect
from firmware_bridge.simulator.models import Technique
from firmware_bridge.spellman import pmx, xrv
from firmware_bridge.spellman.frame import Decoder, Packet
from firmware_bridge.spellman.guard import REQUESTS
from firmware_bridge.spellman.profile import Reading, Refused, interpret
from tests.firmware_bridge.spellman_peer import framed as framed_by_the_manual
from tests.firmware_bridge.test_spellman_frame import PUBLISHED

MS = 1_000_000
IDLE = Condition(UnitState.STANDBY)
ON = Condition(
    UnitState.EXPOSING, xray_on=True, technique=Technique(50.0, 20.0, 40.0), exposed_kv=50.0, exposed_ms=12.0
)
HELD = Condition(UnitState.STANDBY, technique=Technique(50.0, 100.0, 40.0), exposed_kv=48.5, exposed_ms=39.6)
CONDITIONS = [IDLE, ON, HELD, Condition(UnitState.PREP), Condition(UnitState.READY, faults=frozenset(FaultCode))]
SCALES = pmx.Scales(pmx.LAST_KV_PER_COUNT_BY_FULL_SCALE)
FULL = xrv.FullScale(160, 30, bipolar=False)


class Bed:
    """One generator and who asks it."""

    def __init__(self, dialect: Dialect) -> None:
        self.commanded: list[Packet] = []
        self.generator = Generator(dialect, 0, self.commanded.append)
        self.dialect = dialect
        self.now_ns = 0

    def answer(self, request: bytes, condition: Condition = IDLE) -> list[bytes]:
        self.now_ns += 100 * MS
        assert self.generator.receive(request, condition, self.now_ns) == []
        self.now_ns += 5 * MS
        return self.generator.advance(condition, self.now_ns)

    def packet(self, request: bytes, condition: Condition = IDLE) -> Packet:
        (answer,) = self.answer(request, condition)
        (packet,) = Decoder().feed(answer)
        return packet

    def reading(self, opcode: int, condition: Condition = IDLE) -> Reading:
        name = self.dialect.profile.name
        reply = interpret(self.dialect.profile, self.packet(REQUESTS[name, opcode], condition))
        assert isinstance(reply, Reading), reply
        return reply


@pytest.mark.parametrize(("body", "seal"), PUBLISHED)
def test_its_frames_are_the_published_ones(body: str, seal: str) -> None:
    assert framed(body) == b"\x02" + body.encode() + seal.encode() + b"\x03" == framed_by_the_manual(body)


@pytest.mark.parametrize(
    ("request_", "condition", "answer"),
    [  # each is a published vector whole: request, answer, and both checksums
        ("28,j", IDLE, "28,160,30,0,|"),
        ("15,n", Condition(UnitState.STANDBY, technique=Technique(50, 3.5, 40)), "15,478,_"),
        ("14,o", Condition(UnitState.STANDBY, technique=Technique(50, 3.5, 40)), "14,1280,x"),
        ("14,o", Condition(UnitState.STANDBY, technique=Technique(160, 3.5, 40)), "14,4095,q"),
        ("21,q", IDLE, "21,0.000000,G"),
        ("21,q", Condition(UnitState.STANDBY, xray_hours=1.6), "21,1.600000,@"),
        ("60,n", IDLE, "60,0,R"),
        ("68,f", IDLE, "68," + "0," * 27 + "r"),
        ("23,o", IDLE, "23,SWM9999-999,56234,`"),
        ("43,m", IDLE, "43,SWM00199-001,3261,Q"),
    ],
)
def test_the_xrv_answers_published_requests_with_published_answers(
    request_: str, condition: Condition, answer: str
) -> None:
    (said,) = Bed(xrv_dialect()).answer(b"\x02" + request_.encode() + b"\x03", condition)
    assert said == b"\x02" + answer.encode() + b"\x03"


@pytest.mark.parametrize(("model", "opcode"), REQUESTS)
@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_listed_read_is_answered_as_its_table_reads_it(model: str, opcode: int, condition: Condition) -> None:
    reading = Bed(DIALECTS[model]()).reading(opcode, condition)
    assert reading.command.opcode == opcode


def test_the_pmx_says_in_its_words_what_the_unit_does() -> None:
    bed = Bed(pmx_dialect())

    def said(opcode: int, condition: Condition) -> pmx.Result:
        return pmx.result(bed.reading(opcode, condition), SCALES)

    on = said(22, ON)
    assert isinstance(on, pmx.Status)
    assert pmx.Status.XRAY_ON | pmx.Status.INTERLOCK_CLOSED | pmx.Status.PREP_ACTIVE | pmx.Status.READY in on
    idle = said(22, IDLE)
    assert isinstance(idle, pmx.Status)
    assert not idle & (pmx.Status.XRAY_ON | pmx.Status.PREP_ACTIVE | pmx.Status.READY | pmx.Status.FAULT)
    assert said(65, HELD) == pmx.LastExposureTime(40)
    voltage = said(60, HELD)
    assert isinstance(voltage, pmx.LastExposureVoltage)
    assert voltage.voltage_kv == pytest.approx(48.5, abs=0.02)
    settings = said(51, HELD)
    assert isinstance(settings, pmx.ExposureSettings)
    assert (settings.time_ms, round(settings.voltage_kv, 1), round(settings.current_ma)) == (40, 50.0, 100)
    assert said(78, Condition(UnitState.STANDBY, heat_percent=91)) == pmx.Auxiliary(True, anode_heat_ok=False)


def test_the_scale_of_the_pmx_s_kilovolts_is_a_choice() -> None:
    bed = Bed(pmx_dialect(pmx.LAST_KV_PER_COUNT_BY_TEXT))
    reading = pmx.result(bed.reading(60, HELD), pmx.Scales(pmx.LAST_KV_PER_COUNT_BY_TEXT))
    assert isinstance(reading, pmx.LastExposureVoltage)
    assert reading.counts == pytest.approx(4095, abs=1)  # 42.75 kV is all that 4095 counts of 10.44 V can say


def test_the_xrv_says_in_its_words_what_the_unit_does() -> None:
    bed = Bed(xrv_dialect())
    voltage = xrv.result(bed.reading(60, ON), FULL)
    assert isinstance(voltage, xrv.Voltage)
    assert voltage.voltage_kv == pytest.approx(50, abs=0.05)
    monitors = xrv.result(bed.reading(19, ON), FULL)
    assert isinstance(monitors, xrv.Monitors)
    assert monitors.current_ma == pytest.approx(20, abs=0.01)
    status = xrv.result(bed.reading(22, ON), FULL)
    assert isinstance(status, xrv.Status)
    assert xrv.Status.HV_ON in status
    assert xrv.Status.FAULT not in status
    faults = xrv.result(bed.reading(68, CONDITIONS[-1]), FULL)
    assert isinstance(faults, xrv.Faults)
    assert xrv.Faults.ARC_ANODE in faults


def test_an_answer_takes_two_milliseconds() -> None:
    bed = Bed(pmx_dialect())
    bed.generator.receive(REQUESTS["spellman-pmx", 22], IDLE, 0)
    assert bed.generator.next_due_ns() == 2 * MS
    assert bed.generator.advance(IDLE, 1_999_999) == []
    assert len(bed.generator.advance(IDLE, 2 * MS)) == 1


def test_a_starting_generator_is_deaf() -> None:
    assert Bed(pmx_dialect()).answer(REQUESTS["spellman-pmx", 22], Condition(UnitState.INITIALISING)) == []


def test_a_bad_checksum_is_refused_by_the_pmx_and_ignored_by_the_xrv() -> None:
    spoilt = b"\x0222,q\x03"
    assert interpret(pmx.PMX, Bed(pmx_dialect()).packet(spoilt)) == Refused(22, 1)
    assert Bed(xrv_dialect()).answer(spoilt) == []


@pytest.mark.parametrize(
    "noise", [b"", b"\x03", b"\x02\x03", b"hello\x03", b"\x02" * 50, b"\xff" * 5000, b"\x02ab,q\x03"]
)
@pytest.mark.parametrize("model", DIALECTS)
def test_noise_is_not_answered_and_the_next_request_is(model: str, noise: bytes) -> None:
    bed = Bed(DIALECTS[model]())
    assert bed.answer(noise) == []
    assert len(bed.answer(REQUESTS[model, 22])) == 1


def test_every_stx_flushes_what_came_before() -> None:
    assert len(Bed(pmx_dialect()).answer(b"\x0265" + REQUESTS["spellman-pmx", 22])) == 1


@pytest.mark.parametrize("model", DIALECTS)
def test_an_unknown_command_is_not_answered_and_a_read_with_arguments_is_refused(model: str) -> None:
    bed = Bed(DIALECTS[model]())
    assert bed.answer(framed("44,")) == []
    refused = interpret(bed.dialect.profile, bed.packet(framed("22,1,2,")))
    assert refused == Refused(22, 3)


@pytest.mark.requirement("nothing sent to the unit can make it expose")
@pytest.mark.parametrize("model", DIALECTS)
def test_a_set_is_told_and_changes_nothing(model: str) -> None:
    bed = Bed(DIALECTS[model]())
    sets = [command.opcode for command in bed.dialect.profile.commands if not command.is_read]
    before = [bed.answer(REQUESTS[key]) for key in REQUESTS if key[0] == model]
    for opcode in sets:
        assert bed.packet(framed(f"{opcode:02},1,")) == Packet(opcode, ("$",))
    assert [packet.opcode for packet in bed.commanded] == sets
    assert [bed.answer(REQUESTS[key]) for key in REQUESTS if key[0] == model] == before


def test_who_asked_lately_is_connected() -> None:
    bed = Bed(pmx_dialect())
    known = [bed.generator.connected]
    bed.answer(REQUESTS["spellman-pmx", 22])
    known.append(bed.generator.connected)
    bed.generator.advance(IDLE, bed.now_ns + 3000 * MS)
    assert [*known, bed.generator.connected] == [False, True, False]
