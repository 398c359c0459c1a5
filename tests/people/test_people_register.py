"""The register's rules: who gets in, who is locked, when a session ends, and what the audit trail says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge.clock import Stamp, SystemClock
from edge.people import site
from edge.people.register import LONGEST_SESSION_S, NotAllowed, Register
from edge.people.roles import Role
from edge.people.secrets import Hasher
from edge.people.tries import ADDRESS_TRIES, ADDRESS_WINDOW_S, FREE_TRIES, LONGEST_LOCK_S, lock_s
from edge.store import Store, events

PASSWORD, PIN = "correct horse battery", "482913"
KIOSK: dict[str, Any] = {"kiosk": True, "address": "127.0.0.1"}
TABLET: dict[str, Any] = {"kiosk": False, "address": "10.0.0.7"}


class MovedClock:
    """The machine's clock, moved by hand; another boot where a test wants one."""

    def __init__(self) -> None:
        self._start = SystemClock().now()
        self.ahead_s = 10_000.0
        self.boot = "one"

    def now(self) -> Stamp:
        """The moment."""
        return replace(self._start, boot=self.boot, monotonic_ns=int(self.ahead_s * 1e9))

    def monotonic_s(self) -> float:
        """Seconds since boot."""
        return self.ahead_s


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def register(store: Store, clock: MovedClock) -> Register:
    made = Register(replace(store, clock=clock), Hasher(passes=1, memory_kib=64))
    made.set_up("Ada", PASSWORD, PIN)
    made.add("Tom", Role.TECHNICIAN, pin=PIN, actor="Ada")
    return made


def refusal(register: Register, name: str, secret: str, **where: Any) -> NotAllowed:
    with pytest.raises(NotAllowed) as caught:
        register.sign_in(name, secret, **where)
    return caught.value


def test_a_fresh_appliance_is_set_up_once(store: Store) -> None:
    register = Register(store, Hasher(passes=1, memory_kib=64))
    before = register.is_set_up
    register.set_up("Ada", PASSWORD, "")
    assert (before, register.is_set_up) == (False, True)
    with pytest.raises(NotAllowed):
        register.set_up("Eve", PASSWORD, "")


@pytest.mark.requirement("a PIN is for the kiosk only")
def test_a_pin_opens_the_kiosk_and_nothing_else(register: Register) -> None:
    assert register.person(register.sign_in("tom", PIN, **KIOSK), touch=False)
    assert refusal(register, "Tom", PIN, **TABLET).trouble == "wrong"
    assert refusal(register, "Ada", PIN, **TABLET).trouble == "wrong"
    person = register.person(register.sign_in("Ada", PASSWORD, **TABLET), touch=False)
    assert person
    assert (person.name, person.role, person.kiosk) == ("Ada", Role.ADMIN, False)


def test_neither_name_nor_secret_is_given_away(register: Register) -> None:
    assert refusal(register, "nobody", PIN, **KIOSK).trouble == refusal(register, "Tom", "904127", **KIOSK).trouble


@pytest.mark.requirement("guessing is slowed down")
def test_wrong_tries_lock_the_account_longer_each_time(register: Register, clock: MovedClock) -> None:
    for _ in range(FREE_TRIES - 1):
        assert refusal(register, "Tom", "904127", **KIOSK).trouble == "wrong"
    first = refusal(register, "Tom", "904127", **KIOSK)
    assert (first.trouble, first.wait_s) == ("locked", 30.0)
    assert refusal(register, "Tom", PIN, **KIOSK).trouble == "locked"  # not even looked at
    clock.ahead_s += 31
    assert refusal(register, "Tom", "904127", **KIOSK).wait_s == 60.0
    clock.boot = "two"
    clock.ahead_s = 5.0
    assert refusal(register, "Tom", PIN, **KIOSK).wait_s > 50  # a reboot does not unlock
    clock.ahead_s = 61.0
    assert register.sign_in("Tom", PIN, **KIOSK)
    assert [lock_s(n) for n in (4, 5, 6, 50)] == [0.0, 30.0, 60.0, LONGEST_LOCK_S]


@pytest.mark.requirement("guessing is slowed down")
def test_an_address_that_guesses_names_is_not_listened_to(register: Register, clock: MovedClock) -> None:
    for number in range(ADDRESS_TRIES):
        assert refusal(register, f"name{number}", "x" * 12, **TABLET).trouble == "wrong"
    assert refusal(register, "Ada", PASSWORD, **TABLET).trouble == "locked"
    assert register.sign_in("Ada", PASSWORD, kiosk=False, address="10.0.0.8")
    clock.ahead_s += ADDRESS_WINDOW_S + 1
    assert register.sign_in("Ada", PASSWORD, **TABLET)


