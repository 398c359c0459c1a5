"""Every page in every state: what it must say, and what it must never say."""

from __future__ import annotations

import html
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from edge import flow
from edge.errors import REASONS
from edge.store import images, parcels
from edge.store.parcels import ParcelState
from edge.types import QualityNote
from edge.web import words
from tests.web.appliance import Appliance, findings, lesion, not_analysed


def page(client: FlaskClient, path: str = "/", status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status
    return html.unescape(answer.text)


def test_an_empty_appliance_says_so(client: FlaskClient) -> None:
    text = page(client)
    assert words.EMPTY_HEAD in text
    assert words.NO_FINDINGS_HEAD not in text


@pytest.mark.requirement("findings are shown as a suspicion with place and size")
def test_findings_are_told_in_words(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings(lesion(), lesion(2, "CARPUS", "possible", (400, 800))))
    for path in ("/", f"/images/{image.id}"):
        text = page(client, path)
        assert f"<h1>{words.FINDINGS_HEAD}</h1>" in text
        assert words.UNVERIFIED in text
        assert "Left hand: 2 areas (1 definite, 1 possible): index, wrist" in text
        assert "Left index finger, end phalanx (DP2)" in text
        assert "6.1 mm²" in text
        assert "4.0 mm long" in text
        assert "Also suspected: narrow joint space at 1 joint; bone loss at 1 fingertip." in text
        assert words.NO_FINDINGS_HEAD not in text


@pytest.mark.requirement("a negative does not exclude")
def test_no_findings_do_not_exclude(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings())
    for path in ("/", f"/images/{image.id}"):
        text = page(client, path)
        assert f"<h1>{words.NO_FINDINGS_HEAD}</h1>" in text
        assert words.NO_FINDINGS_NOTE in text
        assert words.UNVERIFIED in text
        assert words.FINDINGS_HEAD not in text
        assert words.NOT_ANALYSED_HEAD not in text


@pytest.mark.requirement("a failure never looks like a clean result")
def test_a_failure_never_looks_clean(appliance: Appliance, client: FlaskClient) -> None:
    for number, (code, reason) in enumerate(sorted(REASONS.items())):
        failure = replace(not_analysed(code), sop_instance_uid=f"1.{number}")
        image = appliance.analyse(appliance.admit(appliance.receive(b"%d" % number), uid=f"1.{number}"), failure)
        for text in (page(client), page(client, f"/images/{image.id}")):
            assert f"<h1>{words.NOT_ANALYSED_HEAD}</h1>" in text
            assert reason.text in text
            assert reason.do in text
            assert words.NOT_ANALYSED_NOTE in text
            for clean in (words.NO_FINDINGS_HEAD, words.OUTCOME_SHORT["no_findings"], words.QUALITY_OK):
                assert clean not in text
    listed = page(client, "/images")
    assert words.OUTCOME_SHORT["no_findings"] not in listed[listed.index('<div id="images"') :]


def test_a_refused_image_is_as_loud_and_names_nobody(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.receive()
    appliance.flow.refuse(image, replace(not_analysed("not-a-radiograph"), image=None))
    text = page(client)
    assert words.NOT_ANALYSED_HEAD in text
    assert words.STEPS["failed"]["admitted"] in text
    assert words.PATIENT_UNREAD in text
    assert words.NO_PICTURE in text


@pytest.mark.requirement("no result is shown before there is one")
def test_an_image_on_its_way_has_no_result_yet(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.receive()
    assert words.WAITING["received"] in page(client)
    appliance.admit(image)
    assert words.WAITING["admitted"] in page(client)
    appliance.speak(analyze={"working_on": image.id})
    assert words.WAITING["working"] in page(client)
    appliance.speak(analyze={"ready": False, "reason": "model-unavailable"})
    text = page(client)
    assert words.WAITING["stopped"] in text
    assert words.PENDING_HEAD in text
    for head in (words.FINDINGS_HEAD, words.NO_FINDINGS_HEAD, words.NOT_ANALYSED_HEAD):
        assert head not in text


@pytest.mark.requirement("no result is shown before there is one")
def test_analysed_again_hides_the_earlier_result_until_the_new_one(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings())
    assert flow.analyse_again(appliance.store, image.id, "test")
    text = page(client)
    assert f"<h1>{words.PENDING_HEAD}</h1>" in text
    assert f"<h1>{words.NO_FINDINGS_HEAD}</h1>" not in text
    assert client.get(f"/images/{image.id}/analysis.json").status_code == 404


@pytest.mark.requirement("an image's result never appears under another's identity")
def test_the_newest_image_is_shown_with_its_own_name_only(appliance: Appliance, client: FlaskClient) -> None:
    first = appliance.whole(findings(lesion(), uid="1.1"), b"one", "Alpha^Ada")
    second = appliance.whole(findings(uid="1.2"), b"two", "Beta^Bo")
    for image, own, other in ((first, "Alpha, Ada", "Beta, Bo"), (second, "Beta, Bo", "Alpha, Ada")):
        text = page(client, f"/images/{image.id}")
        assert own in text
        assert other not in text
    now = page(client)
    said = now[now.index('<section class="verdict') : now.index("</section>")]
    assert "Beta, Bo" in said
    assert words.NO_FINDINGS_HEAD in said
    assert "Alpha" not in said


def test_quality_notes_are_shown(appliance: Appliance, client: FlaskClient) -> None:
    note = QualityNote("clipped-fingertip", "warning", "A fingertip is cut off.")
    appliance.whole(findings(quality=(note,)))
    told = words.QUALITY_NOTES["clipped-fingertip"]
    assert told["text"] in page(client)
    assert told["do"] in page(client)


def test_delivery_is_told_by_destination(appliance: Appliance, client: FlaskClient) -> None:
    image = appliance.whole(findings())
    assert words.DELIVERY["queued"] in page(client)
    with appliance.store.transaction() as tx:
        for parcel in parcels.of_image(tx, image.id):
            parcels.settle(tx, parcel.id, ParcelState.SENT, appliance.clock.now())
    assert words.DELIVERY["sent"] in page(client)
    with appliance.store.transaction() as tx:
        for parcel in parcels.of_image(tx, image.id):
            parcels.settle(tx, parcel.id, ParcelState.CONFIRMED, appliance.clock.now())
    text = page(client)
    assert words.DELIVERY["confirmed"] in text
    assert words.DELIVERY_STATES["idle"] in text


@pytest.mark.requirement("a failed delivery is told, with what to do")
@pytest.mark.parametrize("code", [code for code in sorted(REASONS) if code.startswith("destination-")])
def test_a_held_parcel_is_told_and_can_be_sent_again(appliance: Appliance, client: FlaskClient, code: str) -> None:
    image = appliance.whole(findings())
    with appliance.store.transaction() as tx:
        parcel = parcels.of_image(tx, image.id)[0]
        parcels.settle(tx, parcel.id, ParcelState.HELD, appliance.clock.now(), reason=code, detail="status 0xA900")
    text = page(client)
    assert REASONS[code].text in text
    assert REASONS[code].do in text
    assert "status 0xA900" in text
    assert words.STEPS["failed"]["delivered"] in text
    assert f'name="parcel" value="{parcel.id}"' in text
    assert words.SEND_AGAIN in text


def test_exposures_are_matched_ambiguous_or_without_image(appliance: Appliance, client: FlaskClient) -> None:
    text = page(client)
    assert words.NO_EXPOSURES in text
    first, second, third = appliance.expose(1), appliance.expose(2), appliance.expose(3, end_code=2)
    one = appliance.whole(findings(uid="1.1"), b"one")
    two = appliance.whole(findings(uid="1.2"), b"two")
    with appliance.store.transaction() as tx:
        images.set_match(tx, one.id, "matched", first, [])
        images.set_match(tx, two.id, "ambiguous", None, [second])
    text = page(client)
    assert words.MATCHED.format(id=one.id) in text
    assert words.AMBIGUOUS.format(ids=two.id) in text
    assert words.WITHOUT_IMAGE in text
    assert words.END_CODES[2] in text
    assert "50 kV  10 mA  100 ms  1 mAs" in text
    assert third


@pytest.mark.requirement("an earlier result is never taken for that of the last exposure")
def test_an_exposure_without_its_image_is_told_above_the_earlier_result(
    appliance: Appliance, client: FlaskClient
) -> None:
    assert words.AWAITED.partition("{")[0] not in page(client)
    appliance.expose(1)
    assert words.AWAITED.partition("{")[0] in page(client)
    assert words.AWAITED_BELOW not in page(client)
    image = appliance.whole(findings())
    assert words.AWAITED.partition("{")[0] not in page(client)  # it came after the exposure: it may be its image
    second = appliance.expose(2)
    text = page(client)
    assert words.AWAITED_BELOW in text
    assert text.index(words.AWAITED_BELOW) < text.index(words.NO_FINDINGS_HEAD)
    with appliance.store.transaction() as tx:
        images.set_match(tx, image.id, "matched", second, [])
    assert words.AWAITED_BELOW not in page(client)


def test_the_list_pages_through_all_images(appliance: Appliance, client: FlaskClient) -> None:
    for number in range(53):
        appliance.receive(b"%d" % number, f"1.{number}")
    first = page(client, "/images")
    assert first.count('href="/images/') == 50
    second = page(client, "/images?before=4")
    assert second.count('href="/images/') == 3
    assert words.NEWER in second


def test_one_image_tells_versions_burden_joints_and_what_was_left_out(
    appliance: Appliance, client: FlaskClient
) -> None:
    image = appliance.whole(findings(lesion()))
    text = page(client, f"/images/{image.id}")
    assert "hand-calcinosis 0.1.0" in text
    assert f"{words.BURDEN} 31.4" in text
    assert words.BURDEN_NOTE in text
    assert "Left index finger, end joint (DIP2)" in text
    assert words.IGNORED_KINDS["sesamoid"] in text
    assert 'class="mark definite"' in text


def test_unknown_images_and_pages_are_not_found(client: FlaskClient) -> None:
    for path in ("/images/7", "/images/7/picture.png", "/images/7/analysis.json", "/nothing", "/errors/nothing"):
        assert words.PAGE_NOT_FOUND in page(client, path, 404)


def test_about_is_honest(client: FlaskClient) -> None:
    text = page(client, "/about")
    assert "has never seen a real case" in text
    assert words.RESEARCH in text
    assert "hand-calcinosis 0.1.0" in text
    assert "Flask" in text or "flask" in text


def test_every_code_has_its_help(client: FlaskClient) -> None:
    everything = page(client, "/errors")
    for code, reason in REASONS.items():
        text = page(client, f"/errors/{code}")
        for words_of in (reason.text, reason.do):
            assert words_of in text
            assert words_of in everything
