"""Keeps the application running, conducts trials, and returns to the good release. Standard library only.

It comes with the box's image and no release replaces it. It believes only what it sees itself: whether the process
lives, whether its pulses change, how its test programs end. The rules are in `slots` and `probation`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from edge.clock import Clock
from edge.fleet.attempt import Ended, attempt
from edge.fleet.crew import Crew, Session, Units
from edge.fleet.durable import Disk
from edge.fleet.installed import Application, Installed
from edge.fleet.probation import Limits, Probation, Pulse, Verdict
from edge.fleet.slots import Event, Kind, Phase, turn
from edge.fleet.statefile import State, StateFile

PULSE: Final = "launcher"
"""The keeper's own pulse in the run folder: without it no trial begins."""
_STEP_S: Final = 0.5
_PATIENCE_S: Final = 60.0
_MOST_LATE: Final = 2
_GOOD_PATIENCE: Final = 4
_MOST_DOUBLINGS: Final = 4
_LONGEST_PAUSE_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a keeper works with.

    Attributes:
        root: the folder of the updates' durable state.
        run_folder: where the application's processes show life.
        arguments: for every command of the application: `--config FILE`.
        limits: how long is too long.
        units: whether systemd runs the application's processes.
    """

    root: Path
    run_folder: Path
    arguments: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    units: bool = False


@dataclass(slots=True)
class _Child:
    application: Application
    crew: Crew
    probation: Probation


class Keeper:
    """One box's keeper. `step` does what is due and may be called at any pace."""

    def __init__(self, options: Options, clock: Clock, disk: Disk | None = None) -> None:
        self._options = options
        self._clock = clock
        self._state = StateFile(options.root, disk)
        self._installed = Installed(options.root)
        self._child: _Child | None = None
        self._model: tuple[str, Probation] | None = None
        self._due_s = 0.0
        self._prove_s = 0.0
        self._hangs = self._late = 0
        self._pause_s = 0.1
        self._cause = "trial-crashed"

    def run(self, stop: threading.Event) -> None:
        """Steps until told to stop, then stops the application in good order, unless systemd will."""
        try:
            while True:
                self.step()
                if stop.wait(_STEP_S):
                    return
        finally:
            if not self._options.units:
                self._stop()

    def step(self) -> None:
        """Starts, watches, proves, returns: whatever is due."""
        self._beat()
        state = self._state.read()
        child = self._child
        startable = self._installed.startable(state.slots[Kind.APPLICATION])
        if child is not None and child.crew.ended() is not None:
            self._mourn(child)
        elif child is not None and child.application.release != startable.release:
            self._stop()
        elif child is not None:
            self._watch(child, state)
        if self._child is None and self._clock.monotonic_s() >= self._due_s:
            self._start()
        self._watch_model(self._state.read())

    # -- the application --

    def _start(self) -> None:
        state = self._state.change(self._counted)
        slot = state.slots[Kind.APPLICATION]
        application = self._installed.startable(slot)
        if slot.trial and application.release != slot.trial.release:
            self._fail(Kind.APPLICATION, slot.trial.release, "trial-crashed")
        options = self._options
        limits = options.limits if slot.trial else self._patient()
        crew = (
            Units(application, options.run_folder, limits.stop_s)
            if options.units
            else Session(application, options.arguments)
        )
        now_s, before = self._clock.monotonic_s(), self._pulses(application.pulses)
        self._child = _Child(application, crew, Probation(limits, application.pulses, now_s, before))
        self._late = 0
        self._say("started", release=application.release)

    def _patient(self) -> Limits:
        """For the good release: there is nothing better to return to, so it gets more time after each hang."""
        limits = self._options.limits
        factor = _GOOD_PATIENCE * 2 ** min(self._hangs, _MOST_DOUBLINGS)
        return replace(limits, start_s=limits.start_s * factor, pulse_s=limits.pulse_s * _GOOD_PATIENCE)

    def _counted(self, state: State) -> State:
        boot = self._clock.now().boot
        for kind in Kind:
            slot = state.slots[kind]
            if slot.phase is Phase.TRIAL:
                why = self._cause if kind is Kind.APPLICATION else "trial-crashed"
                state = state.with_slot(kind, turn(slot, Event.START, boot=boot, why=why))
        return state

    def _mourn(self, child: _Child) -> None:
        self._say("ended", release=child.application.release, code=child.crew.ended())
        child.crew.kill()  # what it left behind
        self._again("trial-crashed")

    def _again(self, cause: str) -> None:
        self._child, self._cause = None, cause
        self._due_s = self._clock.monotonic_s() + self._pause_s
        self._pause_s = min(_LONGEST_PAUSE_S, self._pause_s * 2)

    def _watch(self, child: _Child, state: State) -> None:
        # A model on trial may stop the analysis: that is the model's fault, and the model's trial finds it.
        excused = ("analyze",) if state.slots[Kind.MODEL].trial else ()
        pulses = self._pulses(child.application.pulses)
        verdict = child.probation.look(self._clock.monotonic_s(), pulses, excused)
        if verdict in (Verdict.HUNG, Verdict.CRASHING):
            self._say(verdict.value, release=child.application.release)
            if not self._options.units or state.slots[Kind.APPLICATION].trial:  # over the good one, systemd watches
                child.crew.kill()
            self._hangs += 1
            self._again("trial-hung" if verdict is Verdict.HUNG else "trial-crashed")
        elif verdict is not Verdict.COMING:
            self._pause_s, self._hangs = 0.1, 0
        if verdict is Verdict.PROVEN and state.slots[Kind.APPLICATION].trial:
            self._prove(child)

    def _prove(self, child: _Child) -> None:
        """The last proofs, then the commit: it can be updated, gives the golden results, and stops when told to."""
        release = child.application.release
        now_s = self._clock.monotonic_s()
        if now_s < self._prove_s:
            return
        if self._command(child.application, "idle").why:
            self._prove_s = now_s + _PATIENCE_S  # an exam may be under way
            return
        for why, command in (("trial-updater", "proof"), ("trial-golden", "probe")):
            how = self._command(child.application, command).why
            if not how:
                continue
            self._say("not proven", release=release, command=command, how=how)
            if how == "hung" and self._late < _MOST_LATE:
                self._late += 1
                self._prove_s = self._clock.monotonic_s() + _PATIENCE_S  # the box may be busy: no answer proves nothing
                return
            self._fail(Kind.APPLICATION, release, "trial-hung" if how == "hung" else why)
            return
        if not self._stop():
            self._fail(Kind.APPLICATION, release, "trial-unstoppable")
            return
        self._turn(Kind.APPLICATION, Event.PASS, release)
        self._say("committed", release=release)

    def _command(self, application: Application, name: str) -> Ended:
        command = application.command("update", name, *self._options.arguments)
        limits = self._options.limits
        return attempt(command, application.environment(), seconds=limits.command_s, memory_mb=application.memory_mb)

    def _stop(self) -> bool:
        """Stops the application; by force if need be. Whether it stopped by itself."""
        child, self._child = self._child, None
        if child is None:
            return True
        self._due_s = 0.0
        return child.crew.stop(self._options.limits.stop_s)

    # -- the model --

    def _watch_model(self, state: State) -> None:
        """A model on trial has proven itself when the analysis runs it, ready, for the time of probation."""
        slot = state.slots[Kind.MODEL]
        if slot.trial is None or self._child is None:
            self._model = None
            return
        release = slot.trial.release
        now_s = self._clock.monotonic_s()
        if self._model is None or self._model[0] != release:
            if not slot.trial.boots:
                self._state.change(self._counted_model)
            self._model = release, Probation(self._options.limits, ("analyze",), now_s, {})
        facts = _facts(self._options.run_folder, "analyze")
        mine = facts.get("facts", {}).get("release") == release
        ready = mine and bool(facts["facts"].get("ready"))
        if mine and facts["facts"].get("reason"):
            self._fail(Kind.MODEL, release, "trial-golden")
            return
        verdict = self._model[1].look(now_s, self._pulses(("analyze",)) if ready else {})
        if verdict in (Verdict.HUNG, Verdict.CRASHING):
            self._fail(Kind.MODEL, release, "trial-hung" if verdict is Verdict.HUNG else "trial-crashed")
        elif verdict is Verdict.PROVEN:
            self._turn(Kind.MODEL, Event.PASS, release)
            self._say("committed", release=release)

    def _counted_model(self, state: State) -> State:
        slot = state.slots[Kind.MODEL]
        if slot.trial is None:
            return state
        return state.with_slot(Kind.MODEL, turn(slot, Event.START, boot=self._clock.now().boot))

    # -- what both need --

    def _fail(self, kind: Kind, release: str, why: str) -> None:
        self._say("returned", release=release, why=why)
        self._turn(kind, Event.FAIL, release, why)

    def _turn(self, kind: Kind, event: Event, release: str, why: str = "") -> None:
        def change(state: State) -> State:
            slot = state.slots[kind]
            if slot.trial is None or slot.trial.release != release:
                return state  # the admin withdrew it meanwhile
            return state.with_slot(kind, turn(slot, event, why=why))

        self._state.change(change)

    def _pulses(self, names: Sequence[str]) -> dict[str, Pulse]:
        found = {name: _facts(self._options.run_folder, name) for name in names}
        return {name: Pulse(body["pid"], (body["boot"], body["ns"])) for name, body in found.items() if body}

    def _beat(self) -> None:
        now = self._clock.now()
        folder = self._options.run_folder
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{PULSE}.{os.getpid()}"
        temporary.write_text(json.dumps({"pid": os.getpid(), "boot": now.boot, "ns": now.monotonic_ns, "facts": {}}))
        temporary.replace(folder / f"{PULSE}.json")

    @staticmethod
    def _say(event: str, **what: object) -> None:
        print(json.dumps({"service": PULSE, "event": event, **what}), file=sys.stderr, flush=True)  # noqa: T201 - no logging library here


def _facts(folder: Path, name: str) -> dict[str, Any]:
    try:
        body = json.loads((folder / f"{name}.json").read_bytes())
        return body if {"pid", "boot", "ns", "facts"} <= body.keys() else {}
    except (OSError, ValueError, AttributeError):
        return {}
