"""What many screens ask for at once is read once; who asks by hand, or in another language, reads anew."""

from __future__ import annotations

import threading
from typing import Any

from flask.testing import FlaskClient

from edge.web import words
from edge.web.access import LANGUAGE_COOKIE, REFRESH_HEADER
from edge.web.shared import Shared
from tests.web.appliance import Appliance, TestClock, findings, lesion

REFRESHES = {REFRESH_HEADER: "1"}


def counting(made: list[int]) -> Any:
    def read() -> dict[str, Any]:
        made.append(1)
        return {"number": len(made)}

    return read


def test_one_version_is_read_once_for_a_second() -> None:
    clock, made = TestClock(), list[int]()
    shared = Shared(clock)
    for _ in range(3):
        assert shared.reading("en", "a-1", counting(made)) == {"number": 1}
    assert shared.reading("fr", "a-1", counting(made)) == {"number": 2}
    assert shared.reading("en", "a-2", counting(made)) == {"number": 3}
    clock.ahead_s += 1.1
    assert shared.reading("en", "a-2", counting(made)) == {"number": 4}


def test_who_comes_while_one_reads_waits_for_it() -> None:
    shared, made, begun, goes_on = Shared(TestClock()), list[int](), threading.Event(), threading.Event()

    def slowly() -> dict[str, Any]:
        begun.set()
        assert goes_on.wait(10)
        return dict(counting(made)())

    answers: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: answers.append(shared.reading("en", "1", slowly))) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert begun.wait(10)
    goes_on.set()
    for thread in threads:
        thread.join(10)
    assert answers == [{"number": 1}] * 5


def test_a_page_that_fetches_itself_shows_each_new_version(appliance: Appliance, client: FlaskClient) -> None:
    live = client.application.extensions["live"]
    assert words.EMPTY_HEAD in client.get("/", headers=REFRESHES).text
    appliance.whole(findings(lesion()))
    assert words.FINDINGS_HEAD in client.get("/").text  # by hand: read anew, whatever the version
    live._version += 1  # as the watching thread counts it
    assert words.FINDINGS_HEAD in client.get("/", headers=REFRESHES).text
    client.set_cookie(LANGUAGE_COOKIE, "fr")
    assert words.load("fr")["FINDINGS_HEAD"] in client.get("/", headers=REFRESHES).text
