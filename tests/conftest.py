"""What every test may use, and what happens where a test can't run.

A test that needs a foreign program says `@pytest.mark.needs("storescu")`; one that needs the shared radiographs says
`@pytest.mark.shared_data`. Where that is missing the test is left out, the end of the run says so, and under CI the run
fails: nothing is skipped in silence.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from edge.store import Store

# The same examples in every run: a change that breaks something shows at once, and nothing fails by chance.
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.load_profile("seeded")

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"

_left_out: dict[str, int] = {}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        missing = _missing(item)
        (dropped if missing else kept).append(item)
        for thing in missing:
            _left_out[thing] = _left_out.get(thing, 0) + 1
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = kept


def _missing(item: pytest.Item) -> list[str]:
    missing = [
        program
        for marker in item.iter_markers("needs")
        for program in marker.args
        if not Path(program).is_file()  # a plug-in, by its whole path
        and shutil.which(program) is None
        and shutil.which(program, path="/usr/sbin:/sbin") is None
    ]
    if item.get_closest_marker("shared_data") and not SHARED.is_dir():
        missing.append("the shared radiographs")
    return missing


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for thing, count in sorted(_left_out.items()):
        terminalreporter.write_line(f"NOT RUN: {count} tests need {thing}, which is not here", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Radiographs that may not be copied into the project can be missing anywhere; programs can be installed.
    if os.environ.get("CI") and set(_left_out) - {"the shared radiographs"}:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def shared_data() -> Path:
    """The real radiographs and DICOM files, for evaluation only."""
    return SHARED


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A fresh store."""
    opened = Store.open(tmp_path / "store")
    yield opened
    opened.close()


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives network ports that nobody listens on."""

    def take() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return take
