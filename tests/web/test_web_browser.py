"""The page in a real browser: results appear by themselves, buttons say what they did, a dead line is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from edge.flow import analyse_again
from edge.store import parcels
from edge.store.images import State
from edge.store.parcels import ParcelState
from edge.types import Analysis
from edge.web import phrases, words
from edge.web.access import COOKIE
from edge.web.server import serve
from tests.web.appliance import Appliance, Site, findings, lesion, not_analysed
from tests.web.browser import Browser, chromium

SCREENS = ((800, 480), (1280, 800))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture(autouse=True)
def signed_in(appliance: Appliance, browser: Browser) -> None:
    appliance.app()
    browser.cookie("http://127.0.0.1/", COOKIE, appliance.session())


def heading(text: str) -> str:
    return f"document.querySelector('h1')?.innerText.startsWith({text!r})"


@pytest.mark.requirement("an outcome is on screen soon after it is durable")
def test_an_image_is_followed_from_arrival_to_result(appliance: Appliance, site: Site, browser: Browser) -> None:
    browser.open(site.url)
    browser.complaints.clear()  # what the browser still had to say of an earlier test's page
    browser.open(site.url)
    browser.wait_for(browser.says(words.EMPTY_HEAD))
    image = appliance.receive()
    browser.wait_for(heading(words.PENDING_HEAD))
    appliance.admit(image)
    browser.wait_for(browser.says("Meyer, Anna Maria"))
    appliance.analyse(appliance.image(image.id), findings(lesion()))
    browser.wait_for(heading(words.FINDINGS_HEAD))
    browser.wait_for("document.querySelector('svg.film .mark.definite polygon')")
    appliance.report(appliance.image(image.id))
    browser.wait_for(browser.says(words.DELIVERY["queued"]))
    assert analyse_again(appliance.store, image.id, "test")
    browser.wait_for(heading(words.PENDING_HEAD))
    assert not browser.evaluate(heading(words.FINDINGS_HEAD))
    assert browser.complaints == []  # nothing that the content policy stopped, no script error


def test_a_button_says_what_it_did(appliance: Appliance, site: Site, browser: Browser) -> None:
    image = appliance.whole(findings())
    with appliance.store.transaction() as tx:
        parcel = parcels.of_image(tx, image.id)[0]
        parcels.settle(tx, parcel.id, ParcelState.HELD, appliance.clock.now(), reason="destination-rejected")
    browser.open(site.url)
    browser.evaluate(f"document.getElementById('send-{parcel.id}').click()")
    browser.wait_for(browser.says(phrases.send_asked(1)))
    with appliance.store.read() as connection:
        assert parcels.of_image(connection, image.id)[0].state is ParcelState.QUEUED


def test_a_button_that_fails_says_so(appliance: Appliance, site: Site, browser: Browser) -> None:
    image = appliance.whole(findings())
    browser.open(f"{site.url}/images/{image.id}")
    browser.evaluate("document.querySelector('form[data-action] [name=token]').value = 'stale'")
    browser.evaluate(f"document.getElementById('again-{image.id}').click()")
    browser.wait_for(browser.says(words.ACTION_FAILED))


def test_a_button_works_without_the_script(appliance: Appliance, site: Site, browser: Browser) -> None:
    image = appliance.whole(findings())
    browser.open(f"{site.url}/images/{image.id}")
    browser.evaluate("HTMLFormElement.prototype.submit.call(document.querySelector('form[data-action]'))")
    browser.wait_for(f"location.pathname === '/' && {heading(words.PENDING_HEAD)}")
    assert appliance.image(image.id).state is State.RECEIVED


@pytest.mark.requirement("hidden marks are never forgotten")
def test_marks_switch_off_and_come_back_with_the_next_image(appliance: Appliance, site: Site, browser: Browser) -> None:
    appliance.whole(findings(lesion(), uid="1.1"), b"one")
    browser.open(site.url)
    visible = "getComputedStyle(document.querySelector('.marks')).display !== 'none'"
    assert browser.evaluate(visible)
    browser.evaluate("document.getElementById('toggle-marks').click()")
    browser.wait_for(browser.says(words.MARKS_HIDDEN))
    assert not browser.evaluate(visible)
    appliance.whole(findings(lesion(), uid="1.2"), b"two", "Beta^Bo")
    browser.wait_for(browser.says("Beta, Bo"))
    browser.wait_for(f"document.querySelector('.marks') && {visible}")


@pytest.mark.requirement("a page that is not live says so")
def test_a_dead_line_is_told_and_heals(appliance: Appliance, unused_port: int, browser: Browser) -> None:
    appliance.whole(findings())

    def start() -> tuple[threading.Event, threading.Thread]:
        stop = threading.Event()
        app = appliance.app()
        thread = threading.Thread(target=serve, args=(app, "127.0.0.1", unused_port, stop))
        thread.start()
        assert app.extensions["live"].started.wait(10)
        return stop, thread

    lost = "!document.querySelector('.lost').hidden"
    stop, thread = start()
    browser.open(f"http://127.0.0.1:{unused_port}/")
    browser.wait_for("document.readyState === 'complete'")
    assert not browser.evaluate(lost)
    stop.set()
    thread.join(15)
    browser.wait_for(lost, timeout_s=20)
    assert browser.evaluate(browser.says(words.NOT_LIVE))
    appliance.whole(not_analysed(), b"two", "Beta^Bo")
    stop, thread = start()
    browser.wait_for(f"{heading(words.NOT_ANALYSED_HEAD)} && document.querySelector('.lost').hidden", timeout_s=30)
    stop.set()
    thread.join(15)


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("path", ["/", "/images/1", "/images", "/about", "/errors"])
def test_everything_fits_and_can_be_touched(
    appliance: Appliance, site: Site, browser: Browser, screen: tuple[int, int], path: str
) -> None:
    appliance.whole(findings(lesion(), lesion(2, "CARPUS", "possible", (400, 800))))
    browser.size(*screen)
    browser.open(site.url + path)
    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth")
    small = browser.evaluate(
        "[...document.querySelectorAll('button, nav a, a.button, .images a')]"
        ".filter((one) => one.offsetParent && Math.min(one.offsetWidth, one.offsetHeight) < 47.5)"
        ".map((one) => one.outerHTML)"
    )
    assert small == []


@pytest.mark.requirement("the outcome is seen without scrolling")
@pytest.mark.parametrize("screen", SCREENS)
def test_the_outcome_is_seen_without_scrolling(
    appliance: Appliance, site: Site, browser: Browser, screen: tuple[int, int]
) -> None:
    lesions = [lesion(n, f"DP{n}", "definite" if n % 2 else "possible", (60 * n, 90 * n)) for n in range(1, 6)]
    outcomes: list[Analysis] = [findings(*lesions), findings(), not_analysed("unusable-image")]
    for number, analysis in enumerate(outcomes):
        appliance.whole(analysis, b"%d" % number)
        browser.size(*screen)
        browser.open(site.url)
        bottom = browser.evaluate("document.querySelector('.verdict').getBoundingClientRect().bottom")
        assert bottom < 0.55 * screen[1]


def test_a_full_house_polls(appliance: Appliance, site: Site, browser: Browser) -> None:
    live = site.app.extensions["live"]
    for number in range(24):
        assert live.enter(f"guest {number // 4}")
    browser.open(site.url)
    browser.wait_for(browser.says(words.POLLING))
    appliance.receive()
    browser.wait_for(heading(words.PENDING_HEAD))
    assert browser.evaluate("document.querySelector('.lost').hidden")
    for number in range(24):
        live.leave(f"guest {number // 4}")
