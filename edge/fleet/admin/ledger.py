"""What the admin knows of the boxes, in one SQLite file: their last words, and the spreads under way.

A box's words are believed for this only: whether to go on or stop. They can't make any box run anything.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from edge.clock import Clock
from edge.fleet.admin.plan import Plan, Tally
from edge.fleet.documents import Channel
from edge.fleet.link import ROOT
from edge.fleet.slots import Kind
from edge.fleet.targeting import Box, choose

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS devices (
    device  TEXT PRIMARY KEY,
    seen    REAL NOT NULL,              -- the admin's clock, seconds since 1970
    boot    TEXT NOT NULL DEFAULT '',
    seq     INTEGER NOT NULL DEFAULT 0,
    online  INTEGER,
    code    TEXT NOT NULL DEFAULT '',
    cohorts TEXT NOT NULL DEFAULT '',   -- separated by blanks
    update_ TEXT NOT NULL DEFAULT '{}', -- the last `update` message
    health  TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE TABLE IF NOT EXISTS standing (   -- the last `update` message, by kind
    device TEXT NOT NULL, kind TEXT NOT NULL, good TEXT NOT NULL, trial TEXT NOT NULL, code TEXT NOT NULL,
    PRIMARY KEY (device, kind)
) STRICT;
CREATE INDEX IF NOT EXISTS standing_by_release ON standing (kind, good, trial);
CREATE TABLE IF NOT EXISTS began (      -- boxes that ever reported to try or have a release, and how it went
    kind TEXT NOT NULL, release TEXT NOT NULL, device TEXT NOT NULL,
    since REAL NOT NULL, result TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (kind, release, device)
) STRICT;
CREATE TABLE IF NOT EXISTS spreads (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, release TEXT NOT NULL, plan TEXT NOT NULL,
    stage INTEGER NOT NULL, since REAL NOT NULL, state TEXT NOT NULL, why TEXT NOT NULL DEFAULT ''
) STRICT;
"""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NONSENSE: Final = (
    ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError, sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
)  # fmt: skip
"""What comes of a message that is not one of ours, whatever it is."""


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """One box, for a list."""

    device: str
    seen: datetime
    online: bool | None
    code: str
    kinds: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Spread:
    """A release on its way through the fleet. `state`: `running`, `halted`, `done` or `withdrawn`.

    `step` counts in `plan.steps`.
    """

    id: int
    kind: Kind
    release: str
    plan: Plan
    step: int
    since_s: float
    state: str
    why: str

    @property
    def where(self) -> str:
        """The step it is in, for a person."""
        steps = self.plan.steps
        step = steps[self.step]
        return f"step {self.step + 1} of {len(steps)}: {step.percent:g} % of {step.cohort.replace('*', 'all')}"


