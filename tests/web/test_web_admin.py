"""The admin's pages: settings, archives, connections, audit, bundle; exports; the worklist."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from edge import siteparts
from edge.config import load
from edge.people import site
from edge.store import events, orders
from edge.web import words
from edge.web.app import create_app
from tests.web.appliance import Appliance, findings, lesion, not_analysed
from tests.web.test_web_axe import order
from tests.web.test_web_guard import SAME, token

PATIENT = ("Meyer", "Anna", "4711", "1960")
SECRETS = ("argon2", "correct horse", "482913")


def send(client: FlaskClient, path: str, page: str = "/settings", **form: str) -> Any:
    return client.post(path, data={"token": token(client, page)} | form, headers=SAME)


def test_settings_are_kept_and_told(appliance: Appliance, client: FlaskClient) -> None:
    answer = send(client, "/settings", language="es", screen_lock_minutes="5", webhook="https://example.org/x")
    assert answer.status_code == 303
    kept = site.read(appliance.store)
    assert (kept.language, kept.screen_lock_minutes, kept.chime) == ("es", 5, False)
    bad = send(client, "/settings", language="es", screen_lock_minutes="0", webhook="ftp://x", mail_to="a b")
    assert bad.status_code == 400
    assert "screen_lock_minutes" in bad.text
    assert site.read(appliance.store) == kept


def test_archives_are_added_checked_and_removed(appliance: Appliance, client: FlaskClient) -> None:
    good = {"type": "dicom", "name": "main", "title": "PACS", "host": "10.0.0.5", "port": "104", "confirm": "on"}
    assert send(client, "/settings/archives", **good).status_code == 303
    assert send(client, "/settings/archives", **good).status_code == 400  # the same name twice
    assert send(client, "/settings/archives", type="dicom", name="b", title="X" * 17, host="h").status_code == 400
    assert send(client, "/settings/archives", type="teleport", name="c").status_code == 400
    assert send(client, "/settings/worklist", title="WL", host="10.0.0.6", port="105").status_code == 303
    config = load(None, appliance.root)
    assert [one.name for one in config.destinations] == ["main"]
    assert config.worklist
    assert config.worklist.port == 105
    assert "PACS" in client.get("/settings").text
    before = siteparts.stamp(appliance.root)
    assert send(client, "/settings/archives/remove", name="main").status_code == 303
    assert siteparts.stamp(appliance.root) != before  # whoever watches it starts anew
    assert load(None, appliance.root).destinations == ()
    with appliance.store.read() as connection:
        told = [event.subject for event in events.latest(connection, 10) if event.what == "setting-changed"]
    assert set(told) == {"setting:destinations", "setting:worklist"}


def test_a_broken_site_file_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "site.json").write_text('{"web": {}}', encoding="ascii")
    from edge.errors import ConfigError

    with pytest.raises(ConfigError):
        load(None, tmp_path)


def test_connections_and_self_test_tell_each_answer(appliance: Appliance) -> None:
    asked: list[tuple[str, ...]] = []

    def examine(config: object, names: Any) -> list[dict[str, str]]:
        assert config is appliance.config
        asked.append(tuple(names))
        return [
            {"check": "archive main", "verdict": "FAIL", "text": "The archive doesn't answer. (PACS)", "do": "x",
             "code": "destination-unreachable"},
            {"check": "disk", "verdict": "ok", "text": "5 MB free", "do": "", "code": ""},
        ]  # fmt: skip

    appliance.app()
    app = create_app(appliance.store, appliance.config, appliance.run, register=appliance.register, examine=examine)
    client = app.test_client()
    client.set_cookie("calcedge_session", appliance.session())
    for page in ("/connections", "/machine"):
        text = send(client, page, page).text.replace("&#39;", "'")
        assert f"{words.CHECKS['archive']} main: {words.VERDICTS['FAIL']}" in text
        assert "The archive doesn't answer. (PACS)" in text
        assert "5 MB free" in text
    assert asked == [("serial", "dicom"), ()]


@pytest.mark.requirement("no patient data and no secrets leave in a support bundle")
def test_the_support_bundle_holds_no_patient_and_no_secret(appliance: Appliance, client: FlaskClient) -> None:
    appliance.whole(findings(lesion()))
    appliance.whole(not_analysed(), b"two")
    body = client.get("/support-bundle.zip").data
    with zipfile.ZipFile(io.BytesIO(body)) as bundle:
        everything = "".join(bundle.read(name).decode() for name in bundle.namelist())
        about = json.loads(bundle.read("about.json"))
        told = json.loads(bundle.read("events.json"))
    assert not any(word in everything for word in (*PATIENT, *SECRETS))
    assert about["audit_broken_at"] is None
    assert {"image-received", "bundle-made"} <= {event["what"] for event in told}
    assert "account:3" in everything  # who did it is a number
    assert '"Admin"' not in everything


def test_the_audit_trail_is_shown_and_checked(appliance: Appliance, client: FlaskClient) -> None:
    appliance.whole(findings())
    assert "image-reported" in client.get("/audit").text
    assert words.AUDIT_WHOLE in client.get("/audit?check=1").text
    with appliance.store.transaction() as tx:
        tx.execute("DROP TRIGGER events_are_not_changed")
        tx.execute("UPDATE events SET actor = 'somebody else' WHERE id = 3")
    assert words.AUDIT_BROKEN.format(id=3) in client.get("/audit?check=1").text


def test_a_backup_is_a_download_on_record(appliance: Appliance, client: FlaskClient) -> None:
    appliance.whole(findings())
    body = client.get("/backup.tar").data
    assert body[257:262] == b"ustar"
    with appliance.store.read() as connection:
        assert events.latest(connection, 1)[0].what == "backup-made"


def test_exports_are_what_was_asked_for_and_on_record(appliance: Appliance, client: FlaskClient) -> None:
    appliance.whole(findings(lesion()))
    appliance.whole(findings(), b"two", "=cmd()^Evil")
    text = client.get("/images.csv").data.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["outcome"] for row in rows] == ["no_findings", "findings"]
    assert rows[0]["patient_name"] == "'=cmd()^Evil"  # text, not a formula
    assert rows[1]["burden_left"] == "31.4"
    assert len(client.get("/images.csv?outcome=findings").text.splitlines()) == 2
    with zipfile.ZipFile(io.BytesIO(client.get("/images/1/export.zip").data)) as bundle:
        assert bundle.read("original.dcm") == b"DICOM 1"
        assert json.loads(bundle.read("analysis.json"))["outcome"] == "findings"
        assert len(bundle.namelist()) == 3
    with appliance.store.read() as connection:
        assert events.latest(connection, 1)[0].subject == "image:1"
    assert client.get("/images/99/export.zip").status_code == 404


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Appliance]:
    """An appliance with a worklist of two orders."""
    made = Appliance(tmp_path, {"worklist": {"title": "WL", "host": "127.0.0.1"}})
    made.speak()
    with made.store.transaction() as tx:
        orders.upsert(tx, order(), made.clock.now())
    yield made
    made.close()


@pytest.mark.requirement("the next exposure's patient is picked and shown")
def test_an_order_is_picked_shown_and_finished(clinic: Appliance) -> None:
    client = clinic.client()
    assert "Meyer, Anna Maria" in client.get("/orders?q=pat-4711").text
    assert words.ORDERS_NONE in client.get("/orders?q=nobody").text
    assert send(client, "/orders/1/pick", "/orders").headers["Location"] == "/"
    text = client.get("/").text
    assert words.ORDER_NEXT in text
    assert words.ORDER_SIDES["L"] in text
    assert send(client, "/orders/put-back", "/").status_code == 303
    assert words.ORDER_NEXT not in client.get("/").text
    with clinic.store.read() as connection:
        assert [event.actor for event in events.latest(connection, 2)] == ["Admin", "Admin"]


@pytest.mark.requirement("a mismatch of patient or side is loud")
@pytest.mark.parametrize(("verdict", "text"), [("refused", "ORDER_REFUSED"), ("differs", "ORDER_DIFFERS")])
def test_a_mismatch_is_loud_on_every_page_of_the_image(clinic: Appliance, verdict: str, text: str) -> None:
    image = clinic.whole(findings())
    with clinic.store.transaction() as tx:
        orders.add_link(
            tx,
            image.id,
            1,
            clinic.clock.now(),
            verdict=verdict,  # type: ignore[arg-type]
            evidence="picked",
            differences=("patient_name", "side"),
        )
    client = clinic.client()
    for path in ("/", f"/images/{image.id}", f"/images/{image.id}/print"):
        said = client.get(path).text.replace("&#39;", "'")
        head = getattr(words, text).partition("{")[0]
        assert head in said
        assert words.DIFFERENCES["patient_name"] in said
        assert words.ORDER_MISMATCH_DO in said


def test_every_difference_that_orders_know_has_words() -> None:
    from edge.orders import desk

    assert set(desk.WORDS) == set(words.DIFFERENCES)
