"""The two commands, as the page's script and as a page without script gives them."""

from __future__ import annotations

from flask.testing import FlaskClient

from edge.store import parcels
from edge.store.parcels import Parcel, ParcelState
from edge.web import phrases, words
from tests.web.appliance import Appliance, findings
from tests.web.test_web_guard import SAME, token

JSON = SAME | {"Accept": "application/json"}


def hold(appliance: Appliance, image_id: int) -> list[Parcel]:
    with appliance.store.transaction() as tx:
        own = parcels.of_image(tx, image_id)
        parcels.settle(tx, own[0].id, ParcelState.HELD, appliance.clock.now(), reason="destination-rejected")
        parcels.settle(tx, own[1].id, ParcelState.CONFIRMED, appliance.clock.now())
    return own


def states(appliance: Appliance, image_id: int) -> list[ParcelState]:
    with appliance.store.read() as connection:
        return [parcel.state for parcel in parcels.of_image(connection, image_id)]


def test_parcels_are_sent_again_held_or_confirmed(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings())
    held, confirmed = hold(appliance, image.id)
    form = {"token": token(client, "/"), "parcel": [held.id, confirmed.id, 999]}
    answer = client.post("/parcels/send-again", data=form, headers=JSON)
    assert answer.status_code == 200
    assert answer.json == {"ok": True, "text": phrases.send_asked(2)}
    assert states(appliance, image.id) == [ParcelState.QUEUED, ParcelState.QUEUED]


def test_sending_again_what_waits_no_more_says_so(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings())
    with appliance.store.read() as connection:
        waiting = parcels.of_image(connection, image.id)
    form = {"token": token(client, f"/images/{image.id}"), "parcel": [parcel.id for parcel in waiting]}
    answer = client.post("/parcels/send-again", data=form, headers=JSON)
    assert answer.status_code == 409
    assert answer.json == {"ok": False, "text": words.SEND_NOTHING}
    assert states(appliance, image.id) == [ParcelState.QUEUED, ParcelState.QUEUED]


def test_analysing_again_what_is_on_its_way_says_so(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings())
    form = {"token": token(client, f"/images/{image.id}")}
    path = f"/images/{image.id}/analyse-again"
    assert client.post(path, data=form, headers=JSON).json == {"ok": True, "text": words.ANALYSE_ASKED}
    answer = client.post(path, data=form, headers=JSON)
    assert answer.status_code == 409
    assert answer.json == {"ok": False, "text": words.ANALYSE_NOT_POSSIBLE}
    plain = client.post(path, data=form, headers=SAME)
    assert plain.status_code == 409
    assert words.ANALYSE_NOT_POSSIBLE in plain.text
