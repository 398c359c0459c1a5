"""What the appliance is made of: pinned with hashes, and under licences that the product can live with."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

LOCK = Path(__file__).resolve().parents[2] / "requirements" / "appliance.txt"
_PARTS = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_FORBIDDEN = re.compile(r"(?<!L)(?<!Lesser )(?<!Library )\bA?GPL|GNU (Affero )?General Public License", re.IGNORECASE)
_NOT_HERE = {"colorama", "pywin32", "tzdata", "win32-setctime"}
"""For other systems: in the lock, never on an appliance."""


def parts() -> list[tuple[str, str, str]]:
    """Name, version, and the rest of each entry of the lock."""
    return _PARTS.findall(LOCK.read_text(encoding="utf-8"))


def plain(name: str) -> str:
    """A part's name as it is compared (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name.lower())


def licence(name: str) -> str:
    """What a part says of its licence: the expression, else the classifiers, else the first line of the field."""
    about = metadata.metadata(name)
    expression = about.get_all("License-Expression") or []
    classified = [kind for kind in about.get_all("Classifier") or [] if kind.startswith("License ::")]
    field = [text.partition("\n")[0] for text in about.get_all("License") or []]
    return " / ".join(expression or classified or field)


@pytest.mark.requirement("the supply chain is known")
def test_every_part_is_pinned_with_its_hashes() -> None:
    found = parts()
    assert len(found) > 30
    assert [name for name, _, rest in found if "--hash=sha256:" not in rest] == []
    lines = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if line and not line[0].isspace()]
    assert [line for line in lines if "==" not in line and not line.startswith("#")] == []


@pytest.mark.requirement("the supply chain is known")
def test_no_part_is_under_the_gpl_or_agpl() -> None:
    installed = {plain(dist.metadata["Name"]) for dist in metadata.distributions()}
    names = [name for name, _, _ in parts() if plain(name) in installed]
    missing = {name for name, _, _ in parts()} - set(names) - _NOT_HERE
    assert missing == set(), "what is not installed can't be looked at"
    told = {name: licence(name) for name in names}
    assert {name: text for name, text in told.items() if _FORBIDDEN.search(text)} == {}
    assert [name for name, text in told.items() if not text] == []


@pytest.mark.parametrize(
    ("text", "forbidden"),
    [
        ("GPL-3.0-only", True), ("AGPL-3.0", True), ("GNU General Public License v3 (GPLv3)", True), ("GPLv2", True),
        ("LGPL-3.0-or-later", False), ("GNU Lesser General Public License v3 (LGPLv3)", False), ("MIT", False),
        ("EPL-2.0 OR BSD-3-Clause", False), ("GNU Affero General Public License", True),
    ],
)  # fmt: skip
def test_the_check_knows_one_from_the_other(text: str, *, forbidden: bool) -> None:
    assert bool(_FORBIDDEN.search(text)) is forbidden
