"""Who may speak to the page: host names, origins, tokens, headers."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from edge.store import events, images
from edge.store.images import State
from tests.web.appliance import Appliance, findings

SAME = {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}


def token(client: FlaskClient, path: str) -> str:
    found = re.search(r'name="token" value="([0-9a-f]{64})"', client.get(path).text)
    assert found
    return found.group(1)


@pytest.mark.parametrize("path", ["/", "/images", "/images/1", "/about", "/errors", "/health", "/nothing"])
def test_every_answer_is_sealed(appliance: Appliance, client: FlaskClient, path: str) -> None:
    appliance.whole(findings())
    headers = client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_pages_have_nothing_inline(appliance: Appliance, client: FlaskClient) -> None:
    appliance.whole(findings())
    for path in ("/", "/images/1", "/about"):
        text = client.get(path).text
        assert re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", text) is None
        assert re.findall(r"<script(?![^>]* src=)", text) == []
        assert re.findall(r"(?:src|href)=\"(?!/|#)", text) == []


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1:8080", "192.168.4.20:8080", "[::1]:8080"])
def test_addresses_and_this_machine_are_known(client: FlaskClient, host: str) -> None:
    assert client.get("/health", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example:8080", "[::1", ""])
def test_foreign_names_get_nothing(appliance: Appliance, client: FlaskClient, host: str) -> None:
    appliance.whole(findings())
    answer = client.get("/", headers={"Host": host})
    assert answer.status_code in {400, 403}
    assert "Meyer" not in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:9999"},
    ],
)
def test_a_command_from_elsewhere_changes_nothing(
    appliance: Appliance, client: FlaskClient, headers: dict[str, str]
) -> None:
    image = appliance.whole(findings())
    form = {"token": token(client, "/images/1")}
    assert client.post(f"/images/{image.id}/analyse-again", data=form, headers=headers).status_code == 403
    assert appliance.image(image.id).state is State.REPORTED


def test_a_command_needs_this_visitors_token(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings())
    stolen = token(appliance.client(), "/images/1")
    for form in ({}, {"token": ""}, {"token": "é"}, {"token": stolen}):
        assert client.post(f"/images/{image.id}/analyse-again", data=form, headers=SAME).status_code == 403
    assert appliance.image(image.id).state is State.REPORTED


def test_a_command_from_our_page_is_done_and_audited(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings())
    form = {"token": token(client, "/images/1")}
    answer = client.post(f"/images/{image.id}/analyse-again", data=form, headers=SAME)
    assert answer.status_code == 303
    assert appliance.image(image.id).state is State.RECEIVED
    with appliance.store.read() as connection:
        newest = events.latest(connection, 1)[0]
        assert (newest.actor, newest.what, newest.subject) == ("Admin", "image-again", f"image:{image.id}")
        assert images.get(connection, image.id)


def test_the_cookie_is_for_us_alone(client: FlaskClient) -> None:
    cookie = client.get("/about").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Set-Cookie" not in client.get("/about").headers
