"""The poller against units that don't play along: silent, garbled, of another kind, stubborn; and what it may send."""

from __future__ import annotations

import itertools
import os
import threading
import tty
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.bridge import Bridge, Plan
from firmware_bridge.driver import Send
from firmware_bridge.link import LinkReason, LinkState, Mode
from firmware_bridge.messages import UnitState
from firmware_bridge.spellman import watch_pmx, watch_xrv
from firmware_bridge.spellman.asking import WAIT_NS
from firmware_bridge.spellman.driver import POLLING, Poller
from firmware_bridge.spellman.frame import Decoder
from firmware_bridge.spellman.guard import REQUESTS
from firmware_bridge.spellman.pmx import PMX
from firmware_bridge.spellman.profile import Profile
from firmware_bridge.spellman.xrv import XRV
from firmware_bridge.states import Input, State
from tests.firmware_bridge.rig import Disk
from tests.firmware_bridge.spellman_peer import MS, Cycle, PmxUnit, Shot, Wire, XrvUnit, framed

passive = pytest.mark.requirement("nothing that we can send prepares, exposes, sets a technique or clears a fault")
each_profile = pytest.mark.parametrize("profile", [PMX, XRV], ids=lambda profile: profile.name)
INPUTS = (Input.OPENED, Input.LOST, Input.FRAME, Input.LATE, Input.SILENT)


def test_the_tables_are_complete() -> None:
    assert set(POLLING) == set(itertools.product(State, INPUTS))
    assert set(watch_pmx.STATES) == set(itertools.product((False, True), repeat=4))
    assert set(watch_xrv.STATES) == set(itertools.product((False, True), repeat=3))


@pytest.mark.requirement("radiation is never shown as anything else")
def test_x_ray_on_is_exposing_whatever_else_is_said() -> None:
    for table in (watch_pmx.STATES, watch_xrv.STATES):
        for (on, *_), state in table.items():
            assert on == (state is UnitState.EXPOSING)


@passive
@each_profile
def test_every_command_that_is_wanted_is_a_listed_read(profile: Profile) -> None:
    tables = {PMX: (watch_pmx.IDLE, watch_pmx.BUSY), XRV: (watch_xrv.START, watch_xrv.IDLE, watch_xrv.BUSY)}
    assert all((profile.name, want.opcode) in REQUESTS for table in tables[profile] for want in table)


@passive
@each_profile
@given(data=st.data())
def test_whatever_the_generator_says_only_listed_bytes_leave(profile: Profile, data: st.DataObject) -> None:
    """Noise, frames with every command and any arguments, time that jumps: each byte sent is of the list."""
    allowed = {wire for (name, _), wire in REQUESTS.items() if name == profile.name}
    poller, now_ns = Poller(profile.name), 10**12
    actions = poller.port_opened(now_ns)
    frames = st.tuples(st.integers(0, 99), st.lists(st.integers(0, 5000), max_size=27)).map(
        lambda said: framed(f"{said[0]:02}," + "".join(f"{n}," for n in said[1]))
    )
    flags = st.tuples(st.just(22), st.lists(st.integers(0, 1), min_size=17, max_size=26)).map(
        lambda said: framed("22," + "".join(f"{n}," for n in said[1]))
    )
    for said in data.draw(st.lists(st.binary(max_size=40) | frames | flags, max_size=30)):
        now_ns += data.draw(st.integers(0, 7_000)) * MS
        actions += [*poller.feed(said, now_ns), *poller.tick(now_ns)]
        poller.status()
    assert {action.data for action in actions if isinstance(action, Send)} <= allowed


@each_profile
def test_only_one_question_is_open_and_it_is_given_up_in_time(profile: Profile) -> None:
    poller, now_ns = Poller(profile.name), 10**12
    assert len(poller.port_opened(now_ns)) == 1
    assert poller.tick(now_ns + WAIT_NS - MS) == []
    (again,) = poller.tick(now_ns + WAIT_NS)
    assert isinstance(again, Send)
    assert poller.status().counters.timeouts == 1


def test_a_late_reply_to_another_question_answers_nothing() -> None:
    poller, now_ns = Poller(PMX.name), 10**12
    poller.port_opened(now_ns)
    assert poller.feed(framed("60,1234,"), now_ns + 5 * MS) == []  # the status was asked for
    assert poller.status().link is LinkState.DOWN


