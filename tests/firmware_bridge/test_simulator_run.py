"""The simulator as its command runs it: one line per event, until a signal."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from firmware_bridge.bridge import Bridge, LinkState
from firmware_bridge.simulator import Bench, UnitOptions, run_unit, series
from firmware_bridge.simulator.chaos import Chaos
from firmware_bridge.simulator.faults import Unplug
from firmware_bridge.simulator.scenario import Expose, Scenario, Wait
from tests.firmware_bridge.rig import Disk

PROGRAM = """
import sys
from pathlib import Path
from firmware_bridge.simulator import UnitOptions, run_unit, series
run_unit(UnitOptions(Path(sys.argv[1]), series(2, 1.0, seed=3)))
"""


def test_the_program_says_what_happens_and_ends_by_a_signal(tmp_path: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        unit = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path / "unit")], stdout=subprocess.PIPE, text=True
        )
        assert unit.stdout is not None
        lines = []
        for line in unit.stdout:  # each is flushed as it happens
            lines.append(line)
            if line.startswith("exposure"):
                unit.send_signal(number)
        assert unit.wait(10) == 0
        unit.stdout.close()
        assert lines[0].startswith("unit device=SIM-UNIT-1 boot=")
        assert any(line.startswith("state seq=2 STANDBY->PREP") for line in lines)
        assert any(line.startswith("exposure seq=5 kV=") and "end=NORMAL" in line for line in lines)
        assert not (tmp_path / "unit").is_symlink()


def test_the_unit_stays_when_its_scenario_is_over(tmp_path: Path) -> None:
    stop, said, disk = threading.Event(), threading.Event(), Disk()
    options = UnitOptions(tmp_path / "unit", Scenario((Expose(),), speed=20))

    def say(line: str) -> None:
        if line == "scenario-finished":
            said.set()

    unit = threading.Thread(target=run_unit, args=(options, stop, say))
    bridge = threading.Thread(target=Bridge(str(tmp_path / "unit"), disk).run, args=(stop,))
    unit.start()
    assert said.wait(15)
    bridge.start()
    disk.wait_for(lambda: len(disk.exposures) == 1)
    disk.wait_for(lambda: disk.now.link is LinkState.UP)
    stop.set()
    unit.join(5)
    bridge.join(5)
    assert not unit.is_alive()
    assert not bridge.is_alive()


def test_units_that_start_again_name_their_boots_anew_even_with_one_seed(tmp_path: Path) -> None:
    boots = []
    for _ in range(3):
        lines: list[str] = []
        stop = threading.Event()
        stop.set()
        run_unit(UnitOptions(tmp_path / "unit", series(1, 1.0, seed=3)), stop, lines.append)
        boots.append(lines[0])
    assert len(set(boots)) == 3


def test_a_plug_pulled_twice_comes_back_when_the_longer_time_is_over(tmp_path: Path) -> None:
    lines: list[str] = []
    bench = Bench(UnitOptions(tmp_path / "unit"), lines.append)
    began_s, now_ns = time.monotonic(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    bench.do(Unplug(s=0.4), now_ns)
    bench.do(Unplug(s=0.1), now_ns)
    while "plugged" not in lines:
        assert not (tmp_path / "unit").is_symlink()
        bench.turn()
    assert 0.4 <= time.monotonic() - began_s < 5
    assert lines.count("plugged") == 1
    bench.close()


def test_a_unit_that_can_t_open_its_control_socket_leaves_no_port_behind(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Bench(UnitOptions(tmp_path / "unit", control=tmp_path / "nowhere" / "ctl"), lambda _: None)
    assert not (tmp_path / "unit").is_symlink()


def test_a_scenario_of_chaos_ends_with_its_steps(tmp_path: Path) -> None:
    lines: list[str] = []
    chaos = Chaos(every_s=0.02, kinds=("drop", "corrupt", "duplicate", "partial"))
    bench = Bench(UnitOptions(tmp_path / "unit", Scenario((Wait(s=1),), seed=5, chaos=chaos)), lines.append)
    while "scenario-finished" not in lines:
        bench.turn()
    drawn = [line for line in lines if line.split()[0] in ("drop", "corrupt", "duplicate", "partial")]
    assert len(drawn) > 10
    for _ in range(20):
        bench.turn()
    assert [line for line in lines if line.split()[0] in ("drop", "corrupt", "duplicate", "partial")] == drawn
    bench.close()
