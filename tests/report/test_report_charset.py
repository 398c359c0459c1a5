"""Names survive: every character set of the field, right, wrong or not stated."""

from __future__ import annotations

import pytest

from edge.report.charset import decode

NAMES = [
    (("ISO_IR 100",), "Müller^Jörg", "latin-1"),
    (("ISO_IR 101",), "Dvořák^Jiří", "iso8859_2"),
    (("ISO_IR 144",), "Люксембург^Роза", "iso8859_5"),
    (("ISO_IR 166",), "นามสกุล^ชื่อ", "iso8859_11"),
    (("ISO_IR 192",), "Müller^山田", "utf-8"),
    (("GB18030",), "Wang^XiaoDong=王^小东", "gb18030"),
    (("GBK",), "Wang^XiaoDong=王^小东", "gbk"),
]
KANJI = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B"  # PS3.5 H.3.1
HANGUL = b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf"  # PS3.5 I.2


@pytest.mark.parametrize(("stated", "name", "codec"), NAMES, ids=[names[0][0] for names in NAMES])
def test_a_stated_character_set_is_read(stated: tuple[str, ...], name: str, codec: str) -> None:
    assert decode(name.encode(codec), stated) == (name, True)


def test_code_extensions_are_read_as_the_standards_examples() -> None:
    assert decode(KANJI, ("", "ISO 2022 IR 87")) == ("Yamada^Tarou=山田^太郎=やまだ^たろう", True)
    assert decode(HANGUL, ("", "ISO 2022 IR 149")) == ("Hong^Gildong=洪^吉洞=홍^길동", True)


def test_escape_sequences_name_their_set_when_the_header_does_not() -> None:
    assert decode(KANJI, ()) == ("Yamada^Tarou=山田^太郎=やまだ^たろう", False)
    assert decode(HANGUL, ("ISO_IR 6",)) == ("Hong^Gildong=洪^吉洞=홍^길동", False)


@pytest.mark.parametrize("stated", [(), ("",), ("NO SUCH SET",), ("ISO_IR 192",)])
def test_without_a_set_that_fits_utf8_is_tried_then_latin1_and_it_is_said(stated: tuple[str, ...]) -> None:
    assert decode("Müller".encode("latin-1"), stated) == ("Müller", False)
    if stated != ("ISO_IR 192",):
        assert decode("Люксембург".encode(), stated) == ("Люксембург", False)


@pytest.mark.parametrize("stated", [(), ("ISO_IR 192",), ("GB18030",), ("", "ISO 2022 IR 87"), ("nonsense", "x")])
def test_no_bytes_are_lost_whatever_they_are(stated: tuple[str, ...]) -> None:
    every_byte = bytes(range(1, 27)) + bytes(range(28, 256))
    text, _ = decode(every_byte, stated)
    assert "\ufffd" not in text
    assert {text.encode(codec) for codec in ("latin-1", "utf-8")} & {every_byte}


def test_ascii_needs_no_set_and_padding_goes() -> None:
    assert decode(b"Perez^Maria ", ()) == ("Perez^Maria", True)
    assert decode(b"1.2.3\0", ("ISO_IR 100",)) == ("1.2.3", True)
    assert decode(b"", ()) == ("", True)


def test_common_misspellings_of_a_set_are_known() -> None:
    assert decode("Müller".encode("latin-1"), ("ISO-IR 100",)) == ("Müller", True)
    assert decode("Müller".encode("latin-1"), ("ISO IR 100",)) == ("Müller", True)
