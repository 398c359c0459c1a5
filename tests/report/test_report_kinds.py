"""The table of objects is what the page says, what `make_reports` makes, and what the standard calls it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from pydicom.uid import UID

from edge.network import implementation
from edge.report import codes, document
from edge.report.fhir_observations import SYSTEMS
from edge.report.kinds import KINDS
from edge.types import ReportKind

PAGE = Path(__file__).resolve().parents[2] / "docs" / "report.md"
ROW = re.compile(r"^\| `([\w-]+)` \| ([\d.]+) ([^|]+?) \| (\w+) \| (\d+) \| (\w+) \|", re.MULTILINE)


def test_every_kind_is_in_the_table_and_named_by_the_standard() -> None:
    assert tuple(KINDS) == get_args(ReportKind)
    for kind in KINDS.values():
        assert UID(kind.sop_class_uid).name.endswith("Storage")
        assert len(kind.modality) <= 16
    assert len({kind.series_number for kind in KINDS.values()}) == len(KINDS)
    assert len({kind.modality for kind in KINDS.values()}) == len(KINDS)


def test_the_page_lists_the_same_objects() -> None:
    written = {row[0]: row[1:] for row in ROW.findall(PAGE.read_text(encoding="utf-8"))}
    assert written.keys() == KINDS.keys()
    for name, (uid, words, modality, series, made) in written.items():
        kind = KINDS[name]
        assert (uid, modality, int(series), made) == (kind.sop_class_uid, kind.modality, kind.series_number, kind.made)
        assert UID(uid).name.split(" Storage")[0].startswith(words.split(",")[0].removesuffix(" Image")), (uid, words)


def test_objects_name_the_same_implementation_as_associations() -> None:
    assert document.IMPLEMENTATION_CLASS_UID == implementation.CLASS_UID
    assert document.IMPLEMENTATION_VERSION == implementation.VERSION


def test_the_page_names_our_scheme_in_fhir() -> None:
    assert f"`{SYSTEMS[codes.SCHEME]}`" in PAGE.read_text(encoding="utf-8")


def test_every_scheme_of_a_code_has_a_name_in_fhir() -> None:
    schemes = {code.scheme_designator for code in codes.every()}
    assert codes.SCHEME in schemes
    assert schemes - {"UMLS"} <= SYSTEMS.keys(), "UMLS names a container of the structured report only"