class Ledger:
    """One fleet's ledger. For one thread at a time."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._clock = clock
        self._connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()

    def now_s(self) -> float:
        """The admin's clock."""
        return (self._clock.now().utc - _EPOCH).total_seconds()

    # -- what boxes say --

    def record(self, messages: Iterable[tuple[str, bytes]]) -> int:
        """Takes in messages, topic and payload, in one transaction. What is no message of ours is left out."""
        taken = 0
        with self._connection as tx:
            tx.execute("BEGIN IMMEDIATE")
            for topic, payload in messages:
                parts = topic.removeprefix(f"{ROOT}/").split("/")
                with contextlib.suppress(*_NONSENSE):
                    if topic.startswith(f"{ROOT}/") and len(parts) == 3:
                        self._one(tx, parts[1], parts[2], json.loads(payload))
                        taken += 1
        return taken

    def _one(self, tx: sqlite3.Connection, device: str, what: str, body: dict[str, Any]) -> None:
        now_s = self.now_s()
        tx.execute("INSERT INTO devices (device, seen) VALUES (?, ?) ON CONFLICT DO NOTHING", (device, now_s))
        if what == "status":
            online = bool(body["online"])
            tx.execute("UPDATE devices SET online = ? WHERE device = ?", (online, device))
            if online:
                tx.execute("UPDATE devices SET seen = ? WHERE device = ?", (now_s, device))
            return
        origin = body["origin"]
        boot, seq = str(origin["boot"]), int(origin["seq"])
        known = tx.execute("SELECT boot, seq FROM devices WHERE device = ?", (device,)).fetchone()
        if known[0] == boot and seq < known[1] and what == "update":
            return  # an older one that came late
        tx.execute("UPDATE devices SET seen = ?, boot = ?, seq = ? WHERE device = ?", (now_s, boot, seq, device))
        if what == "health":
            tx.execute("UPDATE devices SET health = ? WHERE device = ?", (json.dumps(body), device))
        elif what == "update":
            tx.execute(
                "UPDATE devices SET update_ = ?, code = ?, cohorts = ? WHERE device = ?",
                (json.dumps(body), str(body["code"]), " ".join(map(str, body["cohorts"])), device),
            )
            for kind, one in body["kinds"].items():
                self._standing(tx, device, Kind(kind), one, now_s)

    @staticmethod
    def _standing(tx: sqlite3.Connection, device: str, kind: Kind, one: dict[str, Any], now_s: float) -> None:
        good, trial = str(one["good"]), str(one["trial"])
        tx.execute(
            "INSERT INTO standing VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET good = excluded.good,"
            " trial = excluded.trial, code = excluded.code",
            (device, kind, good, trial, str(one["code"])),
        )
        results = [(good, "committed"), (trial, "")] + [(str(bad), "failed") for bad in one["bad"]]
        for release, result in results:
            if release:
                tx.execute(
                    "INSERT INTO began VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET result = excluded.result"
                    " WHERE excluded.result <> ''",
                    (kind, release, device, now_s, result),
                )

    # -- what the admin sees --

    def devices(self) -> Sequence[DeviceRow]:
        """Every box, the longest silent first."""
        rows = self._connection.execute("SELECT device, seen, online, code, update_ FROM devices ORDER BY seen, device")
        return [
            DeviceRow(
                row[0],
                _EPOCH + timedelta(seconds=row[1]),
                None if row[2] is None else bool(row[2]),
                row[3],
                json.loads(row[4]).get("kinds", {}),
            )
            for row in rows
        ]

    def releases(self) -> Sequence[tuple[str, str, str, int]]:
        """Boxes by kind, release and phase."""
        return list(
            self._connection.execute(
                "SELECT kind, release, phase, count(*) FROM ("
                " SELECT kind, good AS release, 'good' AS phase FROM standing WHERE trial = ''"
                " UNION ALL SELECT kind, trial, 'trial' FROM standing WHERE trial <> '')"
                " GROUP BY kind, release, phase ORDER BY kind, release, phase"
            )
        )

    def failures(self) -> Sequence[tuple[str, str, str, int]]:
        """Failed boxes by kind, release and reason."""
        counts: dict[tuple[str, str, str], int] = {}
        for row in self.devices():
            for kind, one in row.kinds.items():
                for release, why in one.get("bad", {}).items():
                    counts[kind, release, why] = counts.get((kind, release, why), 0) + 1
        return [(*key, count) for key, count in sorted(counts.items())]

    def size(self) -> int:
        """How many boxes are known."""
        (count,) = self._connection.execute("SELECT count(*) FROM devices").fetchone()
        return int(count)

    # -- spreads --

    def begin(self, kind: Kind, release: str, plan: Plan) -> Spread:
        """A new spread; takes the place of another of the same kind."""
        self._connection.execute(
            "UPDATE spreads SET state = 'withdrawn' WHERE kind = ? AND state IN ('running', 'halted')", (kind,)
        )
        self._connection.execute(
            "INSERT INTO spreads (kind, release, plan, stage, since, state) VALUES (?, ?, ?, 0, ?, 'running')",
            (kind, release, plan.model_dump_json(), self.now_s()),
        )
        return self.spreads()[-1]

    def spreads(self, *states: str) -> Sequence[Spread]:
        """Spreads in these states; all without one."""
        rows = self._connection.execute("SELECT * FROM spreads ORDER BY id")
        found = [Spread(r[0], Kind(r[1]), r[2], Plan.model_validate_json(r[3]), *r[4:]) for r in rows]
        return [spread for spread in found if not states or spread.state in states]

    def move(self, spread: Spread, *, state: str, step: int, why: str) -> None:
        """Writes down how a spread goes on."""
        since_s = self.now_s() if step != spread.step else spread.since_s
        self._connection.execute(
            "UPDATE spreads SET state = ?, stage = ?, since = ?, why = ? WHERE id = ?",
            (state, step, since_s, why, spread.id),
        )

    def boxes(self, since_s: float = 0.0) -> Sequence[Box]:
        """The boxes that were heard of since then."""
        rows = self._connection.execute("SELECT device, cohorts FROM devices WHERE seen >= ?", (since_s,))
        return [Box(device, frozenset(cohorts.split())) for device, cohorts in rows]

    def tally(self, spread: Spread, channel: Channel) -> Tally:
        """What is known of the boxes that began with it, and of those that didn't. `channel`: as it is signed."""
        silent_since = self.now_s() - spread.plan.silence_s
        row = self._connection.execute(
            "SELECT count(*), total(result = 'committed'), total(result = 'failed'),"
            " total(result = '' AND seen < :silent)"
            " FROM began JOIN devices USING (device) WHERE kind = :kind AND release = :release",
            {"kind": spread.kind, "release": spread.release, "silent": silent_since},
        ).fetchone()
        control = self._connection.execute(
            "SELECT count(*), total(seen < :silent) FROM devices WHERE seen >= :began - :silence AND device NOT IN"
            " (SELECT device FROM began WHERE kind = :kind AND release = :release)",
            {
                "kind": spread.kind,
                "release": spread.release,
                "silent": silent_since,
                "silence": spread.plan.silence_s,
                "began": spread.since_s,
            },
        ).fetchone()
        began, committed, failed, silent = (int(value) for value in row)
        others, others_silent = (int(value) for value in control)
        since_s, now = min(spread.since_s, silent_since), self._clock.now().utc
        reached = (choose(channel, box, now).release == spread.release for box in self.boxes(since_s))
        return Tally(began, committed, failed, silent, others, others_silent, sum(reached))
