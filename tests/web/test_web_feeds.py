"""Pictures, JSON, health."""

from __future__ import annotations

import io
import json

import pytest
from flask.testing import FlaskClient
from PIL import Image as Pixels

from edge import wire
from edge.web import words
from tests.web.appliance import Appliance, film_png, findings, lesion, not_analysed


def test_the_picture_is_the_film(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings(lesion()))
    full = client.get(f"/images/{image.id}/picture.png")
    assert full.mimetype == "image/png"
    assert full.data == film_png()
    small = client.get(f"/images/{image.id}/picture.png?width=300")
    with Pixels.open(io.BytesIO(small.data)) as film:
        assert film.size == (480, 600)
    again = client.get(f"/images/{image.id}/picture.png?width=300", headers={"If-None-Match": small.headers["ETag"]})
    assert again.status_code == 304
    assert again.data == b""
    assert small.headers["ETag"] != full.headers["ETag"]


def test_any_width_is_one_of_few(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings())
    assert client.get(f"/images/{image.id}/picture.png?width=5000").data == film_png()
    assert client.get(f"/images/{image.id}/picture.png?width=801").data == film_png()  # never enlarged
    one, other = (client.get(f"/images/{image.id}/picture.png?width={width}").data for width in (1, -5))
    assert one == other


@pytest.mark.requirement("a damaged object is never shown")
def test_a_damaged_picture_is_not_shown(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings())
    for path in appliance.store.objects.root.glob("*/*"):
        path.write_bytes(b"rubbish")
    answer = client.get(f"/images/{image.id}/picture.png")
    assert answer.status_code == 500
    assert "differs from what was received" in answer.text


def test_the_analysis_is_the_contract(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings(lesion()))
    body = client.get(f"/images/{image.id}/analysis.json").data
    assert wire.from_json(body) == findings(lesion(), uid="1.2.3.0")


def test_health_is_without_patients(appliance: Appliance, client: FlaskClient) -> None:
    appliance.whole(findings(lesion()))
    for path in ("/health", "/api/status"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "Meyer" not in answer.text
        assert "4711" not in answer.text
    status = client.get("/api/status").json
    assert status
    assert status["last_image"] == {"id": 1, "outcome": "findings"}
    assert status["parcels"]["folder"]["queued"] == 2


@pytest.mark.parametrize(
    ("service", "facts"),
    [
        ("analyze", {"ready": False}),
        ("analyze", {"ready": False, "reason": "model-unavailable"}),
        ("dicom", {"accepting": False}),
        ("dicom", {"listening": False}),
    ],
)
def test_health_fails_when_images_cannot_be_served(
    appliance: Appliance, client: FlaskClient, service: str, facts: dict[str, object]
) -> None:
    appliance.speak(**{service: facts})
    assert client.get("/health").status_code == 503


def test_health_fails_when_a_process_is_silent(appliance: Appliance, client: FlaskClient) -> None:
    assert client.get("/health").json == {"ok": True, "down": [], "problems": []}
    appliance.run_clock.ahead_s += 6
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json
    assert answer.json["down"] == ["dicom", "analyze", "bridge"]
    assert answer.json["problems"] == ["process-down"] * 3
    text = client.get("/").text
    for service in words.SERVICES.values():
        assert f"{service}: " in text


def test_a_silent_unit_is_told_but_images_are_served(appliance: Appliance, client: FlaskClient) -> None:
    appliance.speak(bridge={"link": "down", "unit_state": None, "reason": "unit-silent"})
    answer = client.get("/health")
    assert answer.status_code == 200
    assert json.loads(answer.data)["problems"] == ["unit-silent"]
    text = client.get("/").text
    assert words.LINKS["down"] in text
    assert words.UNIT_STATES["standby"] not in text


def test_not_analysed_has_no_picture_when_there_is_none(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.analyse(appliance.admit(appliance.receive()), not_analysed("damaged-pixels"), picture=False)
    assert client.get(f"/images/{image.id}/picture.png").status_code == 404
    assert words.NO_PICTURE in client.get("/").text
