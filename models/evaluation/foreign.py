"""Foreign DICOM files through `calcedge analyze`, as a user would run it: none shows a hand, all must be refused."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Final

_OUR_FAULT: Final = frozenset({"model-unavailable", "deadline", "analysis-failed"})
"""Codes that say nothing about the file: the appliance could not look. They don't count as refusals."""


def refuse_all(folder: Path, release: Path) -> dict[str, Any]:
    """How each DICOM file of a folder ends; files of other kinds are left out.

    Args:
        folder: with the files.
        release: that shall analyse them.
    """
    files = sorted(path for path in folder.rglob("*.dcm"))
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(f"[analysis]\nrelease = {json.dumps(str(release.resolve()))}\n")
        config.flush()
        run = subprocess.run(
            [sys.executable, "-m", "edge", "analyze", "--json", "--config", config.name, *map(str, files)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    if len(answers) != len(files):
        raise RuntimeError(f"{len(files)} files gave {len(answers)} answers: {run.stderr[-500:]}")
    codes = {
        path.name: answer["reason"]["code"] if answer["outcome"] == "not_analysed" else ""
        for path, answer in zip(files, answers, strict=True)
    }
    refused = sum(bool(code) and code not in _OUR_FAULT for code in codes.values())
    return {"files": len(codes), "refused": refused, "codes": codes}
