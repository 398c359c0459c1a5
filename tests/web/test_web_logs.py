"""No patient data reaches a log, not even when a page fails over a patient's own data."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from edge.web import words
from edge.web.access import COOKIE
from tests.web.appliance import Appliance, findings, lesion
from tests.web.test_web_guard import SAME, token

PATIENT = ("Meyer", "Anna", "4711", "1960")


@pytest.mark.requirement("no patient data in logs")
def test_visits_and_commands_log_no_patient(appliance: Appliance, caplog: pytest.LogCaptureFixture) -> None:
    image = appliance.whole(findings(lesion()))
    client = appliance.client()
    with capture_logs() as logs:
        for path in ("/", "/images", f"/images/{image.id}", f"/images/{image.id}/picture.png", "/about"):
            assert client.get(path).status_code == 200
        form = {"token": token(client, f"/images/{image.id}")}
        client.post(f"/images/{image.id}/analyse-again", data=form, headers=SAME)
    assert [entry["event"] for entry in logs] == ["analyse-again"]
    assert not any(word in f"{logs}{caplog.text}" for word in PATIENT)


@pytest.mark.requirement("no patient data in logs")
def test_a_page_that_fails_over_a_patients_header_logs_places_only(
    appliance: Appliance, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    appliance.whole(findings(lesion()))
    with appliance.store.transaction() as tx:
        tx.execute("UPDATE images SET header = replace(header, '\"PAT-4711\"', '{\"Meyer\": 4711}')")
    app = appliance.app()
    app.testing = False
    with capture_logs() as logs:
        client = app.test_client()
        client.set_cookie(COOKIE, appliance.session())
        answer = client.get("/")
    assert answer.status_code == 500
    assert words.PAGE_FAILED in answer.text
    assert words.NO_FINDINGS_HEAD not in answer.text
    said = f"{logs}{caplog.text}{capfd.readouterr()}"
    assert "page-failed" in said
    assert "edge.store.images" in said
    assert not any(word in said for word in PATIENT)
