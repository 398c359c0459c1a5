"""Traces: what passed over a line, written, read, told in words and said again."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_bridge.bridge import Bridge
from firmware_bridge.link import LinkReason
from firmware_bridge.port import PortLost, SerialPort
from firmware_bridge.simulator import Scenario, UnitOptions, run_unit
from firmware_bridge.simulator.generator import framed
from firmware_bridge.simulator.replay import in_words, play
from firmware_bridge.simulator.scenario import Expose, Settle
from firmware_bridge.simulator.terminal import Terminal
from firmware_bridge.spellman.guard import REQUESTS
from firmware_bridge.trace import Chunk, Recording, Trace, TracedPort, TraceError, Who, read, traced
from tests.firmware_bridge.rig import PATIENCE_S, Disk, Rig

FIRST = "# calcedge-trace 1\n"


def test_what_was_written_is_read(tmp_path: Path) -> None:
    trace = Trace.open(tmp_path / "a.trace", unit="own", baud=115_200)
    trace.to_host(b"\x00\xff")
    trace.note("the plug\nwas pulled")
    trace.to_unit(b"answer")
    trace.to_unit(b"")  # nothing passed: nothing is written
    trace.close()
    recording = read(tmp_path / "a.trace")
    assert recording.facts == {"unit": "own", "baud": "115200"}
    assert [(chunk.who, chunk.data) for chunk in recording.chunks] == [("unit", b"\x00\xff"), ("host", b"answer")]
    assert [text for _, text in recording.notes] == ["the plug was pulled"]
    assert 0 <= recording.chunks[0].at_s <= recording.notes[0][0] <= recording.chunks[1].at_s < 5
    assert (recording.said_by("unit"), recording.said_by("host")) == (b"\x00\xff", b"answer")


@given(st.lists(st.tuples(st.sampled_from(["unit", "host"]), st.binary(min_size=1)), max_size=20))
def test_any_bytes_survive(tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[Who, bytes]]) -> None:
    path = tmp_path_factory.mktemp("trace") / "t"
    trace = Trace.open(path)
    for who, data in chunks:
        (trace.to_host if who == "unit" else trace.to_unit)(data)
    trace.close()
    assert [(chunk.who, chunk.data) for chunk in read(path).chunks] == chunks


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "t").write_text(FIRST + "0.1 unit 00ff\n0.2 host 00f", encoding="ascii")
    assert read(tmp_path / "t").chunks == (Chunk(0.1, "unit", b"\x00\xff"),)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "does not begin"),
        ("0.1 unit 00\n", "does not begin"),
        (FIRST + "0.1 unit xx\n", "line 2"),
        (FIRST + "0.1 unit 00\n0.2 nobody 00\n", "line 3"),
        (FIRST + "now unit 00\n", "line 2"),
        (FIRST + "0.1 unit\n", "line 2"),
    ],
)
def test_what_is_no_trace_is_refused_with_its_place(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "t").write_text(text, encoding="ascii")
    with pytest.raises(TraceError, match=complaint):
        read(tmp_path / "t")


def test_a_trace_of_somebody_else_moves_no_cursor(tmp_path: Path) -> None:
    (tmp_path / "t").write_text(FIRST + "# unit own\x1b[2J\n0.5 note \x1b]0;title\x07\n", encoding="ascii")
    found = read(tmp_path / "t")
    assert found.facts == {"unit": "own?[2J"}
    assert found.notes == ((0.5, "?]0;title?"),)


def test_a_trace_of_an_unknown_unit_or_speed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="'toaster' is not known"):
        list(in_words(Recording({"unit": "toaster"}), "toaster"))
    for baud in ("fast", "123"):
        with pytest.raises(TraceError, match="no speed"):
            play(Recording({"baud": baud}), tmp_path / "again", threading.Event(), say=print)
    assert not (tmp_path / "again").exists()


class Plugged:
    """A port that answers and then fails."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False
        self.waited_s = 0.0

    def collect(self, seconds: float) -> None:
        self.waited_s += seconds

    def read(self) -> bytes:
        return b"said"

    def write(self, data: bytes) -> None:
        if self.written:
            raise PortLost(LinkReason.PORT_LOST)
        self.written.append(data)

    def close(self) -> None:
        self.closed = True


