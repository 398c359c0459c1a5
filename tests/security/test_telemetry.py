"""The runtime of the networks tells nobody that it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from edge.config import DEFAULT_RELEASE

_LOAD = """
import sys
from pathlib import Path
from edge.detector import bundle
from edge.detector.engine import Engine
Engine(bundle.load(Path(sys.argv[1])), threads=1)
"""


def test_loading_a_model_leaves_no_trace_for_its_maker(tmp_path: Path) -> None:
    """Without telemetry there is no device identifier: with it, it lies in the cache."""
    homes = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "TMPDIR")}
    command = [sys.executable, "-B", "-c", _LOAD, str(DEFAULT_RELEASE)]
    subprocess.run(command, env=os.environ | homes, check=True, timeout=280)
    assert list(tmp_path.rglob("*")) == []
