"""How often one may try: rules, and a counter for addresses. Pure but for the counter's own memory.

An account is locked after five wrong tries in a row: for 30 s, then twice as long each time, at most 15 minutes. An
address gets twenty wrong tries in five minutes, whatever names it gives.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from typing import Final

FREE_TRIES: Final = 5
FIRST_LOCK_S: Final = 30.0
LONGEST_LOCK_S: Final = 900.0
ADDRESS_TRIES: Final = 20
ADDRESS_WINDOW_S: Final = 300.0
_ADDRESSES: Final = 4096


def lock_s(failures: int) -> float:
    """For how long an account is locked after so many wrong tries in a row."""
    if failures < FREE_TRIES:
        return 0.0
    return float(min(LONGEST_LOCK_S, FIRST_LOCK_S * 2 ** min(failures - FREE_TRIES, 10)))


class Addresses:
    """The wrong tries of each address in the last minutes. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wrong: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str, now_s: float) -> float:
        """For how long nothing from this address is looked at; 0 when it may try."""
        with self._lock:
            wrong = self._recent(address, now_s)
            return wrong[0] + ADDRESS_WINDOW_S - now_s if len(wrong) >= ADDRESS_TRIES else 0.0

    def note(self, address: str, now_s: float) -> None:
        """A wrong try came from this address."""
        with self._lock:
            self._recent(address, now_s).append(now_s)
            self._wrong.move_to_end(address)
            while len(self._wrong) > _ADDRESSES:
                self._wrong.popitem(last=False)

    def _recent(self, address: str, now_s: float) -> deque[float]:
        wrong = self._wrong.setdefault(address, deque(maxlen=ADDRESS_TRIES))
        while wrong and now_s - wrong[0] > ADDRESS_WINDOW_S:
            wrong.popleft()
        return wrong
