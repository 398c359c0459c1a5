"""Spellman generators, polled with the listed reads: each is answered as its table says, and nothing else is asked."""

from __future__ import annotations

import time

import pytest

from firmware_bridge.messages import UnitState
from firmware_bridge.plan import Plan
from firmware_bridge.spellman.frame import Decoder, Packet
from firmware_bridge.spellman.guard import REQUESTS
from firmware_bridge.spellman.pmx import PMX
from firmware_bridge.spellman.profile import Reading, interpret
from firmware_bridge.spellman.xrv import XRV
from firmware_bridge.trace import read, traced
from tests.hil.subject import Subject, exposures, until

pytestmark = pytest.mark.profiles("spellman-pmx", "spellman-xrv")
PROFILES = {profile.name: profile for profile in (PMX, XRV)}


def ask(subject: Subject, plan: Plan, request: bytes) -> Packet:
    port = traced(plan.open_port, subject.trace)(subject.port)
    try:
        decoder, deadline_s = Decoder(), time.monotonic() + 2.0
        port.write(request)
        while time.monotonic() < deadline_s:
            for packet in decoder.feed(port.read()):
                if packet.opcode == int(request[1:3]):  # else it answers what the host before us asked
                    return packet
    finally:
        port.close()
    raise AssertionError(f"no answer; {decoder.counters}")


def test_every_listed_read_is_answered_as_the_table_says(subject: Subject) -> None:
    for (model, opcode), request in REQUESTS.items():
        if model == subject.profile:
            packet = ask(subject, subject.plan, request)
            reply = interpret(PROFILES[model], packet)
            assert isinstance(reply, Reading), (opcode, packet, reply)
            assert reply.command.opcode == opcode


def test_the_host_sends_listed_reads_and_nothing_else(subject: Subject) -> None:
    with subject.host() as disk:
        heard = disk.now.counters.frames_good
        until(disk, lambda: disk.now.counters.frames_good >= heard + 30, 60)
    said = read(subject.trace_path).said_by("host")
    allowed = {request for (model, _), request in REQUESTS.items() if model == subject.profile}
    frames = [b"\x02" + part for part in said.split(b"\x02")[1:]]
    assert len(frames) >= 30
    assert set(frames) <= allowed
    assert b"".join(frames) == said


def test_polls_are_answered_and_their_time_is_known(subject: Subject) -> None:
    with subject.host() as disk:
        asked = disk.now.counters.frames_good
        began_s = time.monotonic()
        until(disk, lambda: disk.now.counters.frames_good >= asked + 40, 60)
        per_s = 40 / (time.monotonic() - began_s)
        assert per_s > 4  # 25 is the most at 19200 baud; a busy machine is slower
        assert disk.now.counters.timeouts <= 2


@pytest.mark.exposes
@pytest.mark.profiles("spellman-pmx")
def test_prep_is_seen_before_the_exposure(subject: Subject) -> None:
    with subject.host() as disk:
        until(disk, lambda: disk.now.programmed is not None, 10)
        subject.expose(hold_s=3)
        until(disk, lambda: disk.now.unit_state in (UnitState.PREP, UnitState.READY), 120)
        assert disk.exposures == []
        exposures(disk, 1, seconds=120)


@pytest.mark.exposes
@pytest.mark.sim_only
def test_a_switch_let_go_in_prep_is_no_exposure(subject: Subject) -> None:
    with subject.host() as disk:
        until(disk, lambda: disk.now.programmed is not None, 10)
        subject.expose(let_go="prep")
        until(disk, lambda: disk.now.unit_state is UnitState.PREP, 20)
        until(disk, lambda: disk.now.unit_state is UnitState.STANDBY, 20)
        heard = disk.now.counters.frames_good
        until(disk, lambda: disk.now.counters.frames_good > heard + 10, 20)
        assert disk.exposures == []
