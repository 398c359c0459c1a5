"""Simulated boxes for trying a fleet out on one machine: `calcedge fleet simulate`.

Everything of a box is real - signatures, downloads, the store, the preflight with the golden images, the messages -
except the appliance that would run the release: a trial is passed after a moment, or failed on a box told to fail.
"""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from edge.clock import SystemClock
from edge.config import Config, Fleet
from edge.fleet.agent import Agent
from edge.fleet.keeper import PULSE
from edge.fleet.slots import Event, Kind, turn
from edge.fleet.statefile import State, StateFile
from edge.runtime import RunFolder

_TURN_S = 0.5


@dataclass(frozen=True, slots=True)
class Site:
    """Where simulated boxes belong."""

    folder: Path
    fleet: str
    repository: str
    trust: Path
    broker: str | None
    poll_s: int
    probation_s: float


def run(site: Site, count: int, failing: Collection[str], stop: threading.Event) -> None:
    """Boxes `box-1` to `box-N` until told to stop. `box-1` is in the cohort `lab`."""
    threads = []
    for number in range(1, count + 1):
        config = _config(site, number)
        agent = Agent(config, SystemClock(), ())
        threads += [
            threading.Thread(target=agent.watch, args=(stop,), name=f"box-{number}"),
            threading.Thread(target=_keep, args=(config, site, f"box-{number}" in failing, stop)),
        ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _config(site: Site, number: int) -> Config:
    fleet = Fleet(
        device=f"box-{number}",
        name=site.fleet,
        cohorts=("lab",) if number == 1 else (),
        repositories=(site.repository,),
        trust=site.trust,
        broker=site.broker,
        poll_s=site.poll_s,
    )
    return Config(data=site.folder / f"box-{number}", fleet=fleet)


def _keep(config: Config, site: Site, fails: bool, stop: threading.Event) -> None:  # noqa: FBT001 - a thread's argument
    """The keeper's part: a trial lasts its probation, then it is good or bad."""
    clock = SystemClock()
    run_folder = RunFolder(config.run_folder, clock)
    file = StateFile(config.fleet_root)
    began: dict[str, float] = {}

    def judge(state: State) -> State:
        for kind in Kind:
            trial = state.slots[kind].trial
            if trial is None:
                continue
            now_s = clock.monotonic_s()
            if now_s - began.setdefault(trial.release, now_s) >= site.probation_s:
                event = Event.FAIL if fails else Event.PASS
                state = state.with_slot(kind, turn(state.slots[kind], event, why="trial-golden"))
        return state

    while not stop.wait(_TURN_S):
        run_folder.publish(PULSE, 1, {})
        file.change(judge)
