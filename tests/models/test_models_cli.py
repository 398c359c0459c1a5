"""`calcedge-models phantom` writes films, truth and a contact sheet."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner
from PIL import Image

from models.cli import main


def test_phantom_writes_what_it_says(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["phantom", "--seed", "5", "--count", "1", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    truth = json.loads((tmp_path / "film_5.json").read_text(encoding="utf-8"))
    with Image.open(tmp_path / "film_5.png") as picture:
        assert f"{picture.height} x {picture.width}" in result.output
    assert truth["mm_per_pixel"] == 0.2
    assert truth["hands"][0]["side"] in {"L", "R"}
    assert (tmp_path / "contact_sheet.png").stat().st_size > 1000


def test_help_needs_no_torch() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for command in ("phantom", "train", "export", "evaluate"):
        assert command in result.output
