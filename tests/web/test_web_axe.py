"""Every page can be used by everybody: axe-core's rules for WCAG 2.2 AA, on both screens, in both directions."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.store import orders
from edge.store.orders import OrderFacts
from edge.types import QualityNote
from edge.web.access import COOKIE, LANGUAGE_COOKIE
from tests.web.appliance import Appliance, Site, findings, lesion, not_analysed
from tests.web.browser import Browser, chromium

ROOT = Path(__file__).resolve().parents[2]
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
PAGES = (
    "/", "/images", "/images?q=nobody", "/images/1", "/images/2", "/images/3", "/images/4", "/images/4/compare",
    "/images/1/print", "/orders", "/menu", "/people", "/settings", "/connections", "/machine", "/audit?check=1",
    "/keeping", "/about", "/errors", "/errors/deadline", "/no-such-page",
)  # fmt: skip


MORE = {"worklist": {"title": "WL", "host": "127.0.0.1"}, "web": {"tls": {"host": "0.0.0.0"}}}
"""A configuration with every page."""


def order() -> OrderFacts:
    return OrderFacts("1.2.9", "S1", "P1", "A9", "PAT-4711", "Meyer^Anna^Maria", "19600102", "F", "L", "DX", "Hand",
                      "2026-11-22T11:00:00", b"")  # fmt: skip


def fill(appliance: Appliance) -> None:
    """One image of each outcome, an earlier one of the same patient, a problem, an order."""
    note = QualityNote("clipped-fingertip", "warning", "The film's edge cuts a fingertip (DP2).")
    appliance.filmed(findings(lesion(), lesion(2, "CARPUS", "possible", (400, 800)), quality=(note,)), 1)
    appliance.whole(findings(), b"two", "Beta^Bo")
    appliance.whole(not_analysed(), b"three", "Gamma^Guy")
    appliance.filmed(findings(lesion(), lesion(2, "DP3", "definite", (500, 200))), 4)
    appliance.expose(1)
    with appliance.store.transaction() as tx:
        found = orders.upsert(tx, order(), appliance.clock.now())
        orders.set_picked(tx, found, appliance.clock.now())
    appliance.speak(
        bridge={"anode_heat_percent": 80, "battery_percent": 10, "battery_charging": False, "unit_state": "READY"},
        dicom={"destinations": {"folder": {"reachable": False, "reason": "destination-folder"}}},
    )


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    made = Appliance(tmp_path, MORE)
    fill(made)
    yield made
    made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def axe() -> str:
    folder = ROOT / "var" / "axe"
    subprocess.run([ROOT / ".ci" / "axe", folder], check=True, timeout=120)
    return (folder / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.needs("npm", "chromium")
@pytest.mark.requirement("every page can be used by everybody")
@pytest.mark.parametrize(("screen", "language"), [((800, 480), "ar"), ((1280, 800), "en")])
def test_no_page_violates_wcag(
    appliance: Appliance, site: Site, browser: Browser, axe: str, screen: tuple[int, int], language: str
) -> None:
    browser.size(*screen)
    browser.cookie(site.url, LANGUAGE_COOKIE, language)
    found = []
    browser.call("Network.clearBrowserCookies")
    browser.cookie(site.url, LANGUAGE_COOKIE, language)
    for path in ("/sign-in", "/sign-in?other=1", *PAGES):
        if path == PAGES[0]:
            browser.cookie(site.url, COOKIE, appliance.session())
        browser.open(site.url + path)
        browser.evaluate(f"{axe}; 0")
        answer = browser.evaluate(
            f"axe.run(document, {{ runOnly: {json.dumps(TAGS)} }}).then((all) => JSON.stringify(all.violations.map("
            "(one) => [one.id, one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160))])))"
        )
        found += [(path, *violation) for violation in json.loads(answer)]
    assert not found, "\n".join(map(str, found))
