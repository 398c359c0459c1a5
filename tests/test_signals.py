"""The word to stop is heard whatever the main thread is about to do."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

_WITHIN_S = 20

_HOLDING_ITS_LOCK = """
import os, sys
from edge.signals import told_to_stop
stop = told_to_stop()
with stop._cond:  # as Event.wait does, for a moment
    os.kill(os.getpid(), int(sys.argv[1]))
    assert not stop._flag
assert stop.wait(10)
"""

_POLLING = """
import sys
from edge.signals import told_to_stop
stop = told_to_stop()
print("polls", flush=True)
while not stop.wait(0):
    pass
"""

_AGAIN = """
import os, signal
from edge.signals import told_to_stop
before, stop = told_to_stop(), told_to_stop()
os.kill(os.getpid(), signal.SIGINT)
assert stop.wait(10)
assert not before.is_set()
"""


def _run(code: str, *arguments: str) -> int:
    return subprocess.run([sys.executable, "-c", code, *arguments], check=False, timeout=_WITHIN_S).returncode


@pytest.mark.parametrize("word", [signal.SIGTERM, signal.SIGINT])
def test_a_word_that_comes_while_the_lock_is_held(word: signal.Signals) -> None:
    assert _run(_HOLDING_ITS_LOCK, str(int(word))) == 0


def test_a_loop_that_looks_all_the_time_always_ends() -> None:
    for _ in range(25):
        with subprocess.Popen([sys.executable, "-c", _POLLING], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"polls\n"
            process.terminate()
            try:
                assert process.wait(_WITHIN_S) == 0
            finally:
                process.kill()


def test_the_last_who_asks_is_told() -> None:
    assert _run(_AGAIN) == 0