@pytest.mark.requirement("an unattended screen locks itself")
def test_a_session_that_is_not_used_ends(register: Register, clock: MovedClock, store: Store) -> None:
    site.change(replace(store, clock=clock), {"screen_lock_minutes": 2}, "Ada")
    token = register.sign_in("Tom", PIN, **KIOSK)
    for _ in range(5):
        clock.ahead_s += 100
        assert register.person(token, touch=True)
    clock.ahead_s += 100
    assert register.person(token, touch=False)  # the page refreshes itself
    clock.ahead_s += 100
    assert register.person(token, touch=False) is None
    clock.ahead_s -= 100
    assert register.person(token, touch=True) is None  # ended is ended


def test_a_session_ends_after_half_a_day_and_with_the_boot(register: Register, clock: MovedClock) -> None:
    token = register.sign_in("Tom", PIN, **KIOSK)
    end_s = clock.ahead_s + LONGEST_SESSION_S
    while clock.ahead_s < end_s - 300:
        clock.ahead_s += 300
        assert register.person(token, touch=True)
    clock.ahead_s = end_s + 1
    assert register.person(token, touch=True) is None
    other = register.sign_in("Tom", PIN, **KIOSK)
    clock.boot = "two"
    assert register.person(other, touch=True) is None


def test_a_session_survives_the_web_process(register: Register, store: Store, clock: MovedClock) -> None:
    token = register.sign_in("Tom", PIN, **KIOSK)
    again = Register(replace(store, clock=clock), Hasher(passes=1, memory_kib=64))
    assert again.person(token, touch=False)
    assert again.person(token[:-1], touch=False) is None


@pytest.mark.requirement("whoever left may no longer sign in")
def test_a_change_ends_the_sessions_and_the_last_admin_stays(register: Register) -> None:
    tom = register.named("Tom")
    ada = register.named("Ada")
    assert tom
    assert ada
    token = register.sign_in("Tom", PIN, **KIOSK)
    register.change(tom.id, active=False, actor="Ada")
    assert register.person(token, touch=False) is None
    assert refusal(register, "Tom", PIN, **KIOSK).trouble == "wrong"
    changes: tuple[dict[str, Any], ...] = ({"active": False}, {"role": Role.CLINICIAN})
    for change in changes:
        with pytest.raises(NotAllowed) as caught:
            register.change(ada.id, actor="Ada", **change)
        assert caught.value.trouble == "last-admin"
    register.change(tom.id, active=True, role=Role.ADMIN, actor="Ada")
    register.change(ada.id, active=False, actor="Tom")


def test_a_link_signs_in_once_and_not_too_late(register: Register, clock: MovedClock) -> None:
    ada = register.named("Ada")
    assert ada
    once = register.link(ada.id, within_s=60, once=True)
    assert register.follow(once, kiosk=False)
    assert register.follow(once, kiosk=False) is None
    late = register.link(ada.id, within_s=60, once=False)
    assert register.follow(late, kiosk=False)
    assert register.follow(late, kiosk=False)
    clock.ahead_s += 61
    assert register.follow(late, kiosk=False) is None
    assert register.follow("nonsense", kiosk=False) is None


@pytest.mark.parametrize(
    ("name", "secrets", "why"),
    [
        ("tom", {"pin": "904127"}, "name-taken"), ("x", {"pin": "904127"}, "name-bad"), ("Eve", {}, "no-secret"),
        ("Eve", {"pin": "111111"}, "pin-easy"), ("Eve", {"password": "short"}, "password-short"),
        ("E\x00ve", {"pin": "904127"}, "name-bad"),
    ],
)  # fmt: skip
def test_who_can_not_be_added(register: Register, name: str, secrets: dict[str, str], why: str) -> None:
    with pytest.raises(NotAllowed) as caught:
        register.add(name, Role.TECHNICIAN, actor="Ada", **secrets)
    assert caught.value.trouble == why


@pytest.mark.requirement("who did what is on record")
def test_the_audit_trail_tells_and_holds_no_secret(register: Register, store: Store) -> None:
    register.end(register.person(register.sign_in("Tom", PIN, **KIOSK), touch=False).token, "Tom")  # type: ignore[union-attr]
    refusal(register, "Tom", "904127", **KIOSK)
    with store.read() as connection:
        told = events.after(connection, 0)
        rows = [tuple(row) for row in connection.execute("SELECT * FROM accounts")]
        assert events.broken_link(connection) is None
    assert [event.what for event in told] == [
        "account-added", "account-added", "signed-in", "signed-out", "sign-in-failed",
    ]  # fmt: skip
    assert told[2].actor == "Tom"
    everything = f"{told}{rows}"
    assert not any(secret in everything for secret in (PASSWORD, PIN, "904127"))


def test_settings_that_no_longer_fit_fall_back(store: Store) -> None:
    site.change(store, {"language": "fr", "screen_lock_minutes": 5}, "Ada")
    with store.transaction() as tx:
        tx.execute("UPDATE settings SET value = '999' WHERE name = 'screen_lock_minutes'")
        tx.execute("INSERT INTO settings VALUES ('from-the-future', '1', 'now')")
    assert site.read(store) == site.Site(language="fr")
    with pytest.raises(ValueError, match="screen_lock_minutes"):
        site.change(store, {"screen_lock_minutes": 0}, "Ada")
