"""Open pages learn of changes: over the real server, with real streams."""

from __future__ import annotations

import contextlib
import http.client
import re
import sqlite3
import threading
from typing import Any

import pytest

from edge.store import Watch
from edge.web import live as live_module
from edge.web.live import STREAMS_PER_CLIENT, STREAMS_TOTAL, Live
from edge.web.server import THREADS, serve
from tests.web.appliance import Appliance, Site, findings
from tests.web.sse import connect


def version(port: int) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    connection.request("GET", "/sign-in")
    text = connection.getresponse().read().decode()
    connection.close()
    found = re.search(r'data-version="([^"]+)"', text)
    assert found
    return found.group(1)


def wait_for(condition: threading.Condition, true: object, what: str) -> None:
    assert callable(true)
    with condition:
        assert condition.wait_for(true, timeout=10), what


@pytest.mark.requirement("an outcome is on screen soon after it is durable")
def test_a_commit_reaches_an_open_stream(appliance: Appliance, site: Site) -> None:
    with connect(site, version(site.port)) as (status, stream):
        assert status == 200
        stream.next("beat")  # the page is up to date and the line is alive
        before_s = appliance.clock.monotonic_s()
        appliance.receive()
        event = stream.next("changed")
        assert appliance.clock.monotonic_s() - before_s < 2.0
        assert event.id == event.data != ""


def test_a_part_that_changes_reaches_an_open_stream(appliance: Appliance, site: Site) -> None:
    with connect(site, version(site.port)) as (_, stream):
        stream.next("beat")
        appliance.speak(bridge={"unit_state": "READY"})
        assert stream.next("changed").data


def test_what_changed_while_a_page_was_away_is_told_at_once(appliance: Appliance, site: Site) -> None:
    seen = version(site.port)
    with connect(site, seen) as (_, stream):
        appliance.receive()
        newest = stream.next("changed").id
    with connect(site, seen) as (_, stream):
        assert stream.next("changed").id == newest
    with connect(site, seen, last=newest) as (_, stream):
        assert next(stream.events()).kind == "beat"
    with connect(site, "another-life-3") as (_, stream):
        assert next(stream.events()).kind == "changed"


def test_streams_are_fewer_than_threads() -> None:
    assert STREAMS_TOTAL < THREADS
    assert STREAMS_PER_CLIENT < STREAMS_TOTAL


def test_one_client_has_a_few_streams_and_pages_go_on(site: Site) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(STREAMS_PER_CLIENT):
            assert stack.enter_context(connect(site))[0] == 200
        assert stack.enter_context(connect(site))[0] == 204
        assert stack.enter_context(connect(site, cookie="calcedge_visitor=another"))[0] == 200
        assert version(site.port)


def test_all_places_taken_and_given_back(appliance: Appliance, site: Site) -> None:
    live: Live = site.app.extensions["live"]
    with contextlib.ExitStack() as stack:
        streams = []
        for number in range(STREAMS_TOTAL):
            cookie = f"calcedge_visitor=visitor{number // STREAMS_PER_CLIENT}"
            status, stream = stack.enter_context(connect(site, cookie=cookie))
            assert status == 200
            streams.append(stream)
        assert stack.enter_context(connect(site, cookie="calcedge_visitor=late"))[0] == 204
        assert version(site.port)  # a page can always be had
        appliance.receive()
        assert [stream.next("changed").kind for stream in streams] == ["changed"] * STREAMS_TOTAL
    appliance.receive(b"wakes the streams, which then see that nobody listens")
    wait_for(live._condition, lambda: live._clients.total() == 0, "places were not given back")


def test_a_stream_ends_with_its_life(appliance: Appliance) -> None:
    live = Live(appliance.store, appliance.run, appliance.config, life_s=0.2, beat_s=0.05)
    live.start()
    said = list(live.stream(live.version, lambda: False))
    live.close()
    assert said[0].startswith("retry: ")
    assert len(said) > 1


def test_a_stream_ends_when_nobody_listens(appliance: Appliance) -> None:
    live = Live(appliance.store, appliance.run, appliance.config, beat_s=0.05)
    assert list(live.stream(live.version, lambda: True)) == [f"retry: {live_module.RETRY_MS}\n\n"]


@pytest.mark.requirement("a page that is not live says so")
def test_no_beat_without_a_watcher(appliance: Appliance) -> None:
    live = Live(appliance.store, appliance.run, appliance.config, beat_s=0.01)
    appliance.clock.ahead_s += live_module.STALE_S + 1  # nobody has looked for so long
    assert not any("beat" in said for said in live.stream(live.version, lambda: False))


def test_a_database_that_fails_makes_pages_look_for_themselves(
    appliance: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        def execute(self, _statement: str) -> object:
            raise sqlite3.OperationalError("disk I/O error")

        def close(self) -> None: ...

    watch: Any = Broken()
    monkeypatch.setattr("edge.store.database.Database.watch", lambda _self: Watch(watch))
    live = Live(appliance.store, appliance.run, appliance.config)
    first = live.version
    live.start()
    with live._condition:
        assert live._condition.wait_for(lambda: live.version != first, timeout=10)
    live.close()


def test_nothing_is_told_while_nothing_changes(appliance: Appliance) -> None:
    live = Live(appliance.store, appliance.run, appliance.config)
    live.start()
    with live._condition:
        first = live.version
        assert not live._condition.wait_for(lambda: live.version != first, timeout=1.5)
    appliance.speak()  # the same again: nothing that a page shows has changed
    with live._condition:
        assert not live._condition.wait_for(lambda: live.version != first, timeout=1.5)
    live.close()


@pytest.mark.requirement("the stop is clean")
def test_the_stop_ends_streams_and_threads(appliance: Appliance, unused_port: int) -> None:
    before = set(threading.enumerate())
    appliance.whole(findings())
    stop = threading.Event()
    app = appliance.app()
    server = threading.Thread(target=serve, args=(app, "127.0.0.1", unused_port, stop))
    server.start()
    live: Live = app.extensions["live"]
    live._beat_s = 0.2
    assert live.started.wait(10)
    site = Site("", unused_port, app, appliance.session())
    with connect(site, version(unused_port)) as (_, stream):
        stream.next("beat")
        stop.set()
        assert [event for event in stream.events() if event.kind == "changed"] == []
    server.join(15)
    left = [thread for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio")]
    assert left == []