def test_a_silent_generator_is_named_within_seconds_and_its_port_opened_again() -> None:
    unit = PmxUnit([])
    line = Wire(Poller(PMX.name), unit, 19_200)
    line.run(2_000)
    assert line.poller.status().link is LinkState.UP
    line.damage = lambda _: b""
    line.run(4_600)
    assert (line.poller.status().link, line.poller.status().reason) == (LinkState.DEGRADED, LinkReason.SILENT)
    line.run(8_000)
    assert line.closed == [LinkReason.SILENT]
    assert line.poller.status().link is LinkState.DOWN
    line.damage = lambda data: data
    line.run(8_500)
    assert line.poller.status().link is LinkState.UP


def test_a_line_of_another_speed_is_named_as_such() -> None:
    line = Wire(Poller(PMX.name), PmxUnit([]), 19_200)
    poller = line.poller
    line.damage = lambda data: bytes(byte ^ 0xA5 for byte in data)
    line.run(7_000)
    assert (poller.status().link, poller.status().reason) == (LinkState.DOWN, LinkReason.WRONG_BAUD)
    line.damage = lambda data: data
    line.run(9_000)
    assert poller.status().reason is LinkReason.NONE


def test_a_generator_of_another_kind_is_not_understood() -> None:
    line = Wire(Poller(PMX.name), XrvUnit([]), 9_600)
    line.run(3_000)
    assert (line.poller.status().link, line.poller.status().reason) == (LinkState.DOWN, LinkReason.NOT_UNDERSTOOD)


def test_refusals_are_counted_and_the_next_question_is_asked() -> None:
    class Stubborn(PmxUnit):
        def answer(self, request: bytes, at_ms: float) -> str | None:
            body = super().answer(request, at_ms)
            return "78,9," if body is not None and body.startswith("78,") else body

    line = Wire(Poller(PMX.name), Stubborn([Cycle(2_000, 5_000, (Shot(4_000, 40, 3829),))]), 19_200)
    line.run(9_000)
    assert line.poller.status().counters.refusals >= 3
    assert len(line.exposures) == 1
    assert line.poller.status().anode_heat_ok is None


def test_an_event_s_name_is_the_configured_unit_this_run_and_a_count() -> None:
    line = Wire(Poller(PMX.name, "PMX-1", run_id=77), PmxUnit([Cycle(2_000, 5_000, (Shot(4_000, 40, 3829),))]), 19_200)
    line.run(8_000)
    assert [(event.key.device_id, event.key.boot_id, event.key.seq) for event in line.events] == [
        ("PMX-1", 77, n) for n in range(1, len(line.events) + 1)
    ]
    assert Poller(PMX.name).status().boot_id is None
    status = line.poller.status()
    assert (status.mode, status.profile, status.device_id) == (Mode.POLL, PMX.name, "PMX-1")
    assert status.round_trip_ns is not None
    assert 5 * MS < status.round_trip_ns < 50 * MS


class Pty:
    """A PMX on a real pseudo-terminal, in its own thread."""

    def __init__(self, unit: PmxUnit) -> None:
        self.master, slave = os.openpty()
        tty.setraw(slave)
        self.name = os.ttyname(slave)
        self._slave, self._unit = slave, unit
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        import select
        import time

        begun = time.monotonic()
        while not self._stop.is_set():
            if select.select([self.master], [], [], 0.05)[0]:
                body = self._unit.answer(os.read(self.master, 64), (time.monotonic() - begun) * 1000)
                if body is not None:
                    os.write(self.master, framed(body))

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)
        os.close(self.master)
        os.close(self._slave)


@passive
def test_a_bridge_polls_a_generator_on_a_real_port_and_sends_nothing_else(disk: Disk, tmp_path: Path) -> None:
    unit = PmxUnit([Cycle(1_000, 2_500, (Shot(2_000, 30, 3829),))])
    pty = Pty(unit)
    stop = threading.Event()
    link = tmp_path / "generator"
    link.symlink_to(pty.name)
    bridge = Bridge(str(link), disk, plan=Plan(Mode.POLL, PMX.name))
    thread = threading.Thread(target=bridge.run, args=(stop,))
    thread.start()
    try:
        disk.wait_for_exposures(1)
        disk.wait_for(lambda: disk.now.programmed is not None)
    finally:
        stop.set()
        thread.join(5)
        pty.close()
    (exposure,) = disk.techniques
    assert exposure.exposure_time_ms == 30
    sent = b"".join(unit.seen)
    assert len(sent) % 6 == 0
    allowed = {wire for (name, _), wire in REQUESTS.items() if name == PMX.name}
    assert {sent[at : at + 6] for at in range(0, len(sent), 6)} <= allowed
    assert Decoder().feed(sent)
