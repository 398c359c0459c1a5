"""Accounts, their sessions and the links that sign in: rows only. The rules are in `edge.people`.

Secrets never lie here: passwords and PINs as Argon2id hashes, the tokens of sessions and links as SHA-256.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from edge.clock import Stamp


@dataclass(frozen=True, slots=True)
class Account:
    """One person who may sign in. `locked_ns` counts in the boot `locked_boot`."""

    id: int
    name: str
    role: str
    password: str | None
    pin: str | None
    language: str | None
    active: bool
    failures: int
    locked_boot: str | None
    locked_ns: int | None


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in. Times are the monotonic nanoseconds of its boot."""

    token: str
    account_id: int
    kiosk: bool
    boot: str
    begun_ns: int
    used_ns: int


@dataclass(frozen=True, slots=True)
class Link:
    """A link that signs in until a moment; `once`: only the first time."""

    token: str
    account_id: int
    boot: str
    until_ns: int
    once: bool


def add(tx: sqlite3.Connection, name: str, role: str, stamp: Stamp, *, password: str | None, pin: str | None) -> int:
    """Adds an account and returns its number.

    Raises:
        sqlite3.IntegrityError: if the name is taken.
    """
    cursor = tx.execute(
        "INSERT INTO accounts (name, role, password, pin, created_utc) VALUES (?, ?, ?, ?, ?)",
        (name, role, password, pin, stamp.iso),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def any_admin(connection: sqlite3.Connection, *, besides: int = 0) -> bool:
    """Whether an active admin exists, another than `besides`."""
    found = connection.execute("SELECT 1 FROM accounts WHERE role = 'admin' AND active = 1 AND id != ?", (besides,))
    return found.fetchone() is not None


def get(connection: sqlite3.Connection, account_id: int) -> Account | None:
    """One account, or None."""
    row = connection.execute("SELECT * FROM accounts WHERE id = ?", (account_id,)).fetchone()
    return _account(row) if row else None


def by_name(connection: sqlite3.Connection, name: str) -> Account | None:
    """The account of a name, letter case aside, or None."""
    row = connection.execute("SELECT * FROM accounts WHERE name = ?", (name,)).fetchone()
    return _account(row) if row else None


def everybody(connection: sqlite3.Connection) -> list[Account]:
    """All accounts, active ones first, by name."""
    return [_account(row) for row in connection.execute("SELECT * FROM accounts ORDER BY active DESC, name")]


def change(
    tx: sqlite3.Connection,
    account: Account,
    *,
    role: str | None = None,
    password: str | None = None,
    pin: str | None = None,
    language: str | None = None,
    active: bool | None = None,
) -> None:
    """Changes what is given; the rest stays. A new secret forgets the wrong tries."""
    tx.execute(
        """UPDATE accounts SET role = coalesce(?, role), password = coalesce(?, password), pin = coalesce(?, pin),
                               language = coalesce(?, language), active = coalesce(?, active) WHERE id = ?""",
        (role, password, pin, language, None if active is None else int(active), account.id),
    )
    if password or pin:
        note_try(tx, account.id, 0, None, None)


def note_try(
    tx: sqlite3.Connection, account_id: int, failures: int, locked_boot: str | None, locked_ns: int | None
) -> None:
    """Keeps how many wrong tries there were, and until when the next is not looked at."""
    tx.execute(
        "UPDATE accounts SET failures = ?, locked_boot = ?, locked_ns = ? WHERE id = ?",
        (failures, locked_boot, locked_ns, account_id),
    )


def begin(tx: sqlite3.Connection, session: Session, begun_utc: str) -> None:
    """Keeps a new session, and forgets those of other boots."""
    tx.execute("DELETE FROM sessions WHERE boot != ?", (session.boot,))
    tx.execute(
        "INSERT INTO sessions (token, account_id, kiosk, begun_utc, boot, begun_ns, used_ns) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (session.token, session.account_id, int(session.kiosk), begun_utc, session.boot, session.begun_ns,
         session.used_ns),
    )  # fmt: skip


def session(connection: sqlite3.Connection, token: str) -> Session | None:
    """The session of a hashed token, or None."""
    row = connection.execute("SELECT * FROM sessions WHERE token = ?", (token,)).fetchone()
    if row is None:
        return None
    return Session(row["token"], row["account_id"], bool(row["kiosk"]), row["boot"], row["begun_ns"], row["used_ns"])


def use(tx: sqlite3.Connection, token: str, used_ns: int) -> None:
    """Keeps when a session was last used."""
    tx.execute("UPDATE sessions SET used_ns = max(used_ns, ?) WHERE token = ?", (used_ns, token))


def end(tx: sqlite3.Connection, token: str) -> None:
    """Ends one session."""
    tx.execute("DELETE FROM sessions WHERE token = ?", (token,))


def end_all(tx: sqlite3.Connection, account_id: int) -> None:
    """Ends every session and link of an account."""
    tx.execute("DELETE FROM sessions WHERE account_id = ?", (account_id,))
    tx.execute("DELETE FROM links WHERE account_id = ?", (account_id,))


def add_link(tx: sqlite3.Connection, link: Link) -> None:
    """Keeps a link, and forgets those of other boots."""
    tx.execute("DELETE FROM links WHERE boot != ?", (link.boot,))
    tx.execute(
        "INSERT INTO links (token, account_id, boot, until_ns, once) VALUES (?, ?, ?, ?, ?)",
        (link.token, link.account_id, link.boot, link.until_ns, int(link.once)),
    )


def take_link(tx: sqlite3.Connection, token: str) -> Link | None:
    """The link of a hashed token, or None. One that holds once is gone after."""
    row = tx.execute("SELECT * FROM links WHERE token = ?", (token,)).fetchone()
    if row is None:
        return None
    if row["once"]:
        tx.execute("DELETE FROM links WHERE token = ?", (token,))
    return Link(row["token"], row["account_id"], row["boot"], row["until_ns"], bool(row["once"]))


def _account(row: sqlite3.Row) -> Account:
    return Account(
        row["id"], row["name"], row["role"], row["password"], row["pin"], row["language"], bool(row["active"]),
        row["failures"], row["locked_boot"], row["locked_ns"],
    )  # fmt: skip
