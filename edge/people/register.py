"""The register: accounts and sessions as the rules want them. Everything that changes something leaves an audit event.

What always holds: a locked account's secret is not looked at; a wrong name takes as long as a wrong secret; a PIN is
only taken on the kiosk; the last admin can't be put out.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets as random
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from edge.errors import StoreError
from edge.people import secrets, site
from edge.people.roles import Role
from edge.people.secrets import Weakness
from edge.people.tries import Addresses, lock_s
from edge.store import accounts, events

if TYPE_CHECKING:
    from edge.clock import Stamp
    from edge.people.secrets import Hasher
    from edge.store import Store
    from edge.store.accounts import Account

LONGEST_SESSION_S: Final = 12 * 3600.0
NAME_LENGTHS: Final = range(2, 41)

Trouble = Literal["wrong", "locked", "name-taken", "name-bad", "last-admin", "unknown", "no-secret"] | Weakness


class NotAllowed(Exception):  # noqa: N818 - an answer, told on the page
    """Why not. `wait_s`: for how long nothing is looked at, when that is why."""

    def __init__(self, trouble: Trouble, wait_s: float = 0.0) -> None:
        super().__init__(trouble)
        self.trouble: Trouble = trouble
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in. `token` is the hash that names the session."""

    id: int
    name: str
    role: Role
    language: str | None
    kiosk: bool
    token: str


