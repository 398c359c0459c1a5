"""The page in people's hands: every flow in Chromium, by finger on a small screen, by mouse on a large one.

Screenshots of every page are written to `var/screens` for people to look at.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from edge.people.roles import Role
from edge.store import events, orders
from edge.store.images import State
from edge.web import words
from edge.web.access import COOKIE, LANGUAGE_COOKIE
from tests.web.appliance import MODEL, OWN, PIN, Appliance, Site, findings, lesion
from tests.web.browser import Browser, chromium
from tests.web.test_web_axe import MORE, PAGES, fill

SCREENS = Path(__file__).resolve().parents[2] / "var" / "screens"


@dataclass
class Visitor:
    """Somebody with a browser: how large, how they touch, and what they read."""

    browser: Browser
    site: Site
    width: int
    height: int
    language: str
    finger: bool

    def go(self, path: str) -> None:
        """Opens a page."""
        self.browser.open(self.site.url + path)

    def press(self, selector: str) -> None:
        """With a finger or the mouse."""
        (self.browser.tap if self.finger else self.browser.click)(selector)

    def sees(self, name: str) -> None:
        """Waits for a sentence in their language."""
        self.browser.wait_for(self.browser.says(str(words.load(self.language)[name])))

    def picture(self, name: str) -> None:
        """For people to look at."""
        SCREENS.mkdir(parents=True, exist_ok=True)
        self.browser.picture(SCREENS / f"{name}-{self.width}x{self.height}-{self.language}.png")


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


@pytest.fixture(params=[(800, 480, "ar", True), (1280, 800, "en", False)], ids=["small-touch-ar", "large-mouse-en"])
def visitor(request: pytest.FixtureRequest, browser: Browser, site: Site) -> Visitor:
    width, height, language, finger = request.param
    browser.size(width, height)
    browser.call("Emulation.setTouchEmulationEnabled", enabled=finger)
    browser.call("Network.clearBrowserCookies")
    browser.cookie(site.url, LANGUAGE_COOKIE, language)
    return Visitor(browser, site, width, height, language, finger)


@pytest.fixture
def admin(visitor: Visitor) -> Visitor:
    visitor.browser.cookie(visitor.site.url, COOKIE, visitor.site.cookie)
    return visitor


def test_signing_in_with_the_pad_and_locking(visitor: Visitor) -> None:
    visitor.go("/images/1")
    visitor.sees("SIGN_IN_WHO")
    visitor.picture("sign-in")
    visitor.press(f"input[value={Role.TECHNICIAN.title()}]")
    for digit in PIN:
        visitor.press(f"[data-digit='{digit}']")
    visitor.press(".go")
    visitor.browser.wait_for("location.pathname === '/images/1'")
    visitor.go("/menu")
    visitor.picture("menu-technician")
    assert not visitor.browser.evaluate("document.querySelector(\"a[href='/settings']\")")
    visitor.press("#sign-out")
    visitor.browser.wait_for("location.pathname === '/sign-in'")
    visitor.go("/")
    visitor.browser.wait_for("location.pathname === '/sign-in'")


@pytest.mark.requirement("the viewer shows what was sent, with its own window")
def test_the_viewer(admin: Visitor) -> None:
    browser = admin.browser
    admin.go("/images/4")
    browser.complaints.clear()  # what it still had to say of an earlier test's page
    shown = "document.querySelector('.viewer')?.dataset.shown === '16'"
    browser.wait_for(shown)
    grey = """(() => { const plate = document.querySelector('.plate'), ink = plate.getContext('2d');
        return ink.getImageData(plate.width / 2, plate.height * 0.75, 1, 1).data[0]; })()"""
    before = browser.evaluate(grey)
    assert before > 20
    admin.picture("viewer")
    admin.press("[data-do=invert]")
    browser.wait_for(f"Math.abs({grey} - {255 - before}) <= 2")
    admin.press("[data-do=sent]")
    browser.wait_for(f"Math.abs({grey} - {before}) <= 2")
    browser.evaluate("""(() => { const slider = document.querySelector('[data-slider=level]');
        slider.value = 900; slider.dispatchEvent(new Event('input')); })()""")
    browser.wait_for(f"{grey} < {before - 10}")
    admin.press("[data-do=sent]")
    zoom = "Number(document.querySelector('.viewer').dataset.zoom)"
    admin.press("[data-do=closer]")
    browser.wait_for(f"{zoom} > 1.5")
    x, y = browser.middle(".stage")
    box = "document.querySelector('.stage svg').getAttribute('viewBox')"
    at = browser.evaluate(box)
    if admin.finger:
        browser.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y, "id": 1}])
        for step in range(1, 6):
            point = {"x": x + 12 * step, "y": y + 6 * step, "id": 1}
            browser.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=[point])
        browser.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    else:
        browser.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", buttons=1, clickCount=1)
        for step in range(1, 6):
            browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + 12 * step, y=y + 6 * step, buttons=1)
        browser.call("Input.dispatchMouseEvent", type="mouseReleased", x=x + 60, y=y + 30, button="left")
    browser.wait_for(f"{box} !== {at!r}")
    if admin.finger:
        ends = [[{"x": x - far, "y": y, "id": 1}, {"x": x + far, "y": y, "id": 2}] for far in (20, 40, 60, 80)]
        browser.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=ends[0])
        for pair in ends[1:]:
            browser.call("Input.dispatchTouchEvent", type="touchMove", touchPoints=pair)
        browser.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    else:
        browser.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=-400)
    browser.wait_for(f"{zoom} > 2.5")
    admin.press("[data-do=whole]")
    browser.wait_for(f"{zoom} === 1")
    admin.press("[data-do=names]")
    browser.wait_for("getComputedStyle(document.querySelector('.names')).display !== 'none'")
    admin.press("[data-do=names]")
    where = browser.evaluate("""(() => { document.querySelector('.stage').scrollIntoView({ block: 'center' });
        const box = document.querySelector('.mark circle').getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2]; })()""")
    touch(admin, *where)
    browser.wait_for("!document.querySelector('.card').hidden")
    admin.picture("viewer-card")
    assert "6" in browser.evaluate("document.querySelector('.card').innerText")
    admin.press("[data-do=card]")
    admin.press("[data-do=ruler]")
    x, y = browser.middle(".stage")
    touch(admin, x - 60, y)
    touch(admin, x + 60, y)
    browser.wait_for("/[0-9] mm/.test(document.querySelector('.measured').textContent)")
    admin.picture("viewer-ruler")
    scale = browser.evaluate(f"Number({box}.split(' ')[2]) / document.querySelector('.stage').clientWidth")
    told = browser.evaluate("document.querySelector('.measured').textContent").replace(",", ".")
    assert float(told.split()[0]) == pytest.approx(120 * scale * 0.15, rel=0.03)
    admin.press("[data-do=ruler]")
    admin.press("#toggle-marks")
    browser.wait_for("getComputedStyle(document.querySelector('.marks')).display === 'none'")
    admin.press("#toggle-marks")
    admin.press("#toggle-ignored")
    browser.wait_for("getComputedStyle(document.querySelector('.ignored')).display !== 'none'")
    assert [said for said in browser.complaints if said.startswith("error") and "REFUSED" not in said] == []


def touch(visitor: Visitor, x: float, y: float) -> None:
    if visitor.finger:
        visitor.browser.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        visitor.browser.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
    else:
        for kind in ("mousePressed", "mouseReleased"):
            visitor.browser.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)


def test_comparing_searching_and_scanning(admin: Visitor) -> None:
    browser = admin.browser
    admin.go("/images/4/compare")
    browser.wait_for("document.querySelectorAll('.viewer[data-shown=\"16\"]').length === 2")
    admin.picture("compare")
    admin.go("/images")
    browser.evaluate("document.querySelector('#q').focus()")
    browser.keys("bet")
    admin.press(".search .go")
    browser.wait_for("document.querySelectorAll('.images a').length === 1")
    assert "Beta" in browser.evaluate("document.querySelector('.images').innerText")
    admin.go("/about")
    browser.keys("gamma\n")  # a scanner, wherever one is
    browser.wait_for("location.pathname === '/images/3'")


@pytest.mark.requirement("a site moves thresholds within the model's bounds, and the page says what it means")
def test_moving_the_thresholds_and_back(admin: Visitor, appliance: Appliance) -> None:
    browser = admin.browser
    admin.go("/settings")
    admin.sees("THRESHOLDS_OWN")
    least = "document.querySelector('[name=possible]')"
    browser.evaluate(f"{least}.focus(); {least}.select()")
    browser.keys("0.5")
    admin.press("#move")
    browser.wait_for(f"{least}.validity.rangeUnderflow")  # the browser asks for one within the bounds
    browser.evaluate(f"{least}.focus(); {least}.select()")
    browser.keys("0.75")
    admin.press("#move")
    admin.sees("THRESHOLDS_MORE")
    admin.sees("THRESHOLDS_KEPT")
    admin.picture("thresholds-moved")
    image = appliance.whole(
        replace(
            findings(lesion()), model=replace(MODEL, possible_threshold=0.75, definite_threshold=0.92, moved_from=OWN)
        ),
        b"moved",
        "Delta^Di",
    )
    for path in ("/", f"/images/{image.id}/print"):
        admin.go(path)
        admin.sees("THRESHOLDS_SET")
        admin.picture(f"with-moved-thresholds{path.replace('/', '-')}")
    admin.go("/settings")
    admin.press("#move-back")
    admin.sees("THRESHOLDS_OWN")
    assert not browser.evaluate("document.querySelector('#move-back')")


def test_picking_an_order(admin: Visitor, appliance: Appliance) -> None:
    with appliance.store.transaction() as tx:
        picked = orders.picked(tx)
        assert picked
        orders.set_state(tx, picked.id, orders.OrderState.OPEN, appliance.clock.now())
    admin.go("/orders")
    admin.picture("orders")
    admin.press("#pick-1")
    admin.browser.wait_for("location.pathname === '/' && document.querySelector('.order')")
    admin.picture("now-with-order")


def test_a_new_outcome_is_told_on_every_page_with_a_chime(admin: Visitor, appliance: Appliance) -> None:
    admin.go("/about")
    image = appliance.whole(findings(lesion()), b"five", "Delta^Di")
    toast = "!document.querySelector('.toast').hidden && document.querySelector('.toast').textContent"
    admin.browser.wait_for(f"({toast} || '').includes('{image.id}')")
    admin.browser.wait_for("document.documentElement.dataset.chimed === '1'")
    assert "Delta" not in admin.browser.evaluate("document.querySelector('.toast').textContent")


def test_analysing_again_and_sending_again(admin: Visitor, appliance: Appliance) -> None:
    admin.go("/images/1")
    admin.press("#again-1")
    admin.sees("ANALYSE_ASKED")
    assert appliance.image(1).state is State.RECEIVED
    with appliance.store.read() as connection:
        assert events.latest(connection, 1)[0].actor == Role.ADMIN.title()


def test_the_printable_page_is_a_pdf_of_few_sheets(admin: Visitor) -> None:
    admin.go("/images/1/print")
    made = base64.b64decode(admin.browser.call("Page.printToPDF", printBackground=True)["data"])
    assert made.startswith(b"%PDF")
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", made)) <= 4
    SCREENS.mkdir(parents=True, exist_ok=True)
    (SCREENS / f"print-{admin.language}.pdf").write_bytes(made)


@pytest.mark.requirement("every page fits the screen and can be touched")
def test_every_page_fits_and_is_written_for_people_to_look_at(admin: Visitor) -> None:
    for path in PAGES:
        admin.go(path)
        name = path.strip("/").replace("/", "-").replace("?", "-").replace("=", "-") or "now"
        admin.picture(f"page-{name}")
        wide = admin.browser.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, path
        small = admin.browser.evaluate(
            "[...document.querySelectorAll('button, nav a, a.button, .images a, summary')]"
            ".filter((one) => one.offsetParent && Math.min(one.offsetWidth, one.offsetHeight) < 43.5)"
            ".map((one) => one.outerHTML)"
        )
        assert small == [], path
