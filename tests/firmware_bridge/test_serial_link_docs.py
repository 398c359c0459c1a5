"""The page for firmware authors says what the code does: its vectors, its table of types, its schema."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from firmware_bridge.frame import Decoder, Frame, FrameFlag
from firmware_bridge.frame import encode as encode_frame
from firmware_bridge.messages import EVENTS, TO_HOST, TYPE_OF, MessageType, decode, encode
from firmware_bridge.reading import Nonsense
from firmware_bridge.schema import cddl

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "serial-link.md").read_text(encoding="utf-8")
VECTOR = re.compile(r"^### (.+)\n\n    payload\n((?:    [0-9a-f ]+\n)+)    wire\n((?:    [0-9a-f ]+\n)+)", re.MULTILINE)
VECTORS = {
    title: (bytes.fromhex(payload.replace("\n", "")), bytes.fromhex(wire.replace("\n", "")))
    for title, payload, wire in VECTOR.findall(PAGE)
}


@pytest.mark.parametrize("title", VECTORS)
def test_a_vector_of_the_page_is_what_the_code_sends_and_reads(title: str) -> None:
    payload, wire = VECTORS[title]
    decoder = Decoder()
    (frame,) = decoder.feed(wire)
    message = decode(frame.type, frame.payload)
    assert frame.payload == payload == encode(message)
    assert MessageType(frame.type).name == title.split(maxsplit=1)[0].rstrip(":,")
    assert TYPE_OF[type(message)] == frame.type
    assert encode_frame(Frame(frame.type, frame.flags, 0xB6C7, frame.seq, encode(message))) == wire
    assert bool(frame.flags & FrameFlag.ACK_WANTED) == (frame.type in EVENTS)


def test_the_page_has_a_vector_of_every_type() -> None:
    assert sorted(Decoder().feed(wire)[0].type for _, wire in VECTORS.values()) == sorted(MessageType)


def test_the_page_lists_every_type_with_its_sender() -> None:
    rows = re.findall(r"^\| ([0-9a-f]{2}) \| ([A-Z_]+) \| (unit|host) \|", PAGE, re.MULTILINE)
    assert {(int(number, 16), name, sender) for number, name, sender in rows} == {
        (int(one), one.name, "unit" if one in TO_HOST else "host") for one in MessageType
    }


def test_the_page_lists_every_contradiction() -> None:
    table = PAGE.partition("can't be true")[2].partition("A HELLO or HEARTBEAT")[0]
    assert set(re.findall(r"^\| ([a-z-]+) \|", table, re.MULTILINE)) - {"code"} == {one.value for one in Nonsense}


def test_the_exposure_byte_by_byte_is_the_vector() -> None:
    table = PAGE.rpartition("byte by byte")[2]
    told = bytes.fromhex("".join(re.findall(r"^\| ((?:[0-9a-f]{2} ?)+) \|", table, re.MULTILINE)))
    (wire,) = (wire for title, (_, wire) in VECTORS.items() if title.startswith("EXPOSURE"))
    from cobs import cobs

    assert told == cobs.decode(wire[:-1])


def test_the_schema_is_the_code() -> None:
    assert (DOCS / "serial-link.cddl").read_text(encoding="utf-8") == cddl()
