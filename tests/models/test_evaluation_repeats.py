"""Same input, same release, same JSON: byte for byte apart from timing, in other processes and with other threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from edge.config import DEFAULT_RELEASE


def _answers(folder: Path, *, threads: int, hash_seed: str) -> list[bytes]:
    """One line for each golden film, timing left out, from a process of its own."""
    config = folder / f"threads-{threads}.toml"
    config.write_text(f"[analysis]\nthreads = {threads}\ndeadline_s = 600\n", encoding="utf-8")
    films = sorted((DEFAULT_RELEASE / "golden").glob("*.dcm"))
    command = [sys.executable, "-m", "edge", "analyze", "--json", "--all-scores", "--config", str(config)]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    run = subprocess.run([*command, *map(str, films)], capture_output=True, check=True, env=environment)
    lines = []
    for line in run.stdout.splitlines():
        head, timing = line.split(b',"timing_ms":')
        assert set(json.loads(timing.removesuffix(b"}"))) >= {"decode", "lesions", "total"}
        lines.append(head)
    assert len(lines) == len(films) >= 3
    return lines


@pytest.mark.requirement("the same image gives the same answer")
def test_the_same_bytes_whatever_the_process_and_its_threads(tmp_path: Path) -> None:
    one = _answers(tmp_path, threads=1, hash_seed="0")
    assert _answers(tmp_path, threads=2, hash_seed="1") == one
    assert sum(line.count(b'"region"') for line in one) > 10  # there is something to compare
