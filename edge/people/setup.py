"""The set-up code of a fresh appliance: eight digits that whoever has the machine can read, and nobody else.

It lies in the run folder, readable by the appliance's own user, and is said on the terminal; so that the first who
finds the page on the network doesn't become its admin. It is gone when the first admin is made.
"""

from __future__ import annotations

import hmac
import os
import secrets
from typing import TYPE_CHECKING, Final

from edge.people.tries import Addresses

if TYPE_CHECKING:
    from edge.config import Config

_FILE: Final = "set-up-code"
_DIGITS: Final = 8
_tries: Final = Addresses()


def make_code(config: Config) -> str:
    """The code, made where there is none yet."""
    path = config.run_folder / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="ascii").strip()
    code = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}d}"
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(code)
    return code


def code_fits(config: Config, given: str, address: str, now_s: float) -> bool:
    """Whether a code is the right one. An address that guesses is not listened to for a while."""
    digits = "".join(letter for letter in given if letter.isascii() and letter.isdigit())
    fits = _tries.wait_s(address, now_s) <= 0 and hmac.compare_digest(digits, make_code(config))
    if not fits:
        _tries.note(address, now_s)
    return fits


def forget_code(config: Config) -> None:
    """There is an admin now."""
    (config.run_folder / _FILE).unlink(missing_ok=True)
