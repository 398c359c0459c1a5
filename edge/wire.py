"""One analysis as JSON, `schema: 1`, exactly as the contract says, and back.

The same input and release give the same bytes, `timing_ms` aside. Absent optional values are left out, never null.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from typing import Any, Final

from pydantic import TypeAdapter

from edge.types import Analysis, Findings, NotAnalysed

SCHEMA: Final = 1

_FINDINGS: Final = TypeAdapter(Findings)
_NOT_ANALYSED: Final = TypeAdapter(NotAnalysed)


def to_dict(analysis: Analysis) -> dict[str, Any]:
    """The analysis as JSON-ready values, keys in the contract's order."""
    body: dict[str, Any] = _plain(analysis)
    head: dict[str, Any] = {"schema": SCHEMA, "source": body.pop("source")}
    if "sop_instance_uid" in body:
        head["sop_instance_uid"] = body.pop("sop_instance_uid")
    head["outcome"] = analysis.outcome
    timing = body.pop("timing_ms")
    return head | body | {"timing_ms": timing}


def to_json(analysis: Analysis) -> str:
    """The analysis as one line of JSON."""
    return json.dumps(to_dict(analysis), ensure_ascii=False, separators=(",", ":"))


def from_json(text: str | bytes) -> Analysis:
    """Reads an analysis back.

    Raises:
        ValueError: if the text is not an analysis of this schema.
    """
    body = json.loads(text)
    if not isinstance(body, dict) or body.pop("schema", None) != SCHEMA:
        raise ValueError("not an analysis of a known schema")
    outcome = body.pop("outcome", None)
    analysis: Analysis
    if outcome == "not_analysed":
        analysis = _NOT_ANALYSED.validate_python(body)
    else:
        analysis = _FINDINGS.validate_python(body)
        if analysis.outcome != outcome:
            raise ValueError(f"outcome {outcome!r} contradicts the lesions listed")
    return analysis


def _plain(value: object) -> Any:
    if is_dataclass(value):
        pairs = ((f.name, getattr(value, f.name)) for f in fields(value))
        return {name: _plain(item) for name, item in pairs if item is not None}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 4)
    return value
