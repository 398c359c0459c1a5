"""The audit trail: chained, append-only."""

from __future__ import annotations

import sqlite3

import pytest

from edge.store import Store, events


def _three(store: Store) -> None:
    with store.transaction() as tx:
        for number in range(3):
            events.append(tx, store.clock.now(), "test", "image-received", f"image:{number}", bytes=number)


def test_events_are_told_in_order_and_chained(store: Store) -> None:
    _three(store)
    with store.read() as connection:
        told = events.after(connection, 1)
        assert [event.subject for event in told] == ["image:1", "image:2"]
        assert [event.id for event in events.latest(connection, 2)] == [3, 2]
        assert events.last_id(connection) == 3
        assert events.broken_link(connection) is None


def test_events_can_be_neither_changed_nor_removed(store: Store) -> None:
    _three(store)
    for statement in ("UPDATE events SET actor = 'x'", "DELETE FROM events"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"), store.transaction() as tx:
            tx.execute(statement)


@pytest.mark.requirement("audit")
@pytest.mark.parametrize(
    ("statement", "first_broken"),
    [
        ("UPDATE events SET detail = '{\"bytes\":9}' WHERE id = 2", 2),
        ("UPDATE events SET utc = '1970' WHERE id = 3", 3),
        ("DELETE FROM events WHERE id = 1", 2),
    ],
)
def test_a_forger_with_the_file_in_hand_is_found_out(store: Store, statement: str, first_broken: int) -> None:
    _three(store)
    with store.transaction() as tx:
        tx.execute("DROP TRIGGER events_are_not_changed")
        tx.execute("DROP TRIGGER events_are_not_removed")
        tx.execute(statement)
    with store.read() as connection:
        assert events.broken_link(connection) == first_broken
