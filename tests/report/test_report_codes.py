"""Codes: the standard's are what DICOM's dictionary says they are, and ours are documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.coding import Code

from edge.errors import REASONS
from edge.report import codes
from edge.types import JOINTS, REGIONS

UNLISTED = {("C0034375", "UMLS"), ("{pixels}", "UCUM")}
"""In TID 1500 row 12 and TID 1602, but not in pydicom's dictionary."""


def all_codes() -> list[Code]:
    found = [value for value in vars(codes).values() if isinstance(value, Code)]
    for value in vars(codes).values():
        if isinstance(value, dict):
            found += [item for item in value.values() if isinstance(item, Code)]
    return [*found, *(codes.place(name) for name in (*REGIONS, *JOINTS)), *(codes.reason(code) for code in REASONS)]


def test_public_codes_are_in_dicoms_dictionary_with_that_meaning() -> None:
    public = [code for code in all_codes() if code.scheme_designator != codes.SCHEME]
    assert len(public) > 40
    dictionary: Any = concepts
    for code in public:
        if (code.value, code.scheme_designator) in UNLISTED:
            continue
        meanings = [
            values[code.value][0].lower()
            for values in dictionary[code.scheme_designator].values()
            if code.value in values
        ]
        assert meanings, code
        known = code.meaning.lower()
        units = code.scheme_designator == "UCUM"
        assert units or any(known in meaning or meaning in known for meaning in meanings), (code, meanings)


def test_private_codes_are_short_enough_for_their_attributes() -> None:
    for code in all_codes():
        assert len(code.meaning) <= 64, "Code Meaning is an LO"
        if code.scheme_designator == codes.SCHEME and code.value not in REASONS:
            assert len(code.value) <= 16, "Code Value is an SH"


def test_a_code_stands_for_one_thing() -> None:
    meanings: dict[tuple[str, str], str] = {}
    for code in all_codes():
        key = (code.value, code.scheme_designator)
        assert meanings.setdefault(key, code.meaning) == code.meaning


def test_every_private_code_is_documented_and_nothing_else_is() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    section = page.split("## Private codes")[1].split("\n## ")[0]
    written: set[str] = set()
    for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE):
        for first, last in re.findall(r"`([\w-]+)`(?: to `([\w-]+)`)?", row):
            stem = first.rstrip("0123456789")
            written |= {f"{stem}{n}" for n in range(int(first[-1]), int(last[-1]) + 1)} if last else {first}
    ours = {code.value for code in all_codes() if code.scheme_designator == codes.SCHEME} - set(REASONS)
    assert written == ours


def test_the_known_trap_is_not_stepped_in() -> None:
    assert "53075003" not in {code.value for code in all_codes()}


@pytest.mark.parametrize("name", [*REGIONS, *JOINTS])
def test_places_are_told_in_words(name: str) -> None:
    place = codes.place(name)
    assert place.value == name
    assert name == "CARPUS" or place.meaning.endswith(f"digit {name[-1]}")
