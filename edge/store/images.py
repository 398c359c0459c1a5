"""Images and their analyses: the rows that the stations hand to each other."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Literal

from pydantic import TypeAdapter

from edge import wire
from edge.errors import StoreError
from edge.types import Analysis, Header, Outcome

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from edge.clock import Stamp
    from edge.store.objects import Digest
    from edge.types import ReportObject

Match = Literal["pending", "matched", "ambiguous", "unmatched"]

_HEADER: Final = TypeAdapter(Header)


class State(StrEnum):
    """Where an image is on its way."""

    RECEIVED = "received"
    ADMITTED = "admitted"
    ANALYSED = "analysed"
    REPORTED = "reported"


@dataclass(frozen=True, slots=True)
class Image:
    """One image as received, and how far it has come."""

    id: int
    state: State
    object: str
    dataset: str
    size: int
    source: str
    sop_instance_uid: str | None
    conflicting: bool
    header: Header | None
    attempts: int
    match: Match
    exposure_id: int | None
    candidates: tuple[int, ...]
    trouble: str | None
    received_utc: str
    received_trusted: bool
    received_boot: str
    received_ns: int


@dataclass(frozen=True, slots=True)
class StoredAnalysis:
    """One analysis of one image, as it was made."""

    id: int
    image_id: int
    outcome: Outcome
    analysis: Analysis
    picture: str | None
    made_utc: str


def add(tx: sqlite3.Connection, digest: Digest, source: str, uid: str | None, stamp: Stamp) -> tuple[int, bool]:
    """Records a received image whose object is already durable.

    Returns:
        Its number and whether it is new. The same data set received again is the same image, whoever sends it.
    """
    known = tx.execute("SELECT id FROM images WHERE dataset = ?", (digest.dataset,)).fetchone()
    if known:
        return int(known["id"]), False
    cursor = tx.execute(
        """INSERT INTO images (state, object, dataset, bytes, source, sop_instance_uid,
                               received_utc, received_trusted, received_boot, received_ns)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (State.RECEIVED, digest.object, digest.dataset, digest.size, source, uid,
         stamp.iso, int(stamp.trusted), stamp.boot, stamp.monotonic_ns),
    )  # fmt: skip
    assert cursor.lastrowid is not None
    return cursor.lastrowid, True


def conflicts(connection: sqlite3.Connection, image_id: int, uid: str) -> bool:
    """Whether an earlier image bears the same identifier (with other content: equal ones are one image)."""
    row = connection.execute("SELECT 1 FROM images WHERE sop_instance_uid = ? AND id < ?", (uid, image_id))
    return row.fetchone() is not None


def admit(tx: sqlite3.Connection, image_id: int, header: Header, *, conflicting: bool) -> None:
    """Keeps what admission read."""
    tx.execute(
        "UPDATE images SET header = ?, sop_instance_uid = ?, conflicting = ? WHERE id = ?",
        (json.dumps(asdict(header)), header.identity.sop_instance_uid, int(conflicting), image_id),
    )


def move(tx: sqlite3.Connection, image_id: int, before: State, after: State) -> None:
    """Moves an image from one state to the next.

    Raises:
        StoreError: if it is not in the state `before`: somebody else moved it.
    """
    moved = tx.execute("UPDATE images SET state = ? WHERE id = ? AND state = ?", (after, image_id, before))
    if moved.rowcount != 1:
        raise StoreError("store-unusable", f"image {image_id} is not {before}")


def begin_attempt(tx: sqlite3.Connection, image_id: int) -> None:
    """Counts an analysis that is about to begin, so that an image that kills its worker is stopped at last."""
    tx.execute("UPDATE images SET attempts = attempts + 1 WHERE id = ?", (image_id,))


def forget_attempts(tx: sqlite3.Connection, image_id: int) -> None:
    """Starts the count anew, when a person asks for another analysis."""
    tx.execute("UPDATE images SET attempts = 0 WHERE id = ?", (image_id,))


def set_trouble(tx: sqlite3.Connection, image_id: int, code: str | None) -> None:
    """Keeps why the image's report could not be made; None when it could."""
    tx.execute("UPDATE images SET trouble = ? WHERE id = ?", (code, image_id))


def set_match(
    tx: sqlite3.Connection, image_id: int, match: Match, exposure_id: int | None, candidates: Sequence[int]
) -> None:
    """Keeps the verdict on which exposure made this image."""
    tx.execute(
        "UPDATE images SET match = ?, exposure_id = ?, candidates = ? WHERE id = ?",
        (match, exposure_id, json.dumps(list(candidates)), image_id),
    )


