"""A file counts as refused only when the appliance looked at it."""

from __future__ import annotations

from pathlib import Path

from edge.config import DEFAULT_RELEASE
from edge.errors import REASONS
from models.evaluation import foreign


def test_our_own_faults_are_known_codes() -> None:
    assert set(REASONS) >= foreign._OUR_FAULT


def test_a_file_that_is_no_image_is_refused_and_a_golden_hand_is_not(tmp_path: Path) -> None:
    (tmp_path / "text.dcm").write_text("not DICOM at all", encoding="utf-8")
    golden = next((DEFAULT_RELEASE / "golden").glob("*.dcm"))
    (tmp_path / "zz-hand.dcm").write_bytes(golden.read_bytes())
    found = foreign.refuse_all(tmp_path, DEFAULT_RELEASE)
    assert found["files"] == 2
    assert found["refused"] == 1
    assert found["codes"] == {"text.dcm": "not-dicom", "zz-hand.dcm": ""}


def test_a_broken_release_refuses_nothing(tmp_path: Path) -> None:
    golden = next((DEFAULT_RELEASE / "golden").glob("*.dcm"))
    (tmp_path / "hand.dcm").write_bytes(golden.read_bytes())
    (tmp_path / "release").mkdir()
    assert foreign.refuse_all(tmp_path, tmp_path / "release")["refused"] == 0
