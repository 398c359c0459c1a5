"""What every process does alike: it says that it lives, and ends when it can have no memory any more."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from edge.clock import SystemClock
from edge.headroom import headroom
from edge.runtime import RunFolder

_BEATING = """
import os, sys, threading
from pathlib import Path
from edge.clock import SystemClock
from edge.runtime import RunFolder
from edge.services.process import Beat
clock = SystemClock()
beat = Beat("web", RunFolder(Path(sys.argv[1]), clock), clock)
while True:
    beat({"serving": True})
    print("beat", flush=True)
    threading.Event().wait(0.1)
"""


def test_there_is_headroom_here() -> None:
    assert headroom()


@pytest.mark.requirement("nothing lost")
def test_a_process_that_can_have_no_memory_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _BEATING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"beat\n"
        assert RunFolder(tmp_path, SystemClock()).read("web")
        resource.prlimit(process.pid, resource.RLIMIT_AS, (1 << 20, 1 << 20))
        assert process.wait(60) == os.EX_OSERR
