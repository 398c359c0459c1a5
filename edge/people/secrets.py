"""Passwords and PINs: hashed with Argon2id (RFC 9106), and refused when they are too easy to guess.

A PIN is for gloved fingers on the screen beside the unit; it is taken from nowhere else, and a wrong one locks the
account for a while. Two hashes at most are made at a time: each takes 64 MiB.
"""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable

Weakness = Literal["pin-digits", "pin-easy", "password-short", "password-easy"]

PIN_LENGTHS: Final = range(6, 13)
PASSWORD_LEAST: Final = 10
PASSWORD_MOST: Final = 256
"""Longer ones are refused before they are hashed."""
_AT_ONCE: Final = 2
_EASY: Final = ("password", "calcedge", "1234567890", "qwertzuiop", "qwertyuiop", "azertyuiop")


class Hasher:
    """Argon2id with RFC 9106's second recommended setting: three passes over 64 MiB."""

    def __init__(self, *, passes: int = 3, memory_kib: int = 65_536) -> None:
        self._argon = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=4)
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._nobody = self.hash("nobody has this one")

    def hash(self, secret: str) -> str:
        """The secret's hash, salted."""
        with self._places:
            return self._argon.hash(secret)

    def fits(self, secret: str, hashed: str | None) -> bool:
        """Whether a secret is the one hashed. Takes as long when there is none."""
        if len(secret) > PASSWORD_MOST:
            return False
        with self._places:
            try:
                self._argon.verify(hashed or self._nobody, secret)
            except (VerificationError, InvalidHashError):
                return False
        return hashed is not None


def weakness_of_pin(pin: str) -> Weakness | None:
    """Why a PIN may not be used, or None."""
    if not (pin.isascii() and pin.isdigit() and len(pin) in PIN_LENGTHS):
        return "pin-digits"
    steps = {(int(after) - int(before)) % 10 for before, after in pairwise(pin)}
    half = len(pin) // 2
    repeated = len(pin) % 2 == 0 and pin[:half] == pin[half:]
    return "pin-easy" if steps in ({0}, {1}, {9}) or repeated or len(set(pin)) < 3 else None


def weakness_of_password(password: str, name: str) -> Weakness | None:
    """Why a password may not be used, or None. Length counts; kinds of letters don't (NIST SP 800-63B 5.1.1.2)."""
    if not PASSWORD_LEAST <= len(password) <= PASSWORD_MOST:
        return "password-short"
    plain = password.casefold()
    easy = any(word in plain for word in _EASY) or (len(name) > 2 and name.casefold() in plain)
    return "password-easy" if easy or len(set(plain)) < 5 else None


def weakness(secret: str, name: str, *, pin: bool) -> Weakness | None:
    """Either of the two."""
    checks: dict[bool, Callable[[], Weakness | None]] = {
        True: lambda: weakness_of_pin(secret),
        False: lambda: weakness_of_password(secret, name),
    }
    return checks[pin]()
