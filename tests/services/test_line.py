"""The whole line with foreign parts: DCMTK sends or a file is dropped, Orthanc receives and finds by query."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from edge.store import images
from tests.peers.appliance import GOLDEN, Appliance
from tests.peers.dcmtk import storescu
from tests.peers.films import film, write
from tests.peers.hands import golden_files, new_hand
from tests.peers.orthanc import Orthanc
from tests.peers.waiting import wait_for


@pytest.mark.needs("storescu", "Orthanc")
def test_from_dcmtk_to_orthanc(tmp_path: Path, free_port: Callable[[], int]) -> None:
    hands = [new_hand(number) for number in range(3)]
    for number, hand in enumerate(hands):
        write(hand, tmp_path / "in" / f"{number}.dcm")
    with Orthanc(tmp_path / "orthanc", free_port(), free_port()) as orthanc:
        archive = f'[[destinations]]\ntype = "dicom"\nname = "archive"\ntitle = "{orthanc.title}"\nhost = "127.0.0.1"\n'
        with Appliance(tmp_path / "appliance", f"{archive}port = {orthanc.dicom_port}") as appliance:
            assert storescu(appliance.dicom_port, tmp_path / "in", options=("--propose-jls-lossless",)) == 0
            done = appliance.wait_delivered(3)
        for hand in hands:
            found = orthanc.ask(
                "/tools/find",
                {"Level": "Instance", "Query": {"StudyInstanceUID": str(hand.StudyInstanceUID)}, "Expand": True},
            )
            modalities = set()
            for instance in found:
                tags = orthanc.ask(f"/instances/{instance['ID']}/simplified-tags")
                assert tags["PatientID"] == hand.PatientID
                assert tags["PatientName"] == str(hand.PatientName)
                modalities.add(tags["Modality"])
            always = {str(hand.Modality), "SR", "OT"}
            assert modalities in (always, always | {"SEG", "PR", "KO"})
            assert len(found) == len(modalities)
    assert {analysis.outcome for _, analysis in done} <= {"findings", "no_findings"}


@pytest.mark.requirement("identity")
def test_each_result_bears_its_own_image_s_identity_whatever_the_order(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    hands = {f"H{n:05d}": new_hand(n) for n in range(6)}
    with Appliance(tmp_path / "appliance", f'[intake]\nfolder = "{drop}"') as appliance:
        for name in sorted(hands, reverse=True):
            write(hands[name], drop / f"{name}.dcm")
        appliance.wait_delivered(6, within_s=120)
        delivered = [dcmread(path) for path in (appliance.config.data / "outbox").glob("*.dcm")]
    assert sum(dataset.Modality in {"CR", "DX", "SR", "OT"} for dataset in delivered) == 18
    by_study = {str(hand.StudyInstanceUID): hand for hand in hands.values()}
    for dataset in delivered:
        source = by_study[str(dataset.StudyInstanceUID)]
        assert (dataset.PatientID, str(dataset.PatientName)) == (source.PatientID, str(source.PatientName))
        if dataset.Modality == "SR":
            text = BytesIO()
            dataset.save_as(text)
            assert str(source.SOPInstanceUID).encode() in text.getvalue()
            others = [h for h in hands.values() if h is not source]
            assert not any(str(other.SOPInstanceUID).encode() in text.getvalue() for other in others)


@pytest.mark.requirement("failure is not a clean result")
def test_refusals_go_the_whole_way_and_are_told(tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    with Appliance(tmp_path / "appliance", f'[intake]\nfolder = "{drop}"') as appliance:
        write(film(1, rows=1024, columns=1024), drop / "no-hand.dcm")
        (drop / "note.txt").write_text("not an image", encoding="ascii")

        def both() -> list[images.Image]:
            store = appliance.store()
            with store.read() as connection:
                found = images.latest(connection)
            store.close()
            return found if len(found) == 2 and all(i.state is images.State.REPORTED for i in found) else []

        wait_for(both)
        page = wait_for(lambda: appliance.get("/images")[1])
        assert page.count(b"NOT ANALYSED") >= 2 or page.lower().count(b"not analysed") >= 2
        store = appliance.store()
        with store.read() as connection:
            reasons = {
                images.latest_analysis(connection, image.id).analysis.reason.code  # type: ignore[union-attr]
                for image in images.latest(connection)
            }
        store.close()
    assert reasons == {"not-a-hand", "not-dicom"}


@pytest.mark.shared_data
def test_every_real_mature_hand_goes_through_the_line(tmp_path: Path, shared_data: Path) -> None:
    """Recognised as a hand and reported; what the model finds in it is the evaluation's business."""
    pictures = sorted((shared_data / "real_hands" / "mature").glob("*.png"))
    assert pictures
    drop = tmp_path / "drop"
    with Appliance(tmp_path / "appliance", f'[intake]\nfolder = "{drop}"') as appliance:
        for picture in pictures:
            command = ["wrap", picture, "--mm-per-pixel", "0.25", "--out", drop / f"{picture.stem}.dcm.part"]
            subprocess.run([sys.executable, "-m", "edge", *map(str, command)], check=True, capture_output=True)
            (drop / f"{picture.stem}.dcm.part").rename(drop / f"{picture.stem}.dcm")
        done = appliance.wait_delivered(len(pictures), within_s=180)
    outcomes = [analysis.outcome for _, analysis in done]
    print(f"{len(done)} real hands: {outcomes.count('not_analysed')} refused, {outcomes.count('findings')} with marks")
    assert outcomes.count("not_analysed") == 0


def test_a_unit_s_exposure_and_image_meet(tmp_path: Path) -> None:
    serial = tmp_path / "unit-port"
    with Appliance(tmp_path / "appliance", f'[serial]\nport = "{serial}"') as appliance:
        command = [sys.executable, "-m", "edge", "simulate", "unit", "--port-link", str(serial), "--exposures", "1"]
        command += ["--images", str(GOLDEN), "--send-to", f"CALCEDGE@127.0.0.1:{appliance.dicom_port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as unit:
            ((image, _),) = appliance.wait_delivered(1)
            store = appliance.store()

            def matched() -> images.Image | None:
                with store.read() as connection:
                    now = images.get(connection, image.id)
                return now if now and now.match == "matched" else None

            found = wait_for(matched)
            assert found is not None
            store.close()
            unit.kill()
        assert found.exposure_id is not None
        assert len(golden_files()) >= 1
