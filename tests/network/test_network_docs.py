"""Every piece of configuration in the guide is one that works, and every code in it exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.config import load
from edge.errors import REASONS, ConfigError

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "network.md").read_text(encoding="utf-8")
PIECES = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("number", range(len(PIECES)))
def test_each_piece_is_a_configuration(tmp_path: Path, number: int) -> None:
    path = tmp_path / "calcedge.toml"
    path.write_text(PIECES[number], encoding="utf-8")
    assert load(path).model_fields_set


def test_each_code_exists() -> None:
    table = PAGE.split("## When it does not work")[1]
    codes = re.findall(r"^\| ([a-z-]+) \|", table, re.MULTILINE)
    assert len(codes) > 5
    assert set(codes) <= set(REASONS)


def test_tls_without_its_section_is_said(tmp_path: Path) -> None:
    path = tmp_path / "calcedge.toml"
    path.write_text("[dicom]\ntls = true\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"there is no \[tls\] section"):
        load(path)
