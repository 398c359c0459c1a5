"""The threat model and the risk file name what exists: paths, tests, requirements."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_PATH = re.compile(r"`((?:edge|firmware_bridge|tests|systemd|docs|\.ci|models)/[A-Za-z0-9_./-]+)`")


def requirements() -> set[str]:
    """Every requirement that a test is marked with."""
    mark = re.compile(r'mark\.requirement\(\s*"([^"]+)"')
    return {name for path in (ROOT / "tests").rglob("*.py") for name in mark.findall(path.read_text(encoding="utf-8"))}


@pytest.mark.parametrize("page", ["threat-model.md", "risks.md", "security.md"])
def test_every_path_that_is_named_exists(page: str) -> None:
    named = _PATH.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))
    assert named
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_risk_has_a_control_that_a_test_verifies() -> None:
    known = requirements()
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in (ROOT / "docs" / "risks.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| R-")
    ]
    assert [row[0] for row in rows] == [f"R-{number:02d}" for number in range(1, len(rows) + 1)]
    for row in rows:
        assert len(row) == 8, row[0]
        assert all(row), row[0]
        assert row[5] in known, f"{row[0]}: no test is marked with {row[5]!r}"
        assert row[3] in "1234", row[0]


def test_every_threat_names_what_shows_its_answer() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\| [STRIDEF]", line) and line.count("|") == 5]
    assert len(rows) > 25
    assert [row for row in rows if not _PATH.search(row.rsplit("|", 2)[1])] == []
