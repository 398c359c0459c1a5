"""Finding images by words, day, outcome and patient."""

from __future__ import annotations

from dataclasses import replace

import pytest

from edge.errors import reason
from edge.store import Store, images, search
from edge.store.objects import Digest
from edge.store.search import Query
from edge.types import Header, Identity, NotAnalysed, Technique


def add(store: Store, number: int, name: str, patient: str, accession: str = "") -> int:
    identity = Identity("1.2", f"1.{number}", "1", "1", patient, name, "", "", accession)
    header = Header(identity, "1.2", "DX", 9, 9, "HAND", "L", "PA", "U", "S", None, Technique())
    with store.transaction() as tx:
        found, _ = images.add(tx, Digest(f"{number:064d}", f"{number:064d}", 1), "folder", None, store.clock.now())
        images.admit(tx, found, header, conflicting=False)
        tx.execute("UPDATE images SET state = 'reported' WHERE id = ?", (found,))
    return found


def ids(store: Store, **asked: object) -> list[int]:
    with store.read() as connection:
        return [one.image.id for one in search.find(connection, Query(**asked))]  # type: ignore[arg-type]


@pytest.fixture
def filled(store: Store) -> Store:
    add(store, 1, "Müller^Eva", "PAT-4711", "ACC77")
    add(store, 2, "Meyer^Anna=マイヤー^アンナ", "PAT-4712")
    add(store, 3, "حسن^ليلى", "X_9")
    return store


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", [3, 2, 1]), ("muller", [1]), ("MÜL", [1]), ("m", [2, 1]), ("eva mull", [1]), ("4711", [1]),
        ("pat-4711", [1]),
        ("PAT", [2, 1]), ("acc77", [1]), ("マイヤー", [2]), ("حسن", [3]), ("ليل", [3]), ("nobody", []), ("ull", []),
        ('"; DROP TABLE images; --', []), ("*", []), ("muller OR meyer", []), ("x_9", [3]),
    ],
)  # fmt: skip
def test_words(filled: Store, words: str, expected: list[int]) -> None:
    assert ids(filled, words=words) == expected


def test_outcome_day_and_pages(filled: Store) -> None:
    with filled.transaction() as tx:
        images.add_analysis(tx, 2, NotAnalysed("x", reason("not-a-hand")), None, filled.clock.now())
    assert ids(filled, outcome="not_analysed") == [2]
    assert ids(filled, outcome="findings") == []
    with filled.transaction() as tx:
        tx.execute("UPDATE images SET state = 'received' WHERE id = 2")
    assert ids(filled, outcome="not_analysed") == []  # on its way again: no outcome to show
    assert ids(filled, outcome="pending") == [2]
    assert ids(filled, words="meyer", outcome="pending") == [2]
    today = filled.clock.now().iso[:10]
    assert ids(filled, since=f"{today}T00:00:00") == [3, 2, 1]
    assert ids(filled, until=f"{today}T00:00:00") == []
    assert ids(filled, limit=2) == [3, 2]
    assert ids(filled, limit=2, before_id=2) == [1]


def test_a_header_that_changes_changes_its_words(filled: Store) -> None:
    with filled.read() as connection:
        image = images.get(connection, 1)
    assert image
    assert image.header
    identity = replace(image.header.identity, patient_name="Neu^Name")
    with filled.transaction() as tx:
        images.admit(tx, 1, replace(image.header, identity=identity), conflicting=False)
    assert ids(filled, words="muller") == []
    assert ids(filled, words="neu") == [1]


def test_of_one_patient(filled: Store) -> None:
    newest = add(filled, 4, "Müller^Eva", "PAT-4711")
    with filled.read() as connection:
        assert [image.id for image in search.of_patient(connection, "PAT-4711", newest)] == [1]
        plan = connection.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM images WHERE patient_id = 'x' AND id < 9 ORDER BY id DESC LIMIT 2"
        ).fetchall()
    assert "images_by_patient" in str([tuple(row) for row in plan])
