"""The unit's time on our clock: how wrong an event's moment can be, with a crystal that drifts by 40 ppm.

`models` draws the delays of three kinds of lines, so that many boots pass in seconds. `loaded` measures: a unit in a
process of its own answers over a pseudo-terminal while every core is kept busy by somebody else, and the true moment
of each tick is known because its crystal is made from our clock.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import select
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from firmware_bridge.frame import Decoder, Frame
from firmware_bridge.frame import encode as encode_frame
from firmware_bridge.messages import TO_UNIT, MessageType, TimeReq, TimeRsp, decode, encode
from firmware_bridge.port import SerialPort
from firmware_bridge.timemap import TimeKeeper, TimeMap
from tests.bench.figure import Figure, at_most

PPM: Final = 40.0
HZ: Final = 1_000_000
BOUND_MS: Final = 2.0
_MS: Final = 1_000_000
_BOOTS: Final = 200
_ASKED: Final = 150
_LOADED_S: Final = 45.0
_SESSION: Final = 7

Line = Callable[[random.Random], tuple[float, float]]
LINES: Final[dict[str, Line]] = {
    "1 ms of jitter": lambda rng: (0.2 + rng.random(), 0.2 + rng.random()),
    "an adapter that holds answers for up to 16 ms": lambda rng: (0.2, 0.2 + 16 * rng.random()),
    "a loaded host": lambda rng: (0.2 + rng.expovariate(1 / 2), 0.2 + rng.expovariate(1 / 2)),
}


def bench(folder: Path) -> Iterator[Figure]:
    """Both."""
    yield from models(folder)
    yield from loaded(folder)


def models(folder: Path) -> Iterator[Figure]:
    """Errors of moments from the ninth answer on, for crystals from -40 to 40 ppm."""
    del folder
    for name, line in LINES.items():
        rng = random.Random(7)
        errors = sorted(error for _ in range(_BOOTS) for error in _modelled(rng, line))
        how = f"{_BOOTS} boots of {_ASKED} questions, seeded delays, p99"
        yield at_most(f"device time, {PPM:g} ppm, {name}", _p99(errors), "ms", BOUND_MS, how)


def loaded(folder: Path) -> Iterator[Figure]:
    """A real port, a real process at the other end, and twice as many busy processes as cores."""
    del folder
    context = multiprocessing.get_context("fork")
    master, slave = os.openpty()
    tty.setraw(slave)
    done = context.Event()
    others = [context.Process(target=_burn, args=(done,)) for _ in range(2 * (os.cpu_count() or 1))]
    unit = context.Process(target=_unit, args=(master, done))
    for process in (*others, unit):
        process.start()
    try:
        errors = sorted(_asked_of(os.ttyname(slave)))
    finally:
        done.set()
        for process in (*others, unit):
            process.join()
        os.close(slave)
        os.close(master)
    how = f"{_LOADED_S:g} s over a pseudo-terminal, {len(others)} busy processes, {len(errors)} moments, p99"
    yield at_most(f"device time, {PPM:g} ppm, this host under load", _p99(errors), "ms", BOUND_MS, how)


def _modelled(rng: random.Random, line: Line) -> Iterator[float]:
    times, ppm = TimeMap(HZ), rng.uniform(-PPM, PPM)
    for number in range(_ASKED):
        sent_ns = (100_000 + (number * 60 if number < 8 else 480 + (number - 8) * 980)) * _MS
        there_ms, back_ms = line(rng)
        arrived_ns = sent_ns + round(there_ms * _MS)
        tick = _tick(arrived_ns, ppm)
        times.add(sent_ns=sent_ns, received_ns=arrived_ns + round(back_ms * _MS), rx_tick=tick, tx_tick=tick)
        if number >= 8:
            at_ns = sent_ns + rng.randrange(980) * _MS
            mapped_ns = times.host_ns(_tick(at_ns, ppm))
            assert mapped_ns is not None
            yield abs(mapped_ns - at_ns) / _MS


def _asked_of(name: str) -> Iterator[float]:
    """Asks as the bridge does; each 20 ms, by how much an event of this moment would be misplaced."""
    port, decoder, keeper = SerialPort(name), Decoder(), TimeKeeper(HZ)
    begun_ns = now_ns = _now_ns()
    next_ns, seq = begun_ns + 1_000 * _MS, 0
    while now_ns < begun_ns + _LOADED_S * 1e9:
        if keeper.due(now_ns):
            seq += 1
            port.write(
                encode_frame(Frame(MessageType.TIME_REQ, 0, _SESSION, seq, encode(keeper.ask(_now_ns()))), flush=True)
            )
        data = port.read()
        now_ns = _now_ns()
        for frame in decoder.feed(data):
            answer = decode(frame.type, frame.payload)
            assert isinstance(answer, TimeRsp)
            keeper.answered(answer, now_ns)
        if now_ns >= next_ns:
            next_ns = now_ns + 20 * _MS
            mapped_ns = keeper.map.host_ns(_tick(now_ns, PPM))
            if mapped_ns is not None:
                yield abs(mapped_ns - now_ns) / _MS
    port.close()


def _unit(master: int, done: object) -> None:
    decoder, seq = Decoder(), 0
    while not done.is_set():  # type: ignore[attr-defined]  # an event of multiprocessing, whose type is private
        if not select.select([master], [], [], 0.1)[0]:
            continue
        for frame in decoder.feed(os.read(master, 4096)):
            request = decode(frame.type, frame.payload, known=TO_UNIT)
            assert isinstance(request, TimeReq)
            seq, tick = seq + 1, _tick(_now_ns(), PPM)
            answer = encode(TimeRsp(request.t1, tick, tick))
            os.write(master, encode_frame(Frame(MessageType.TIME_RSP, 0, _SESSION, seq, answer), flush=True))


def _burn(done: object) -> None:
    while not done.is_set():  # type: ignore[attr-defined]  # as above
        sum(range(20_000))


def _tick(host_ns: int, ppm: float) -> int:
    """What the unit's counter shows at a moment of ours, if its crystal is `ppm` fast."""
    return int((host_ns - 77_000 * _MS) * (1 + ppm / 1e6) * HZ / 1e9)


def _now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def _p99(errors: list[float]) -> float:
    return errors[int(len(errors) * 0.99)]
