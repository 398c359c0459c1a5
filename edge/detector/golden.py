"""Golden images: phantoms inside the release whose analysis was written down when it was made.

They are analysed at every start. A runtime, a processor or a disk that changes the answer is found out here, before it
answers about a patient. All of them are when a release comes and when somebody asks for the self-test; a start needs
the smallest with each outcome: every network, every step, something found and nothing found.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydicom import dcmread

from edge.detector.bundle import Bundle
from edge.errors import ModelError
from edge.types import Header, Identity, Technique

EXPECTED: Final = "golden/expected.json"
TOLERANCE: Final = 1e-3
"""Relative, and absolute for small numbers: another processor's rounding moves probabilities by 1e-6."""
_VARIABLE: Final = frozenset({"timing_ms", "model", "source"})

Analyse = Callable[[Path], dict[str, Any]]


def header(path: Path) -> Header:
    """The little that the detector needs of a golden image's header."""
    dataset = dcmread(path, stop_before_pixels=True)
    uid = str(dataset.SOPInstanceUID)
    identity = Identity(str(dataset.SOPClassUID), uid, uid, uid, "", "", "", "", "")
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    laterality = str(dataset.get("ImageLaterality") or "")
    size = int(dataset.Rows), int(dataset.Columns)
    return Header(identity, syntax, "DX", *size, "HAND", laterality, "PA", "", "", None, Technique())


def write(bundle: Bundle, analyse: Analyse) -> None:
    """Writes what the golden images give into the release."""
    results = {path.name: _stable(analyse(path)) for path in bundle.golden}
    target = bundle.folder / EXPECTED
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def check(bundle: Bundle, analyse: Analyse, *, thorough: bool = True) -> None:
    """Compares what the golden images give with what they gave: of all, or of as many as a start needs.

    Raises:
        ModelError: on any difference beyond `TOLERANCE`, or if the release has no golden image.
    """
    try:
        expected = json.loads((bundle.folder / EXPECTED).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError("the release has no golden results") from error
    names = {path.name for path in bundle.golden}
    if not names or names != set(expected):
        raise ModelError("the release's golden images and results don't belong together")
    films = bundle.golden if thorough else [path for path in bundle.golden if path.name in smallest(expected)]
    for path in films:
        for where in differences(expected[path.name], _stable(analyse(path))):
            raise ModelError(f"golden image {path.name} differs at {where}")


def smallest(expected: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Of each outcome the film with the fewest pixels."""

    def pixels(name: str) -> int:
        image = expected[name].get("image") or {}
        return int(image.get("rows", 0)) * int(image.get("columns", 0))

    by_size = sorted(expected, key=lambda name: (-pixels(name), name))
    return set({expected[name].get("outcome"): name for name in by_size}.values())


def differences(expected: Any, found: Any, where: str = "") -> Iterator[str]:
    """The places at which two JSON values differ by more than `TOLERANCE`."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            if key in expected and key in found:
                yield from differences(expected[key], found[key], f"{where}.{key}")
            else:
                yield f"{where}.{key}"
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{where} (length)"
            return
        for index, (a, b) in enumerate(zip(expected, found, strict=True)):
            yield from differences(a, b, f"{where}[{index}]")
    elif _number(expected) and _number(found):
        if not math.isclose(expected, found, rel_tol=TOLERANCE, abs_tol=TOLERANCE):
            yield where
    elif expected != found:
        yield where


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _stable(analysis: dict[str, Any]) -> dict[str, Any]:
    """Without what may differ from run to run, and without outlines: areas and boxes say as much."""
    kept = {key: value for key, value in analysis.items() if key not in _VARIABLE}
    if "lesions" in kept:
        kept["lesions"] = [{k: v for k, v in item.items() if k != "polygon"} for item in kept["lesions"]]
    plain: dict[str, Any] = json.loads(json.dumps(kept))
    return plain
