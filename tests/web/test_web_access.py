"""Every route says who may use it; walking all of them as everybody shows that it is so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient

from edge.people.roles import RIGHTS, Right, Role
from edge.people.setup import make_code
from edge.store import events
from edge.web import words
from edge.web.access import ANYONE, COOKIE, SIGNED_IN, access_of
from edge.web.app import create_app
from tests.web.appliance import PASSWORD, PIN, Appliance, findings
from tests.web.test_web_guard import SAME, token

PATIENT = ("Meyer", "4711")


def routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Method, a path that exists, endpoint."""
    arguments = {"filename": "page.css", "code": "deadline", "token": "no-such-link", "name": "x", "use": "page"}
    for rule in app.url_map.iter_rules():
        values: dict[str, Any] = {name: arguments.get(name, 1) for name in rule.arguments}
        with app.test_request_context():
            path = app.url_for(rule.endpoint, **values)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            yield method, path, rule.endpoint


def ask(client: FlaskClient, method: str, path: str) -> tuple[int, str]:
    """Status and where it leads or what it says. Commands come from our own page."""
    if method == "GET":
        answer = client.get(path, buffered=True)
    else:
        answer = client.post(path, data={"token": token(client, "/sign-in")}, headers=SAME, buffered=True)
    return answer.status_code, answer.headers.get("Location", "") or answer.data.decode("latin-1")


@pytest.mark.requirement("deny by default: every route says who may use it")
def test_every_route_says_who_may_use_it(appliance: Appliance) -> None:
    app = appliance.app()
    with app.app_context():
        silent = {rule.endpoint for rule in app.url_map.iter_rules() if access_of(rule.endpoint) is None}
    assert silent == set()


@pytest.mark.requirement("deny by default: every route says who may use it")
def test_a_route_that_forgets_to_say_is_closed(appliance: Appliance) -> None:
    app = appliance.app()
    app.add_url_rule("/forgotten", "forgotten", lambda: "patient Meyer")
    client = app.test_client()
    client.set_cookie(COOKIE, appliance.session())
    answer = client.get("/forgotten")
    assert answer.status_code == 403
    assert "Meyer" not in answer.text


@pytest.mark.requirement("no patient is shown to strangers")
def test_a_stranger_gets_no_further_than_the_entrance(appliance: Appliance) -> None:
    appliance.whole(findings())
    app = appliance.app()
    client = app.test_client()
    for method, path, endpoint in routes(app):
        status, said = ask(client, method, path)
        assert not any(word in said for word in PATIENT), path
        with app.app_context():
            access = access_of(endpoint)
        if access != ANYONE:
            assert status in {303, 401}, (path, status)
            assert status == 401 or urlsplit(said).path == "/sign-in", path


@pytest.mark.requirement("a role may do what its rights say, and nothing else")
@pytest.mark.parametrize("role", Role)
def test_each_role_may_do_what_the_table_says(appliance: Appliance, role: Role) -> None:
    appliance.whole(findings())
    app = appliance.app()
    for method, path, endpoint in routes(app):
        client = appliance.client(role)  # a fresh session: one of the routes ends it
        with app.app_context():
            access = access_of(endpoint)
        status, said = ask(client, method, path)
        if isinstance(access, Right) and access not in RIGHTS[role]:
            assert status == 403, (path, role)
            assert words.NOT_FOR_YOU in said
            assert not any(word in said for word in PATIENT), path
        else:
            assert words.NOT_FOR_YOU not in said, (path, role)
            assert status != 401, (path, role)
            assert access in {ANYONE, SIGNED_IN} or status != 500, (path, said)


def test_signing_in_and_out(appliance: Appliance) -> None:
    appliance.whole(findings())
    client = appliance.client(None)
    door = client.get("/images/1")
    assert door.status_code == 303
    form = {"token": token(client, "/sign-in"), "name": "Technician", "secret": "wrong", "next": "/images/1"}
    refused = client.post("/sign-in", data=form, headers=SAME)
    assert refused.status_code == 403
    assert words.NOT_ALLOWED["wrong"].split(".")[0].replace("'", "&#39;") in refused.text
    let_in = client.post("/sign-in", data=form | {"secret": PIN}, headers=SAME)
    assert (let_in.status_code, let_in.headers["Location"]) == (303, "/images/1")
    cookie = next(value for value in let_in.headers.getlist("Set-Cookie") if COOKIE in value)
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Meyer" in client.get("/images/1").text
    out = client.post("/sign-out", data={"token": token(client, "/menu")}, headers=SAME)
    assert out.status_code == 303
    assert client.get("/images/1").status_code == 303