class Register:
    """The accounts of one appliance. Threads may share it."""

    def __init__(self, store: Store, hasher: Hasher | None = None) -> None:
        self._store = store
        self._hasher = hasher or secrets.Hasher()
        self._addresses = Addresses()
        self._used_ns: dict[str, int] = {}

    # -- accounts ----------------------------------------------------------------------------------------------

    @property
    def is_set_up(self) -> bool:
        """Whether there is an admin: before that, the only page is the one that makes one."""
        with self._store.read() as connection:
            return accounts.any_admin(connection)

    def everybody(self) -> list[Account]:
        """All accounts."""
        with self._store.read() as connection:
            return accounts.everybody(connection)

    def named(self, name: str) -> Account | None:
        """The account of that name, or None."""
        with self._store.read() as connection:
            return accounts.by_name(connection, name)

    def add(self, name: str, role: Role, *, password: str = "", pin: str = "", actor: str) -> int:
        """Adds an account with a password, a PIN, or both.

        Raises:
            NotAllowed: the name or a secret can't be used.
        """
        name = " ".join(name.split())
        if len(name) not in NAME_LENGTHS or not name.isprintable():
            raise NotAllowed("name-bad")
        if not password and not pin:
            raise NotAllowed("no-secret")
        hashed = self._hashed(name, password, pin)
        stamp = self._store.clock.now()
        try:
            with self._store.transaction() as tx:
                number = accounts.add(tx, name, role, stamp, password=hashed[0], pin=hashed[1])
                events.append(tx, stamp, actor, "account-added", f"account:{number}", role=role)
        except sqlite3.IntegrityError:
            raise NotAllowed("name-taken") from None
        return number

    def set_up(self, name: str, password: str, pin: str) -> int:
        """Makes the first admin.

        Raises:
            NotAllowed: `unknown` when there is one already; or the name or a secret can't be used.
        """
        if self.is_set_up:
            raise NotAllowed("unknown")
        return self.add(name, Role.ADMIN, password=password, pin=pin, actor="set-up")

    def change(
        self,
        account_id: int,
        *,
        role: Role | None = None,
        password: str = "",
        pin: str = "",
        language: str | None = None,
        active: bool | None = None,
        actor: str,
    ) -> None:
        """Changes an account. A new secret, role or standing ends its sessions.

        Raises:
            NotAllowed: it is unknown, a secret can't be used, or nobody would be left to manage the appliance.
        """
        with self._store.read() as connection:
            account = accounts.get(connection, account_id)
        if account is None:
            raise NotAllowed("unknown")
        new_password, new_pin = self._hashed(account.name, password, pin)
        stamp = self._store.clock.now()
        with self._store.transaction() as tx:
            demoted = active is False or (role is not None and role is not Role.ADMIN)
            if demoted and account.role == Role.ADMIN and not accounts.any_admin(tx, besides=account.id):
                raise NotAllowed("last-admin")
            accounts.change(
                tx, account, role=role, password=new_password, pin=new_pin, language=language, active=active
            )
            if password or pin or role or active is not None:
                accounts.end_all(tx, account.id)
                what = {"role": role, "password": bool(password), "pin": bool(pin), "active": active}
                told = {key: value for key, value in what.items() if value not in (None, False) or key == "active"}
                events.append(tx, stamp, actor, "account-changed", f"account:{account.id}", **told)

    def _hashed(self, name: str, password: str, pin: str) -> tuple[str | None, str | None]:
        for secret, is_pin in ((password, False), (pin, True)):
            weak = secrets.weakness(secret, name, pin=is_pin) if secret else None
            if weak:
                raise NotAllowed(weak)
        return (self._hasher.hash(password) if password else None, self._hasher.hash(pin) if pin else None)

    # -- sessions ----------------------------------------------------------------------------------------------

    def sign_in(self, name: str, secret: str, *, kiosk: bool, address: str) -> str:
        """Begins a session and returns its token, for a cookie.

        Raises:
            NotAllowed: `wrong` or `locked`, and nothing more is said.
        """
        now = self._store.clock.now()
        wait_s = self._addresses.wait_s(address, now.monotonic_ns / 1e9)
        if wait_s > 0:
            raise NotAllowed("locked", wait_s)
        account = self.named(name)
        if account is None or not account.active:
            self._hasher.fits(secret, None)
            self._addresses.note(address, now.monotonic_ns / 1e9)
            raise NotAllowed("wrong")
        wait_s = _locked_for_s(account, now)
        if wait_s > 0:
            raise NotAllowed("locked", wait_s)
        is_pin = kiosk and account.pin is not None and secret.isdigit() and len(secret) in secrets.PIN_LENGTHS
        if not self._hasher.fits(secret, account.pin if is_pin else account.password):
            self._addresses.note(address, now.monotonic_ns / 1e9)
            wait_s = self._note_wrong(account, now)
            raise NotAllowed("locked" if wait_s else "wrong", wait_s)
        with self._store.transaction() as tx:
            fresh = accounts.get(tx, account.id)
            wait_s = _locked_for_s(fresh, now) if fresh else 0.0
            if wait_s == 0:
                accounts.note_try(tx, account.id, 0, None, None)
                return self._begin(tx, account, kiosk=kiosk)
        raise NotAllowed("locked", wait_s)  # by others that were wrong at the same time

    def follow(self, link: str, *, kiosk: bool) -> str | None:
        """Begins the session of a link and returns its token; None when the link is not, or no longer, good."""
        now = self._store.clock.now()
        with self._store.transaction() as tx:
            found = accounts.take_link(tx, _hash(link))
            if found is None or found.boot != now.boot or now.monotonic_ns > found.until_ns:
                return None
            account = accounts.get(tx, found.account_id)
            return self._begin(tx, account, kiosk=kiosk) if account and account.active else None

    def link(self, account_id: int, *, within_s: float, once: bool) -> str:
        """Makes a link's token that signs in as somebody."""
        token = random.token_urlsafe(24)
        now = self._store.clock.now()
        until_ns = now.monotonic_ns + int(within_s * 1e9)
        with self._store.transaction() as tx:
            accounts.add_link(tx, accounts.Link(_hash(token), account_id, now.boot, until_ns, once))
        return token

    def person(self, token: str, *, touch: bool) -> Person | None:
        """Who a session's token stands for, or None when it has ended. `touch`: a person did something just now."""
        name = _hash(token)
        now = self._store.clock.now()
        idle_ns = int(site.read(self._store).screen_lock_minutes * 60e9)
        with self._store.read() as connection:
            session = accounts.session(connection, name)
            account = accounts.get(connection, session.account_id) if session else None
        if session is None or account is None or not account.active or session.boot != now.boot:
            return None
        used_ns = max(session.used_ns, self._used_ns.get(name, 0))
        too_old = now.monotonic_ns - session.begun_ns > LONGEST_SESSION_S * 1e9
        if too_old or now.monotonic_ns - used_ns > idle_ns:
            self.end(name, account.name)
            return None
        if touch:
            self._used_ns[name] = now.monotonic_ns
            if now.monotonic_ns - session.used_ns > idle_ns // 4:
                # Where nothing can be kept, this process remembers it: the page must go on to say so.
                with contextlib.suppress(StoreError), self._store.transaction() as tx:
                    accounts.use(tx, name, now.monotonic_ns)
        return Person(account.id, account.name, Role(account.role), account.language, session.kiosk, name)

    def end(self, name: str, actor: str) -> None:
        """Ends a session, by its hash."""
        self._used_ns.pop(name, None)
        with self._store.transaction() as tx:
            accounts.end(tx, name)
            events.append(tx, self._store.clock.now(), actor, "signed-out", "session")

    def _begin(self, tx: sqlite3.Connection, account: Account, *, kiosk: bool) -> str:
        token = random.token_urlsafe(32)
        now = self._store.clock.now()
        session = accounts.Session(_hash(token), account.id, kiosk, now.boot, now.monotonic_ns, now.monotonic_ns)
        accounts.begin(tx, session, now.iso)
        events.append(tx, now, account.name, "signed-in", f"account:{account.id}", kiosk=kiosk)
        return token

    def _note_wrong(self, account: Account, now: Stamp) -> float:
        with self._store.transaction() as tx:
            fresh = accounts.get(tx, account.id) or account  # several may be wrong at the same time: each counts
            failures = fresh.failures + 1
            wait_s = lock_s(failures)
            until_ns = now.monotonic_ns + int(wait_s * 1e9)
            accounts.note_try(tx, account.id, failures, now.boot if wait_s else None, until_ns if wait_s else None)
            events.append(tx, now, account.name, "sign-in-failed", f"account:{account.id}", failures=failures)
        return wait_s


def _locked_for_s(account: Account, now: Stamp) -> float:
    """For how long an account is still locked. A reboot doesn't unlock: the lock begins anew."""
    if account.locked_ns is None:
        return 0.0
    if account.locked_boot != now.boot:
        started_s = now.monotonic_ns / 1e9
        return max(0.0, lock_s(account.failures) - started_s)
    return max(0.0, (account.locked_ns - now.monotonic_ns) / 1e9)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
