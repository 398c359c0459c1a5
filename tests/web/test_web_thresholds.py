"""The model's thresholds on the page: within its bounds, said wherever they were used, and back with one button."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from edge.people import thresholds
from edge.store import events
from edge.types import Findings, ModelId, OperatingPoints
from edge.web import words
from edge.web.access import LANGUAGE_COOKIE
from tests.web.appliance import MODEL, OWN, Appliance, findings, lesion
from tests.web.test_web_admin import send


def move(client: FlaskClient, **form: str) -> Any:
    return send(client, "/settings/thresholds", **form)


def used(appliance: Appliance) -> OperatingPoints | None:
    return thresholds.points_for(appliance.store, MODEL.sha256)


def read(client: FlaskClient) -> str:
    return client.get("/settings").text.replace("&#39;", "'")


@pytest.mark.requirement("a site moves thresholds within the model's bounds, and the page says what it means")
def test_the_admin_moves_them_and_the_page_says_what_that_means(appliance: Appliance, client: FlaskClient) -> None:
    assert words.THRESHOLDS_OWN in read(client)
    assert "move-back" not in read(client)
    assert move(client, possible="0.75", definite="0.95").status_code == 303
    assert used(appliance) == OperatingPoints(0.75, 0.95)
    text = read(client)
    assert words.THRESHOLDS_MORE in text
    assert words.THRESHOLDS_SURE_LATER in text
    assert words.THRESHOLDS_MOVED.format(possible="0.85", definite="0.92") in text
    assert 'value="0.75"' in text
    move(client, possible="0.9", definite="0.9")
    assert words.THRESHOLDS_FEWER in read(client)
    assert words.THRESHOLDS_SURE_SOONER in read(client)
    assert move(client, back="1").status_code == 303
    assert used(appliance) is None
    assert words.THRESHOLDS_OWN in read(client)
    audit = client.get("/audit").text
    assert "possible=0.8487 to 0.75" in audit
    with appliance.store.read() as connection:
        assert {one.actor for one in events.latest(connection, 3)} == {"Admin"}


@pytest.mark.parametrize(
    "form",
    [
        {"possible": "0.69", "definite": "0.9"}, {"possible": "0.8", "definite": "0.99"}, {"possible": "0.9"},
        {"possible": "0.93", "definite": "0.84"}, {"possible": "nan", "definite": "nan"},
        {"possible": "x", "definite": ""},
    ],
)  # fmt: skip
def test_what_the_model_does_not_allow_is_refused_with_words(
    appliance: Appliance, client: FlaskClient, form: dict[str, str]
) -> None:
    answer = move(client, **form)
    assert answer.status_code == 400
    assert words.THRESHOLDS_BAD in answer.text
    assert used(appliance) is None


def test_without_bounds_or_without_an_analysis_nothing_is_offered(appliance: Appliance, client: FlaskClient) -> None:
    appliance.speak(analyze={"bounds": None})
    assert words.THRESHOLDS_FIXED in read(client)
    assert 'name="possible"' not in read(client)
    assert move(client, possible="0.8", definite="0.9").status_code == 400
    appliance.run_clock.ahead_s += 60
    assert words.THRESHOLDS_UNKNOWN in read(client)
    assert move(client, possible="0.8", definite="0.9").status_code == 409


@pytest.mark.requirement("a threshold belongs to one version of one model")
def test_another_model_ends_them_and_the_page_says_so(appliance: Appliance, client: FlaskClient) -> None:
    move(client, possible="0.75", definite="0.9")
    newer = replace(MODEL, version="0.4.0", sha256="cd" * 32, possible_threshold=0.8, definite_threshold=0.9)
    appliance.speak(analyze={"model": asdict(newer)})
    said = words.THRESHOLDS_ENDED.format(before="hand-calcinosis 0.1.0", now="hand-calcinosis 0.4.0")
    text = read(client)
    assert said in text
    assert words.THRESHOLDS_OWN in text
    appliance.speak()
    assert words.THRESHOLDS_MORE in read(client)  # a step back to the model brings them back


def moved(*marks: Any) -> Findings:
    model = ModelId(MODEL.name, MODEL.version, MODEL.sha256, 0.75, 0.9, OWN)
    return replace(findings(*marks), model=model)


@pytest.mark.requirement("a result says that the site has moved the thresholds")
@pytest.mark.parametrize("language", ["en", "fr", "es", "ar"])
def test_a_result_says_that_the_site_has_moved_them(appliance: Appliance, client: FlaskClient, language: str) -> None:
    client.set_cookie(LANGUAGE_COOKIE, language)
    own = words.load(language)
    for number, analysis in enumerate((moved(lesion()), moved())):
        image = appliance.whole(analysis, b"%d" % number)
        for path in ("/", f"/images/{image.id}", f"/images/{image.id}/print"):
            assert own["THRESHOLDS_SET"] in client.get(path).text
        for path in (f"/images/{image.id}", f"/images/{image.id}/print"):
            assert own["THRESHOLDS_SAID"].partition("{")[0] in client.get(path).text
    assert client.get("/images/1/analysis.json").get_json()["model"]["moved_from"] == {
        "possible": 0.8487,
        "definite": 0.9233,
    }
    usual = appliance.whole(findings(), b"usual")
    table = csv.DictReader(io.StringIO(client.get("/images.csv").text))
    assert [row["thresholds_set_by"] for row in table] == ["release", "site", "site"]
    assert own["THRESHOLDS_SET"] not in client.get(f"/images/{usual.id}").text


def test_images_of_different_thresholds_are_not_compared(appliance: Appliance, client: FlaskClient) -> None:
    appliance.whole(findings(lesion()), b"one")
    second = appliance.whole(moved(lesion()), b"two")
    assert words.OBSTACLES["thresholds-differ"] in client.get(f"/images/{second.id}/compare").text