def test_a_traced_port_is_the_port_and_records_what_it_took(tmp_path: Path) -> None:
    trace, port = Trace.open(tmp_path / "t"), Plugged()
    opened = traced(lambda _: port, trace)("anywhere")
    assert isinstance(opened, TracedPort)
    opened.collect(0.25)
    assert port.waited_s == 0.25
    assert opened.read() == b"said"
    opened.write(b"once")
    with pytest.raises(PortLost):
        opened.write(b"lost")
    opened.close()
    trace.close()
    recording = read(tmp_path / "t")
    assert (recording.said_by("unit"), recording.said_by("host"), port.closed) == (b"said", b"once", True)


def test_a_session_recorded_on_both_ends_tells_the_same(rig: Rig, disk: Disk, tmp_path: Path) -> None:
    host_side = Trace.open(tmp_path / "host.trace", unit="own")
    stop = threading.Event()
    bridge = threading.Thread(target=Bridge(str(rig.link), disk, traced(SerialPort, host_side)).run, args=(stop,))
    rig.simulate(Scenario((Expose(kv=52.5), Settle()), speed=20), record=tmp_path / "unit.trace")
    bridge.start()
    rig.wait_for_line("scenario-finished")
    stop.set()
    bridge.join(PATIENCE_S)
    rig.close()
    host_side.close()
    at_host, at_unit = read(tmp_path / "host.trace"), read(tmp_path / "unit.trace")
    assert at_host.said_by("host") == at_unit.said_by("host")
    assert at_host.said_by("unit") in at_unit.said_by("unit")  # the unit spoke before the host had opened the port
    exposures = [[line for line in in_words(one, "own") if " EXPOSURE " in line] for one in (at_host, at_unit)]
    assert len(exposures[0]) == len(exposures[1]) == 1
    assert "kvp=52.5" in exposures[0][0]
    words = "\n".join(in_words(at_host, "own"))
    assert "HELLO_ACK" in words
    assert "EVENT_ACK" in words
    assert "bad_crc=0" in words


def test_spellman_s_frames_in_words() -> None:
    recording = Recording(
        chunks=(
            Chunk(0.0, "host", REQUESTS["spellman-pmx", 65]),
            Chunk(0.1, "unit", framed("65,1768,")),
            Chunk(0.2, "unit", framed("55,$,") + b"noise"),
            Chunk(0.3, "unit", framed("22,9,")),
        ),
        notes=((0.15, "the door opened"),),
    )
    assert [line.strip() for line in in_words(recording, "spellman-pmx")] == [
        "0.000000 host  65 last exposure time?",
        "0.100000 unit  65 last exposure time: time=1768",
        "0.150000  --  the door opened",
        "0.200000 unit  55 set mode: DONE - somebody set something",
        "0.300000 unit  22 status: REFUSED with 9",
        "unit: good=3 bad_checksum=0 bad_syntax=0 interrupted=0 overlong=0 noise_bytes=5",
        "host: good=1 bad_checksum=0 bad_syntax=0 interrupted=0 overlong=0 noise_bytes=0",
    ]


def test_a_played_trace_says_what_the_unit_said_when_it_said_it(tmp_path: Path) -> None:
    recording = Recording(
        {"baud": "19200"}, (Chunk(0.0, "unit", b"one"), Chunk(0.1, "host", b"x"), Chunk(0.2, "unit", b"two"))
    )
    stop, said, link = threading.Event(), [], tmp_path / "port"
    started = threading.Event()

    def say(line: str) -> None:
        said.append(line)
        started.set()

    player = threading.Thread(target=play, args=(recording, link, stop), kwargs={"say": say, "speed": 2.0})
    player.start()
    assert started.wait(PATIENCE_S)
    port = SerialPort(str(link))
    port.write(b"hello")
    heard = b""
    while len(heard) < 6:
        heard += port.read()
    port.close()
    stop.set()
    player.join(PATIENCE_S)
    assert heard == b"onetwo"
    assert not link.is_symlink()


def test_an_unwritable_trace_is_told_before_anything_starts(tmp_path: Path) -> None:
    stop = threading.Event()
    with pytest.raises(OSError, match="nowhere"):
        run_unit(UnitOptions(tmp_path / "port", record=tmp_path / "nowhere" / "t"), stop, lambda _: None)
    assert not (tmp_path / "port").is_symlink()


def test_a_terminal_stands_at_its_unit_s_speed_until_a_host_sets_another(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path / "port", 19_200)
    assert terminal.host_baud == 0
    terminal.plug()
    assert terminal.host_baud == 19_200
    SerialPort(str(tmp_path / "port")).close()
    assert terminal.host_baud == 115_200
    terminal.unplug()