@pytest.mark.parametrize("away", ["https://evil.example/", "//evil.example", "/\\evil.example", "evil", "/a\r\nX: y"])
def test_the_entrance_never_leads_to_another_site(appliance: Appliance, away: str) -> None:
    client = appliance.client(None)
    form = {"token": token(client, "/sign-in"), "name": "Admin", "secret": PASSWORD, "next": away}
    assert client.post("/sign-in", data=form, headers=SAME).headers["Location"] == "/"


def test_a_tablet_needs_a_password(appliance: Appliance) -> None:
    client = appliance.client(None)
    form = {"token": token(client, "/sign-in"), "name": "Technician", "secret": PIN}
    tablet = {"REMOTE_ADDR": "10.0.0.7"}
    assert client.post("/sign-in", data=form, headers=SAME, environ_base=tablet).status_code == 403
    assert "Technician" not in client.get("/sign-in", environ_base=tablet).text  # nor are names told there
    form["secret"] = PASSWORD
    assert client.post("/sign-in", data=form, headers=SAME, environ_base=tablet).status_code == 303


@pytest.mark.requirement("an unattended screen locks itself")
def test_a_page_that_refreshes_itself_is_told_that_its_session_ended(appliance: Appliance) -> None:
    client = appliance.client()
    quiet = {"X-Calcedge-Refresh": "1"}
    appliance.clock.ahead_s += 9 * 60
    assert client.get("/", headers=quiet).status_code == 200
    appliance.clock.ahead_s += 2 * 60
    assert client.get("/", headers=quiet).status_code == 401


def test_a_fresh_appliance_shows_the_set_up_and_nothing_else(appliance: Appliance) -> None:
    appliance.whole(findings())
    app = create_app(appliance.store, appliance.config, appliance.run, "0.1.0", register=appliance.register)
    client = app.test_client()
    for path in ("/", "/images/1", "/sign-in", "/menu"):
        assert client.get(path).headers["Location"] == "/set-up"
    form = {
        "token": token(client, "/set-up"), "code": "00000000", "name": "Ada", "password": PASSWORD, "again": PASSWORD,
    }  # fmt: skip
    wrong = client.post("/set-up", data=form, headers=SAME)
    assert wrong.status_code == 403
    assert words.SET_UP_CODE_WRONG in wrong.text
    form["code"] = make_code(appliance.config)
    assert client.post("/set-up", data=form | {"again": "other"}, headers=SAME).status_code == 400
    assert client.post("/set-up", data=form, headers=SAME).headers["Location"] == "/"
    assert client.get("/").status_code == 200
    assert client.post("/set-up", data=form | {"name": "Eve"}, headers=SAME).status_code == 403
    with appliance.store.read() as connection:
        assert "account-added" in [event.what for event in events.after(connection, 0)]


def test_the_admin_adds_changes_and_stops_people(appliance: Appliance) -> None:
    client = appliance.client()
    form = {"token": token(client, "/people"), "name": "Tom", "role": "technician", "pin": "904127"}
    assert words.PEOPLE_ADDED.format(name="Tom") in client.post("/people", data=form, headers=SAME).text
    again = client.post("/people", data=form, headers=SAME)
    assert again.status_code == 400
    assert words.NOT_ALLOWED["name-taken"] in again.text
    tom = appliance.register.named("Tom")
    assert tom
    stop = {"token": form["token"], "role": "technician", "standing": "stop"}
    assert client.post(f"/people/{tom.id}", data=stop, headers=SAME).status_code == 200
    stopped = appliance.register.named("Tom")
    assert stopped
    assert not stopped.active
    assert client.post("/people", data=form | {"role": "emperor"}, headers=SAME).status_code == 400


def test_the_language_is_chosen_and_kept(appliance: Appliance) -> None:
    client = appliance.client()
    form = {"token": token(client, "/menu"), "language": "fr", "next": "/menu"}
    assert client.post("/language", data=form, headers=SAME).headers["Location"] == "/menu"
    assert 'lang="fr" dir="ltr"' in client.get("/menu").text
    assert client.post("/language", data=form | {"language": "xx"}, headers=SAME).status_code == 404
    fresh = appliance.client()
    assert 'lang="fr"' in fresh.get("/menu").text  # kept with the account
