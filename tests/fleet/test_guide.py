"""The ten-minute guide works as it is written: its commands are run from the page."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.config import DEFAULT_RELEASE

ROOT = Path(__file__).resolve().parents[2]
MODEL = DEFAULT_RELEASE


def script(port: int) -> str:
    page = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
    part = page[page.index("## Ten minutes") : page.index("## A real box")]
    blocks = re.findall(r"^```sh\n(.*?)^```$", part, re.MULTILINE | re.DOTALL)
    assert len(blocks) >= 7
    return "set -eu\n" + "\n".join(blocks).replace("--port 8090", f"--port {port}")


@pytest.mark.timeout(900)
@pytest.mark.requirement("a newcomer can publish, spread, stop and take back a release by the guide")
def test_the_guide(tmp_path: Path, free_port: Callable[[], int]) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    calcedge = programs / "calcedge"
    calcedge.write_text(f'#!/bin/sh\nexec {sys.executable} -m edge "$@"\n')
    calcedge.chmod(0o755)
    desk = tmp_path / "desk"
    desk.mkdir()
    environment = os.environ | {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "MODEL": str(MODEL),
        "PYTHONPATH": str(ROOT),
    }
    with (tmp_path / "log").open("w+b") as log:
        process = subprocess.Popen(
            ["bash", "-c", script(free_port())],
            cwd=desk,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            code = process.wait(840)
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.kill()
            process.wait()
        log.seek(0)
        said = log.read().decode()
    assert code == 0, said[-3000:]
    assert "all is well" in said
    assert re.search(r"model model-1: halted at step 2 of 2: 100 % of all; 1 of \d failed", said), said[-3000:]
    assert "model model-1 failed: 1 (trial-golden)" in said
    last = dict(re.findall(r"^(box-\d) .*model=(\S+)", said, re.MULTILINE))
    assert last == {"box-1": "model-1", "box-2": "model-1", "box-3": "factory"}