def get(connection: sqlite3.Connection, image_id: int) -> Image | None:
    """One image, or None."""
    row = connection.execute("SELECT * FROM images WHERE id = ?", (image_id,)).fetchone()
    return from_row(row) if row else None


def waiting(connection: sqlite3.Connection, states: Sequence[State]) -> Image | None:
    """The image to work on next: the oldest in any of the states."""
    marks = ",".join("?" * len(states))
    query = f"SELECT * FROM images WHERE state IN ({marks}) ORDER BY id LIMIT 1"  # noqa: S608 - only question marks
    row = connection.execute(query, tuple(states)).fetchone()
    return from_row(row) if row else None


def to_match(connection: sqlite3.Connection, boot: str, since_ns: int) -> list[Image]:
    """Images past admission that no exposure is matched to: those never judged, and those of this boot since then."""
    rows = connection.execute(
        """SELECT * FROM images WHERE state != 'received' AND
             (match = 'pending' OR (match != 'matched' AND received_boot = ? AND received_ns >= ?)) ORDER BY id""",
        (boot, since_ns),
    )
    return [from_row(row) for row in rows]


def of_boot(connection: sqlite3.Connection, boot: str, limit: int) -> list[Image]:
    """The newest images past admission that were received in a boot of this machine, newest first."""
    rows = connection.execute(
        "SELECT * FROM images WHERE state != 'received' AND received_boot = ? ORDER BY id DESC LIMIT ?", (boot, limit)
    )
    return [from_row(row) for row in rows]


def latest(connection: sqlite3.Connection, limit: int = 20, before_id: int | None = None) -> list[Image]:
    """The newest images, newest first."""
    rows = connection.execute(
        "SELECT * FROM images WHERE id < ? ORDER BY id DESC LIMIT ?",
        (before_id if before_id is not None else 2**62, limit),
    )
    return [from_row(row) for row in rows]


def count_by_state(connection: sqlite3.Connection) -> dict[State, int]:
    """How many images are in each state."""
    rows = connection.execute("SELECT state, n FROM image_counts")
    counts = {State(row["state"]): int(row["n"]) for row in rows}
    return {state: counts.get(state, 0) for state in State}


def add_analysis(tx: sqlite3.Connection, image_id: int, analysis: Analysis, picture: str | None, stamp: Stamp) -> int:
    """Records an analysis whose picture is already durable, and returns its number."""
    cursor = tx.execute(
        """INSERT INTO analyses (image_id, outcome, analysis, picture, made_utc, made_trusted, made_boot, made_ns)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
        (image_id, analysis.outcome, wire.to_json(analysis), picture,
         stamp.iso, int(stamp.trusted), stamp.boot, stamp.monotonic_ns),
    )  # fmt: skip
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def latest_analysis(connection: sqlite3.Connection, image_id: int) -> StoredAnalysis | None:
    """The newest analysis of an image, or None."""
    row = connection.execute(
        "SELECT * FROM analyses WHERE image_id = ? ORDER BY id DESC LIMIT 1", (image_id,)
    ).fetchone()
    if row is None:
        return None
    return StoredAnalysis(
        row["id"], row["image_id"], row["outcome"], wire.from_json(row["analysis"]), row["picture"], row["made_utc"]
    )


def add_report(tx: sqlite3.Connection, analysis_id: int, report: ReportObject, name: str) -> None:
    """Records a report object that is already durable under `name`."""
    tx.execute(
        "INSERT INTO reports (analysis_id, kind, object, sop_class_uid, sop_instance_uid) VALUES (?, ?, ?, ?, ?)",
        (analysis_id, report.kind, name, report.sop_class_uid, report.sop_instance_uid),
    )


def referenced_objects(connection: sqlite3.Connection) -> set[str]:
    """The names of all objects that a row refers to."""
    rows = connection.execute(
        """SELECT object FROM images UNION SELECT object FROM reports UNION SELECT object FROM parcels
           UNION SELECT picture FROM analyses WHERE picture IS NOT NULL"""
    )
    return {row[0] for row in rows}


def from_row(row: sqlite3.Row) -> Image:
    """An image from its row."""
    header = _HEADER.validate_json(row["header"]) if row["header"] else None
    return Image(
        row["id"], State(row["state"]), row["object"], row["dataset"], row["bytes"], row["source"],
        row["sop_instance_uid"], bool(row["conflicting"]), header, row["attempts"], row["match"],
        row["exposure_id"], tuple(json.loads(row["candidates"])), row["trouble"], row["received_utc"],
        bool(row["received_trusted"]), row["received_boot"], row["received_ns"],
    )  # fmt: skip
