"""A store with orders in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from edge.config import Worklist
from edge.orders.item import read_item
from edge.store import Store, orders

SETTINGS = Worklist(title="WORKLIST", host="127.0.0.1")


@pytest.fixture
def keep(store: Store) -> Callable[[Dataset], int]:
    """Keeps a worklist item and gives its order's number."""

    def keeper(item: Dataset) -> int:
        facts = read_item(item, SETTINGS)
        assert facts is not None
        with store.transaction() as tx:
            return orders.upsert(tx, facts, store.clock.now())

    return keeper
