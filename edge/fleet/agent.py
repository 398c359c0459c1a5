"""The box's agent: checks, tells the page on this box, and tells the admin. What `calcedge update` runs."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import threading
from pathlib import Path
from typing import Final

import structlog

from edge.clock import Clock
from edge.config import Config
from edge.errors import REASONS
from edge.fleet import metrics
from edge.fleet.depot import Depot
from edge.fleet.download import Budget, Downloader
from edge.fleet.fetcher import Fetcher, Tls
from edge.fleet.link import Link, connect, topic
from edge.fleet.messages import Health, KindStatus, Origin, UpdateStatus, code, encode, word
from edge.fleet.outbox import Outbox
from edge.fleet.statefile import StateFile
from edge.fleet.targeting import bucket
from edge.fleet.update import HARDWARE, Check, Outcome
from edge.runtime import RunFolder

SERVICE: Final = "update"
"""The name under which the page on this box finds what the last check said."""
_PARTS: Final = ("bridge", "dicom", "analyze", "web")
_OLD_S: Final = 10.0
_TURN_S: Final = 1.0
_HEALTH_S: Final = 600.0
_HEALTH_EXPIRY_S: Final = 86_400
_ROWS: Final = "SELECT outcome, count(*) FROM analyses GROUP BY outcome"

log = structlog.get_logger()


class Agent:
    """One box's agent.

    Args:
        config: the appliance's configuration.
        clock: its clock.
        arguments: given to every test program of a release: `--config FILE`.
    """

    def __init__(self, config: Config, clock: Clock, arguments: tuple[str, ...]) -> None:
        self._config = config
        self._clock = clock
        self._arguments = arguments
        self._run = RunFolder(config.run_folder, clock)
        self._state = StateFile(config.fleet_root)
        self._last = Outcome()
        fleet = config.fleet
        root = config.fleet_root
        self._tls = Tls(fleet.certificate or root / "device.crt", fleet.key or root / "device.key", fleet.authority)

    def check(self, stop: threading.Event | None = None) -> Outcome:
        """Looks for updates once, and tells the page on this box."""
        fetcher = Fetcher(self._clock, tls=self._tls)
        depot = Depot(self._config.fleet_root)
        budget = Budget(self._config.fleet_root / "spent.json", self._clock, self._config.fleet.daily_mb * 1_000_000)
        downloader = Downloader(depot, fetcher, budget, (stop or threading.Event()).wait)
        check = Check(
            self._config, self._clock, fetcher=fetcher, downloader=downloader, depot=depot, arguments=self._arguments
        )
        try:
            self._last = check.run()
        finally:
            fetcher.close()
        self._tell_page()
        return self._last

    def report(self, outcome: Outcome, *, most_s: float) -> None:
        """Keeps the messages durably, and sends them for at most `most_s` seconds. What isn't sent waits."""
        self._last = outcome
        with contextlib.closing(self._outbox()) as outbox:
            self._put(outbox)
            if self._config.fleet.broker is None:
                return
            link = self._link()
            try:
                end_s = self._clock.monotonic_s() + most_s
                pause = threading.Event()
                while self._clock.monotonic_s() < end_s and self._carry(outbox, link):
                    pause.wait(0.05)
            finally:
                link.close()

    def watch(self, stop: threading.Event) -> None:
        """Checks every `poll_s`, at this box's own moment; reports every change at once."""
        poll_s = self._config.fleet.poll_s
        due_s = self._clock.monotonic_s() + min(5.0, poll_s * self._phase())
        health_s, told = 0.0, b""
        link = self._link() if self._config.fleet.broker else None
        with contextlib.closing(self._outbox()) as outbox:
            try:
                while not stop.is_set():
                    now_s = self._clock.monotonic_s()
                    if now_s >= due_s:
                        self.check(stop)
                        due_s = now_s + poll_s
                    state = self._mark()
                    if state != told or now_s >= health_s:
                        self._put(outbox)
                        told, health_s = state, now_s + _HEALTH_S  # what changed meanwhile is told in the next turn
                    if link:
                        self._carry(outbox, link)
                        if link.nudged():
                            due_s = min(due_s, now_s + min(60.0, poll_s) * self._phase())
                    stop.wait(_TURN_S)
            finally:
                if link:
                    link.close()

    def in_words(self) -> str:
        """What runs and why, for a person."""
        lines = []
        facts = self._run.read(SERVICE)
        told = facts.facts if facts else {}
        for kind, slot in self._state.read().slots.items():
            lines.append(f"{kind}: {slot.good}" + (f", on trial: {slot.trial.release}" if slot.trial else ""))
            lines += [f"  bad here: {release} ({REASONS[why].text})" for release, why in slot.bad.items()]
            step = told.get("kinds", {}).get(kind, {})
            if step.get("detail"):
                lines.append(f"  {step['wanted']}: {step['detail']}")
        if told.get("code"):
            lines.append(f"{told['detail']} {REASONS[told['code']].do}")
        return "\n".join(lines)

    # -- how --

    def update_status(self, outbox: Outbox) -> UpdateStatus:
        """How this box stands, as the admin learns it."""
        state = self._state.read()
        kinds = {}
        for kind, slot in state.slots.items():
            step = self._last.steps.get(kind)
            kinds[kind.value] = KindStatus(
                word(slot.good),
                word(slot.trial.release if slot.trial else ""),
                word(step.wanted if step else ""),
                word(step.rollout if step else ""),
                code(step.code if step else ""),
                {word(release): code(why) for release, why in slot.bad.items()},
            )
        cohorts = self._config.fleet.cohorts
        return UpdateStatus(self._origin(outbox), word(HARDWARE), cohorts, state.serial, code(self._last.code), kinds)

    def health(self, outbox: Outbox) -> Health:
        """How this box is doing."""
        counts, waiting = _store_counts(self._config.data / "calcedge.sqlite")
        down = []
        for part in _PARTS:
            status = self._run.read(part)
            if status is None or status.age_s is None or status.age_s > _OLD_S:
                down.append(part)
        return Health(
            self._origin(outbox),
            shutil.disk_usage(self._config.data).free // 1_000_000,
            waiting,
            counts.get("findings", 0) + counts.get("no_findings", 0),
            counts.get("findings", 0),
            counts.get("not_analysed", 0),
            tuple(down),
        )

    def _put(self, outbox: Outbox) -> None:
        status, health = self.update_status(outbox), self.health(outbox)
        outbox.put(self._topic("update"), encode(status), retain=True)
        outbox.put(self._topic("health"), encode(health), retain=False, expiry_s=_HEALTH_EXPIRY_S)
        tuf = self._config.fleet_root / "tuf"
        metrics.write(self._config.run_folder / "calcedge.prom", status, health, tuf, self._clock.now().utc)

    @staticmethod
    def _carry(outbox: Outbox, link: Link) -> bool:
        """Sends, forgets what arrived. Whether anything still waits."""
        for number in link.confirmed():
            outbox.confirm(number)
        waiting = outbox.waiting()
        link.send(waiting)
        return bool(waiting)

    def _tell_page(self) -> None:
        kinds = {
            kind.value: {"wanted": step.wanted, "code": step.code, "detail": step.detail}
            for kind, step in self._last.steps.items()
        }
        facts = {"code": self._last.code, "detail": self._last.detail, "kinds": kinds}
        self._run.publish(SERVICE, os.getpid(), facts)

    def _mark(self) -> bytes:
        try:
            state = self._state.path.read_bytes()
        except OSError:
            state = b""
        return state + repr(self._last).encode()

    def _origin(self, outbox: Outbox) -> Origin:
        now = self._clock.now()
        return Origin(word(now.boot), outbox.next_seq(), now.iso, now.trusted)

    def _topic(self, what: str) -> str:
        return topic(self._config.fleet.name, self._config.fleet.device or "unnamed", what)

    def _outbox(self) -> Outbox:
        return Outbox(self._config.fleet_root / "status.sqlite")

    def _link(self) -> Link:
        fleet = self._config.fleet
        return connect(fleet.broker or "", fleet.name, fleet.device or "unnamed", self._clock.now().boot, self._tls)

    def _phase(self) -> float:
        return bucket("phase", self._config.fleet.device or "unnamed") / 10_000


def _store_counts(path: Path) -> tuple[dict[str, int], int]:
    """Analyses by outcome, and images that wait: numbers, nothing else of the store."""
    if not path.exists():
        return {}, 0
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as connection:
            counts = {str(outcome): int(count) for outcome, count in connection.execute(_ROWS)}
            (waiting,) = connection.execute("SELECT count(*) FROM images WHERE state <> 'reported'").fetchone()
            return counts, int(waiting)
    except sqlite3.Error:
        return {}, 0
