"""No page reads a whole table: each statement goes through an index, or stops after a page's worth."""

from __future__ import annotations

import re
import sqlite3

import pytest

from edge.store import images, parcels
from edge.store.images import State
from edge.store.parcels import ParcelState
from edge.types import Analysis
from edge.web.access import COOKIE
from tests.web.appliance import Appliance, findings, lesion, not_analysed

GROWING = ("images", "analyses", "parcels", "events", "exposures", "reports", "order_images", "unit_events")
"""The tables that have a row for each image, or more."""
FEW = ("parcels_in_trouble", "images_by_state (state=?")
"""Indexes of what is little: parcels that wait for a person, images on their way."""
PAGES = (
    "/", "/images", "/images?before=2", "/images?q=meyer", "/images?q=PAT-4711&scan=1", "/images?outcome=findings",
    "/images?outcome=pending", "/images?q=m&outcome=pending", "/images?q=an&outcome=not_analysed", "/images?q=zz",
    "/images?day=2026-11-22", "/images?day=2026-11-22&outcome=findings", "/images?q=anna&day=2024-12-22",
    "/images.csv?q=m", "/images/2", "/images/2/compare", "/images/2/print", "/orders", "/audit", "/audit?before=5",
    "/connections", "/machine", "/settings", "/people", "/about", "/api/status", "/health",
)  # fmt: skip


@pytest.mark.requirement("a page answers as quickly with 100,000 images as with one")
def test_no_page_scans_a_table_that_grows(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    appliance.more = {"worklist": {"title": "WL", "host": "127.0.0.1"}}
    appliance.__post_init__()
    appliance.speak()
    outcomes: tuple[Analysis, ...] = (findings(lesion()), findings(), not_analysed())
    for number, outcome in enumerate(outcomes):
        appliance.whole(outcome, b"%d" % number)
    appliance.receive(b"waits", "1.9")
    client = appliance.client()
    said: set[str] = set()
    opened = appliance.store.database._open

    def listening() -> sqlite3.Connection:
        connection = opened()
        connection.set_trace_callback(said.add)
        return connection

    monkeypatch.setattr(appliance.store.database, "_open", listening)
    appliance.store.database.close()
    client.set_cookie(COOKIE, appliance.session())
    for path in PAGES:
        assert client.get(path).status_code in {200, 303}, path
    read = [statement for statement in said if statement.lstrip().upper().startswith("SELECT")]
    assert len(read) > len(PAGES)
    with appliance.store.read() as connection:
        wrong = [f"{step}: {statement}" for statement in read for step in _scans(connection, statement)]
    assert wrong == []


def _scans(connection: sqlite3.Connection, statement: str) -> list[str]:
    """The steps of a statement's plan that read a growing table from end to end, or sort one."""
    plan = [str(row["detail"]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    grows = [step for step in plan if re.search(rf"\b({'|'.join(GROWING)})\b", step)]
    if not grows or any(few in step for few in FEW for step in grows):
        return []
    sorts = [step for step in plan if "TEMP B-TREE" in step]
    stops = "LIMIT" in statement.upper() and not sorts
    return sorts + [step for step in grows if step.startswith("SCAN") and not stops]


def test_what_is_counted_is_what_there_is(appliance: Appliance) -> None:
    first = appliance.whole(findings(lesion()), b"one")
    appliance.admit(appliance.receive(b"two", "1.2"), uid="1.2")
    appliance.receive(b"three", "1.3")
    with appliance.store.transaction() as tx:
        for parcel, state in zip(parcels.of_image(tx, first.id), (ParcelState.SENT, ParcelState.HELD), strict=False):
            parcels.settle(tx, parcel.id, state, appliance.clock.now())
    with pytest.raises(KeyboardInterrupt), appliance.store.transaction() as tx:
        images.move(tx, first.id, State.REPORTED, State.RECEIVED)
        raise KeyboardInterrupt
    with appliance.store.transaction() as tx:
        appliance_again = parcels.of_image(tx, first.id)[0]
        parcels.requeue(tx, appliance_again.id, appliance.clock.now())
        tx.execute("DELETE FROM parcels WHERE id = ?", (parcels.of_image(tx, first.id)[-1].id,))
    with appliance.store.read() as connection:
        told_images, told_parcels = images.count_by_state(connection), parcels.count_by_state(connection)
        by_state = connection.execute("SELECT state, count(*) FROM images GROUP BY state").fetchall()
        by_both = connection.execute("SELECT destination, state, count(*) FROM parcels GROUP BY 1, 2").fetchall()
    assert {state: n for state, n in told_images.items() if n} == {State(row[0]): row[1] for row in by_state}
    told = {(name, state): n for name, own in told_parcels.items() for state, n in own.items() if n}
    assert told == {(row[0], ParcelState(row[1])): row[2] for row in by_both}
