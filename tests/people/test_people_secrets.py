"""Secrets: hashed, never kept; and what is too easy to guess."""

from __future__ import annotations

import pytest

from edge.people import secrets
from edge.people.secrets import Hasher


def test_a_hash_is_argon2id_as_the_rfc_recommends_and_salted() -> None:
    hasher = Hasher()
    one, other = hasher.hash("correct horse battery"), hasher.hash("correct horse battery")
    assert one.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert one != other
    assert hasher.fits("correct horse battery", one)
    assert not hasher.fits("correct horse batterz", one)


@pytest.mark.parametrize("hashed", [None, "", "not a hash", "$argon2id$v=19$m=65536,t=3,p=4$broken"])
def test_what_is_no_hash_fits_nothing(hashed: str | None) -> None:
    assert not Hasher(passes=1, memory_kib=64).fits("anything", hashed)


def test_a_huge_secret_is_not_even_hashed() -> None:
    hasher = Hasher(passes=1, memory_kib=64)
    assert not hasher.fits("x" * 1_000_000, hasher.hash("x"))


@pytest.mark.parametrize(
    ("pin", "why"),
    [
        ("482913", None), ("904127", None), ("12", "pin-digits"), ("48291a", "pin-digits"), ("٤٨٢٩١٣", "pin-digits"),
        ("000000", "pin-easy"), ("123456", "pin-easy"), ("654321", "pin-easy"), ("890123", "pin-easy"),
        ("121212", "pin-easy"), ("482482", "pin-easy"), ("4829134829134", "pin-digits"),
    ],
)  # fmt: skip
def test_pins(pin: str, why: str | None) -> None:
    assert secrets.weakness_of_pin(pin) == why


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("correct horse battery", None), ("kurz", "password-short"), ("aaaaaaaaaaaa", "password-easy"),
        ("my password 1", "password-easy"), ("anna-meyer-77", "password-easy"), ("x" * 300, "password-short"),
    ],
)  # fmt: skip
def test_passwords(password: str, why: str | None) -> None:
    assert secrets.weakness_of_password(password, "Anna") == why
