"""The pages about simulated units and about hardware in the loop say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from edge.cli import simulate
from firmware_bridge import trace
from firmware_bridge.simulator import MODELS, load
from firmware_bridge.simulator.control import read_words
from firmware_bridge.simulator.scenario import STEPS, Wait, read_step

DOCS = Path(__file__).resolve().parents[2] / "docs"
SIMULATOR = (DOCS / "simulator.md").read_text(encoding="utf-8")
HIL = (DOCS / "hardware-in-the-loop.md").read_text(encoding="utf-8")


def test_every_step_is_in_the_table() -> None:
    table = SIMULATOR[SIMULATOR.index("| step |") : SIMULATOR.index("A host that sets the port")]
    cells = re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`([a-z-]+)`", cell)} == set(STEPS)


def test_every_kind_of_unit_is_in_the_table() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \| (?:\[our|\[Spell|the same)", SIMULATOR, re.MULTILINE) == list(MODELS)


def test_the_scenario_on_the_page_is_one(tmp_path: Path) -> None:
    lines = [line[4:] for line in SIMULATOR[SIMULATOR.index("    seed = 7") :].splitlines() if line.startswith("    ")]
    text = "\n".join(lines[: lines.index('do = "settle"') + 1])
    (tmp_path / "page.toml").write_text(text, encoding="utf-8")
    scenario = load(tmp_path / "page.toml")
    assert (scenario.repeat, scenario.chaos is not None, [step.do for step in scenario.step]) == (
        3,
        True,
        ["expose", "unplug", "settle"],
    )


def test_every_order_on_the_page_is_understood() -> None:
    orders = re.findall(r"simulate control \S+ ([^#\n]+)", SIMULATOR)
    assert len(orders) == 7
    for order in orders:
        words = [word.replace('"', "") for word in re.findall(r'(?:[^\s"]|"[^"]*")+', order)]
        if words not in (["status"], ["watch"]):
            assert not isinstance(read_step(read_words(words)), Wait)


@pytest.mark.parametrize("page", [SIMULATOR, HIL])
def test_every_option_on_the_pages_exists(page: str) -> None:
    for command, rest in re.findall(r"^    calcedge simulate (\w+)([^#\n]*)", page, re.MULTILINE):
        known = {name for option in simulate.commands[command].params for name in option.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, command
    unit = {name for option in simulate.commands["unit"].params for name in option.opts}
    listed = set(
        re.findall(r"`(--[a-z-]+)", SIMULATOR[SIMULATOR.index("| option |") : SIMULATOR.index("## Make things")])
    )
    assert listed | {"--port-link", "--profile", "--exposures", "--every"} == unit


def test_the_trace_on_the_page_begins_as_traces_do(tmp_path: Path) -> None:
    recorder = trace.Trace.open(tmp_path / "t", unit="own", baud=115_200)
    recorder.close()
    begun = (tmp_path / "t").read_text(encoding="ascii").splitlines()
    assert "\n".join(f"    {line}" for line in begun) in HIL


def test_the_commands_say_what_is_wrong_in_a_sentence(tmp_path: Path) -> None:
    run = CliRunner().invoke
    (tmp_path / "no.trace").write_text("hello\n", encoding="ascii")
    (tmp_path / "bad.toml").write_text("step = [{ do = 'explode' }]", encoding="utf-8")
    for arguments, complaint in (
        (["control", str(tmp_path / "nobody"), "status"], "No such file"),
        (["control", str(tmp_path / "nobody"), "unplug", "2"], "NAME=VALUE"),
        (["replay", str(tmp_path / "no.trace")], "does not begin"),
        (["unit", "--port-link", str(tmp_path / "p"), "--scenario", str(tmp_path / "bad.toml")], "explode"),
        (["unit", "--port-link", str(tmp_path / "no" / "p"), "--exposures", "0"], "No such file"),
        (["unit", "--port-link", str(tmp_path / "p"), "--profile", "toaster"], "toaster"),
    ):
        result = run(simulate, arguments)
        assert result.exit_code != 0
        assert complaint in result.output, (arguments, result.output)
        assert "Traceback" not in result.output
    assert "wrong-baud" in run(simulate, ["steps"]).output
