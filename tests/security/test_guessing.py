"""Guesses made at the same time count as many as they are, and none of them gets in behind the lock."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from edge.people.register import NotAllowed, Register
from edge.people.roles import Role
from edge.people.secrets import Hasher
from edge.store import Store, accounts


class Slow(Hasher):
    """Lets all guesses in before the first is answered."""

    def __init__(self, guesses: int) -> None:
        super().__init__(passes=1, memory_kib=64)
        self.gate = threading.Barrier(guesses)

    def fits(self, secret: str, hashed: str | None) -> bool:
        self.gate.wait(60)
        return super().fits(secret, hashed)


@pytest.mark.requirement("guessing is slowed down")
def test_guesses_at_once_all_count(store: Store) -> None:
    guesses = 12
    register = Register(store, Slow(guesses))
    number = register.add("Eva", Role.TECHNICIAN, pin="482913", actor="test")
    answers: Counter[str] = Counter()

    def guess(pin: str) -> None:
        try:
            register.sign_in("Eva", pin, kiosk=True, address=f"10.0.0.{pin[-2:]}")
            answers["in"] += 1
        except NotAllowed as refusal:
            answers[refusal.trouble] += 1

    threads = [threading.Thread(target=guess, args=(f"9173{n:02d}",)) for n in range(guesses)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as connection:
        account = accounts.get(connection, number)
    assert account
    assert account.failures == guesses
    assert account.locked_ns is not None
    assert answers == {"wrong": 4, "locked": guesses - 4}
    with pytest.raises(NotAllowed, match="locked"):
        Register(store, Hasher(passes=1, memory_kib=64)).sign_in("Eva", "482913", kiosk=True, address="")
