"""Options, the unit under test, and the evidence of each test.

`pytest tests/hil` runs on simulated units of all three kinds; `--port` and `--profile` on a real one. What a real unit
can't do (being unplugged by a program) or what needs a person at its switch is left out there, and said.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from firmware_bridge import trace as traces
from firmware_bridge.simulator import Scenario
from firmware_bridge.simulator.replay import PROFILES, in_words
from firmware_bridge.trace import Trace
from tests.firmware_bridge.rig import Rig
from tests.hil.subject import Subject, Wanted

_SPEED = {"own": 5.0, "spellman-pmx": 5.0, "spellman-xrv": 5.0}
_left_out: dict[str, int] = {}
_TRACE = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("hil", "hardware in the loop")
    group.addoption("--port", help="the serial port of a real unit; without it, simulated units are tested")
    group.addoption("--profile", choices=PROFILES, help="what kind of unit; all kinds when simulated and not given")
    group.addoption("--hil-seed", type=int, default=1, help="of all that is random (default: 1)")
    group.addoption("--operator", action="store_true", help="a person stands at the real unit and exposes when asked")
    group.addoption("--last-kv-per-count", type=float, help="PMX: what one count of command 60 is, in kV")
    group.addoption("--evidence", type=Path, default=Path("var/hil"), help="where traces go (default: var/hil)")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "profiles(*names): the kinds of unit that this test is about; all by default")
    config.addinivalue_line("markers", "sim_only: does to the unit what only a simulated one can be made to do")
    config.addinivalue_line("markers", "exposes: needs exposures: a person at a real unit's switch")
    if config.getoption("--port", None) and not config.getoption("--profile", None):
        raise pytest.UsageError("--port needs --profile: " + ", ".join(PROFILES))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "profile" in metafunc.fixturenames:
        asked = metafunc.config.getoption("--profile", None)
        metafunc.parametrize("profile", [asked] if asked else PROFILES)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    dropped = []
    for item in items:
        if here in item.path.parents and (why := _why_not(item, config)) is not None:
            dropped.append(item)
            if why:
                _left_out[why] = _left_out.get(why, 0) + 1
    if dropped:
        config.hook.pytest_deselected(items=dropped)
        items[:] = [item for item in items if item not in dropped]


def _why_not(item: pytest.Item, config: pytest.Config) -> str | None:
    """Why this test does not run here: something that can be told, or "" where it is plain. None: it runs."""
    real = config.getoption("--port", None) is not None
    about = item.get_closest_marker("profiles")
    params: dict[str, Any] = getattr(getattr(item, "callspec", None), "params", {})
    if about is not None and params.get("profile", about.args[0]) not in about.args:
        return ""
    if item.get_closest_marker("soak") and not config.getoption("markexpr", ""):
        return "-m soak, and a while"
    if real and item.get_closest_marker("sim_only"):
        return "a simulated unit"
    if real and item.get_closest_marker("exposes") and not config.getoption("--operator"):
        return "--operator: a person at the switch"
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for what, count in sorted(_left_out.items()):
        terminalreporter.write_line(f"NOT RUN: {count} hardware tests need {what}", yellow=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the end of its trace in words."""
    report = yield
    path = item.stash.get(_TRACE, None)
    if report.failed and call.when == "call" and path is not None:
        recording = traces.read(path)
        last = list(in_words(recording, recording.facts.get("unit", "own")))[-40:]
        report.sections.append((f"serial trace ({path})", "\n".join(last)))
    return report


@pytest.fixture
def wanted(request: pytest.FixtureRequest, profile: str) -> Wanted:
    option = request.config.getoption
    return Wanted(
        port=option("--port", None),
        profile=profile,
        seed=option("--hil-seed", 1),
        operator=bool(option("--operator", False)),
        last_kv_per_count=option("--last-kv-per-count", None),
        evidence=option("--evidence", Path("var/hil")),
    )


@pytest.fixture
def subject(request: pytest.FixtureRequest, wanted: Wanted, tmp_path: Path) -> Iterator[Subject]:
    """The unit under test; afterwards its evidence stands in the JUnit file."""
    wanted.evidence.mkdir(parents=True, exist_ok=True)
    name = request.node.name.replace("/", "_").replace("[", "-").rstrip("]")
    path = wanted.evidence / f"{name}.trace"
    port = wanted.port or str(tmp_path / "unit")
    trace = Trace.open(path, unit=wanted.profile, port=wanted.port or "simulated", seed=wanted.seed, test=name)
    request.node.stash[_TRACE] = path
    subject = Subject(wanted, port, trace, path, _prompter(request), rng=random.Random(wanted.seed))
    if wanted.port is None:
        subject.rig = Rig(tmp_path / "unit")
        subject.control = tmp_path / "control"
        scenario = Scenario(seed=wanted.seed, speed=_SPEED[wanted.profile])
        foreign = wanted.profile != "own"
        subject.rig.simulate(scenario, profile=wanted.profile, control=subject.control, paced=foreign)
        subject.rig.wait_for_line("STANDBY")
    yield subject
    if subject.rig is not None:
        subject.rig.close()
    trace.close()
    facts = {
        "hil.port": wanted.port or "simulated",
        "hil.profile": wanted.profile,
        "hil.device": subject.device_id,
        "hil.firmware": subject.firmware,
        "hil.seed": wanted.seed,
        "hil.trace": path,
    }
    request.node.user_properties += [(key, str(value)) for key, value in facts.items() if value is not None]
    print(f"[[ATTACHMENT|{path.resolve()}]]")  # what CI servers collect beside a JUnit file


def _prompter(request: pytest.FixtureRequest) -> Any:
    capture = request.config.pluginmanager.getplugin("capturemanager")

    def prompt(text: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n>>> {text}", flush=True)

    return prompt
