"""`calcedge audit verify`: what a forger with the file in hand did is told, event by event."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge.cli import cli
from edge.store import Store, audit, events

_SWAP = ";".join(f"UPDATE events SET id = {new} WHERE id = {old}" for old, new in ((3, 99), (4, 3), (99, 4)))
_FORGED = "INSERT INTO events SELECT 9, utc, trusted, 'forger', what, subject, detail, hash FROM events WHERE id = 8"


@pytest.fixture
def trail(store: Store) -> Store:
    with store.transaction() as tx:
        for number in range(8):
            events.append(tx, store.clock.now(), "test", "image-received", f"image:{number}", bytes=number)
    return store


def forge(store: Store, script: str) -> None:
    """As somebody does it who has the file."""
    connection = sqlite3.connect(store.database.path)
    connection.executescript("DROP TRIGGER events_are_not_changed; DROP TRIGGER events_are_not_removed;" + script)
    connection.close()


def verify(store: Store, *more: str) -> tuple[int, list[str]]:
    folder = str(store.database.path.parent)
    done = CliRunner().invoke(cli, ["audit", "verify", "--data", folder, *more])
    return done.exit_code, done.output.splitlines()


@pytest.mark.requirement("audit")
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("UPDATE events SET detail = '{\"bytes\":9}' WHERE id = 2", ["event 2 was changed"]),
        ("UPDATE events SET actor = 'somebody else' WHERE id = 8", ["event 8 was changed"]),
        ("UPDATE events SET utc = '1970-01-01T00:00:00.000Z' WHERE id IN (1, 5)", ["event 1 was", "event 5 was"]),
        ("DELETE FROM events WHERE id = 1", ["event 1 missing"]),
        ("DELETE FROM events WHERE id IN (4, 5, 6)", ["events 4 to 6 missing"]),
        (_SWAP, ["event 3 was moved", "event 4 was moved"]),
        (_FORGED, ["event 9 was changed, or put in"]),
    ],
)
def test_what_was_forged_is_named(trail: Store, script: str, told: list[str]) -> None:
    assert verify(trail)[0] == 0
    forge(trail, script)
    code, lines = verify(trail)
    assert code == 1
    assert len(lines) == len(told) + 1
    for line, beginning in zip(lines, told, strict=False):
        assert line.startswith(beginning)


@pytest.mark.requirement("audit")
def test_a_trail_written_anew_or_cut_short_is_found_by_a_head_kept_elsewhere(trail: Store) -> None:
    with trail.read() as connection:
        noted = audit.head(connection)
    assert verify(trail, "--noted", str(noted))[0] == 0
    forge(trail, "DELETE FROM events WHERE id > 5")
    assert verify(trail)[0] == 0, "the chain alone can't know of its end"
    code, lines = verify(trail, "--noted", str(noted))
    assert (code, lines[0]) == (1, "events 6 to 8 missing: the end of the trail is cut off")
    with trail.transaction() as tx:
        for number in range(3):
            events.append(tx, trail.clock.now(), "forger", "image-received", f"image:{number}", bytes=number)
    code, lines = verify(trail, "--noted", str(noted))
    assert code == 1
    assert lines[0].startswith("event 8 is not the one that was noted")


def test_an_empty_trail_is_whole_and_nonsense_is_no_head(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "empty")
    assert verify(store) == (0, [f"0 events, whole; head 0:{'0' * 64}"])
    for text in ("", "12", "12:abc", f"x:{'0' * 64}", f"12:{'g' * 64}"):
        with pytest.raises(ValueError, match=r"head|invalid literal"):
            audit.Head.parse(text)
    store.close()
