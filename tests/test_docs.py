"""The documents say what the code says."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from edge.cli import cli
from edge.errors import REASONS

ROOT = Path(__file__).resolve().parent.parent
CONTEXT = click.Context(cli)


def test_every_error_code_has_its_entry() -> None:
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    entries = dict(re.findall(r"^## (\S+)\n\n(.*?)(?=\n## |\Z)", page, re.MULTILINE | re.DOTALL))
    assert list(entries) == list(REASONS)
    for code, reason in REASONS.items():
        assert reason.text in entries[code]
        assert reason.do in entries[code]


def test_every_code_used_is_in_the_vocabulary() -> None:
    raised = re.compile(r'(?:Refused|StoreError|ReportError|DeliveryError|reason|CalcedgeError)\(\s*"([a-z-]+)"')
    used = {code for path in (ROOT / "edge").rglob("*.py") for code in raised.findall(path.read_text(encoding="utf-8"))}
    assert used - set(REASONS) == set()


@pytest.mark.parametrize("name", cli.list_commands(CONTEXT))
def test_every_command_is_in_the_readme(name: str) -> None:
    command = cli.get_command(CONTEXT, name)
    assert command is not None
    if not command.hidden:
        assert f"calcedge {name}" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert CliRunner().invoke(cli, [name, "--help"]).exit_code == 0


def test_the_version_is_told_once() -> None:
    from edge import __version__

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == __version__


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    listed = (folder / "README.md").read_text(encoding="utf-8")
    assert [p.name for p in folder.glob("0*.md") if p.name not in listed] == []


def test_links_between_documents_lead_somewhere() -> None:
    link = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
    broken = [
        f"{page.name}: {target}"
        for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for target in link.findall(page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert broken == []
