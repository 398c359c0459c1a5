"""The whole detector with the shipped release: hands found, the rest refused, always the same, never an exception."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset, dcmread

from edge import wire
from edge.detector.analyse import Analyser
from edge.detector.pixels import film
from edge.detector.turn import Turn
from edge.errors import Refused
from edge.intake.admit import admit
from edge.types import JOINTS, REGIONS, TUFTS, Analysed, Findings, Header, NotAnalysed

Make = Callable[..., Dataset]
Save = Callable[..., tuple[Path, Header]]
NOT_HANDS = {"not-a-hand", "unusable-image", "damaged-pixels"}


@cache
def _analyser(folder: Path) -> Analyser:
    return Analyser(folder, threads=1)


@pytest.fixture
def analyser(release: Path) -> Analyser:
    """The shipped release, loaded once."""
    return _analyser(release)


@pytest.fixture
def save(tmp_path: Path, make: Make) -> Save:
    """Writes a picture as a radiograph that intake admits."""

    def write(codes: NDArray[Any], **values: Any) -> tuple[Path, Header]:
        made = make(codes, StudyInstanceUID="1.2.4", SeriesInstanceUID="1.2.5", **values)
        path = tmp_path / "film.dcm"
        made.save_as(path, enforce_file_format=True)
        return path, admit(path)

    return write


def analysed(analyser: Analyser, path: Path, **options: Any) -> Analysed:
    return analyser.analyse(path, admit(path), source=path.name, **options)


def findings(analyser: Analyser, path: Path, **options: Any) -> Findings:
    analysis = analysed(analyser, path, **options).analysis
    assert isinstance(analysis, Findings), analysis.reason
    return analysis


def phantom(release: Path, name: str) -> Path:
    return release / "golden" / f"{name}.dcm"


@pytest.mark.requirement("one film of two hands is analysed as two hands")
@pytest.mark.parametrize(("name", "sides"), [("both-lesions", "LR"), ("left-lesions", "L"), ("right-clear", "R")])
def test_the_phantoms_hands_are_found_with_their_sides(
    analyser: Analyser, release: Path, name: str, sides: str
) -> None:
    found = findings(analyser, phantom(release, name))
    assert "".join(hand.side for hand in found.hands) == sides
    for hand in found.hands:
        assert set(hand.regions) <= set(REGIONS)
        assert len(hand.regions) >= 18
        assert set(hand.joints) <= set(JOINTS)
        assert len(hand.joints) >= 12
        assert set(hand.tufts) <= set(TUFTS)
        assert hand.burden_index == pytest.approx(sum(region.burden for region in hand.regions.values()))
        x0, y0, x1, y1 = hand.bbox
        assert 0 <= x0 < x1 < found.image.columns
        assert 0 <= y0 < y1 < found.image.rows


def test_the_phantoms_lesions_are_found_and_lie_on_the_film(analyser: Analyser, release: Path) -> None:
    found = findings(analyser, phantom(release, "left-lesions"))
    assert found.outcome == "findings"
    assert [lesion.id for lesion in found.lesions] == list(range(1, len(found.lesions) + 1))
    scores = [lesion.score for lesion in found.lesions]
    assert scores == sorted(scores, reverse=True)
    for lesion in found.lesions:
        assert lesion.certainty in {"possible", "definite"}
        assert lesion.score >= (analyser.model.possible_threshold or 0)
        assert lesion.area_mm2 > 0
        assert len(lesion.polygon) >= 3
        x0, y0, x1, y1 = lesion.bbox
        assert all(x0 - 1 <= x <= x1 + 1 and y0 - 1 <= y <= y1 + 1 for x, y in lesion.polygon)


def test_all_scores_add_what_lies_below_and_change_nothing_above(analyser: Analyser, release: Path) -> None:
    path = phantom(release, "left-lesions")
    usual, every = findings(analyser, path), findings(analyser, path, all_scores=True)
    assert every.lesions[: len(usual.lesions)] == usual.lesions
    assert {lesion.certainty for lesion in every.lesions[len(usual.lesions) :]} == {"below"}
    assert every.hands == usual.hands


@pytest.mark.requirement("the same film gives the same result")
def test_the_same_film_gives_the_same_json_byte_for_byte(analyser: Analyser, release: Path) -> None:
    def once(engine: Analyser) -> str:
        body = wire.to_dict(analysed(engine, phantom(release, "both-lesions")).analysis)
        assert set(body.pop("timing_ms")) >= {"decode", "gate", "anatomy", "lesions", "measure", "total"}
        return json.dumps(body)

    assert once(analyser) == once(analyser) == once(Analyser(release, threads=2))


def test_the_json_comes_back_as_it_went(analyser: Analyser, release: Path) -> None:
    text = wire.to_json(analysed(analyser, phantom(release, "left-lesions")).analysis)
    assert wire.to_json(wire.from_json(text)) == text


def test_the_picture_is_the_film_in_full_size_dense_bright(analyser: Analyser, release: Path) -> None:
    path = phantom(release, "left-lesions")
    picture = Image.open(io.BytesIO(analysed(analyser, path).picture_png or b""))
    image = film(dcmread(path)).image
    assert picture.mode == "L"
    assert picture.size == image.shape[::-1]
    assert np.abs(np.asarray(picture) / 255 - image).max() <= 0.5 / 255 + 1e-6


@pytest.mark.requirement("only the proven model analyses")
def test_the_shipped_release_gives_what_it_gave_when_it_was_made(release: Path) -> None:
    Analyser(release, threads=1).self_test()


def test_inverted_storage_gives_the_same_findings(analyser: Analyser, release: Path, tmp_path: Path) -> None:
    dataset = dcmread(phantom(release, "right-clear"))
    dataset.decompress()
    dataset.PhotometricInterpretation = "MONOCHROME1"
    dataset.PresentationLUTShape = "INVERSE"
    top = (1 << dataset.BitsStored) - 1
    centre = dataset.get("WindowCenter")
    if centre is not None:
        dataset.WindowCenter = top + 1 - float(centre)
    dataset.PixelData = (top - dataset.pixel_array).astype("<u2").tobytes()
    dataset.save_as(tmp_path / "inverted.dcm")
    plain, turned = (findings(analyser, p) for p in (phantom(release, "right-clear"), tmp_path / "inverted.dcm"))
    assert [h.side for h in turned.hands] == [h.side for h in plain.hands]
    for name, joint in plain.hands[0].joints.items():
        assert (turned.hands[0].joints[name].x, turned.hands[0].joints[name].y) == pytest.approx(
            (joint.x, joint.y), abs=1
        )


@pytest.mark.requirement("the side is the hand's own")
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_hand_is_the_same_whichever_way_the_film_lies(
    analyser: Analyser, release: Path, save: Save, quarters: int
) -> None:
    codes = dcmread(phantom(release, "left-lesions")).pixel_array.astype(np.uint16)
    spacing = {"BitsStored": 12, "ImagerPixelSpacing": [0.15, 0.15]}
    path, header = save(codes, **spacing)
    plain = analyser.analyse(path, header, source="x").analysis
    path, header = save(np.ascontiguousarray(np.rot90(codes, -quarters)), **spacing)
    turned = analyser.analyse(path, header, source="x").analysis
    assert isinstance(plain, Findings)
    assert isinstance(turned, Findings)
    assert [hand.side for hand in turned.hands] == ["L"]
    assert [lesion.area_mm2 for lesion in turned.lesions] == [lesion.area_mm2 for lesion in plain.lesions]
    turn = Turn(quarters, turned.image.rows, turned.image.columns)
    for name, joint in plain.hands[0].joints.items():
        back = turned.hands[0].joints[name]
        assert (back.x, back.y) == pytest.approx(turn.point((joint.x, joint.y)), abs=1e-3)


def test_a_film_without_a_scale_gets_one_from_the_bones(analyser: Analyser, release: Path, tmp_path: Path) -> None:
    dataset = dcmread(phantom(release, "right-clear"))
    stated = float(dataset.ImagerPixelSpacing[0])
    del dataset.ImagerPixelSpacing
    dataset.save_as(tmp_path / "no-scale.dcm")
    found = findings(analyser, tmp_path / "no-scale.dcm")
    assert found.image.spacing_source == "estimated"
    assert found.image.mm_per_pixel == pytest.approx(stated, rel=0.15)
    assert "spacing-estimated" in {note.code for note in found.quality}


def test_hands_that_overlap_share_no_body(analyser: Analyser, release: Path, save: Save) -> None:
    codes = dcmread(phantom(release, "left-lesions")).pixel_array.astype(np.uint16)
    rows, columns = codes.shape
    both = np.zeros((rows, 2 * columns - columns // 5), np.uint16)
    both[:, :columns] = codes
    both[:, -columns:] = np.maximum(both[:, -columns:], codes[:, ::-1])
    path, header = save(both, BitsStored=12, ImagerPixelSpacing=[0.15, 0.15])
    analysis = analyser.analyse(path, header, source="x", all_scores=True).analysis
    assert isinstance(analysis, Findings)
    assert [hand.side for hand in analysis.hands] == ["L", "R"]
    assert {lesion.hand for lesion in analysis.lesions} == {0, 1}
    boxes = [lesion.bbox for lesion in analysis.lesions]
    assert len(boxes) == len(set(boxes))


def _text() -> NDArray[np.uint8]:
    from PIL import ImageDraw

    page = Image.new("L", (700, 900), 0)
    for line in range(30):
        ImageDraw.Draw(page).text((20, 30 * line), "A page of text is no hand. " * 3, fill=255, font_size=24)
    return np.asarray(page)


@pytest.mark.requirement("what is not a hand is not analysed")
@pytest.mark.parametrize(
    "picture",
    [
        lambda: np.zeros((900, 700), np.uint8),
        lambda: np.full((900, 700), 255, np.uint8),
        lambda: np.random.default_rng(0).integers(0, 256, (900, 700)).astype(np.uint8),
        lambda: np.linspace(0, 255, 700).astype(np.uint8)[None, :].repeat(900, axis=0),
        lambda: ((np.hypot(*np.mgrid[-450:450, -350:350]) < 300) * 180 + 20).astype(np.uint8),
        _text,
    ],
    ids=["black", "white", "noise", "ramp", "disc", "text"],
)
def test_what_is_no_hand_is_not_analysed(
    analyser: Analyser, save: Save, picture: Callable[[], NDArray[np.uint8]]
) -> None:
    path, header = save(picture())
    result = analyser.analyse(path, header, source="x")
    assert isinstance(result.analysis, NotAnalysed)
    assert result.analysis.reason.code in NOT_HANDS
    assert result.picture_png
    assert result.analysis.model == analyser.model
    assert result.analysis.timing_ms["total"] > 0


@pytest.mark.shared_data
@pytest.mark.requirement("what is not a hand is not analysed")
def test_radiographs_of_other_parts_are_not_analysed(analyser: Analyser, shared_data: Path) -> None:
    outcomes = {}
    for path in (shared_data / "dicom").glob("*.dcm"):
        try:
            analysis = analysed(analyser, path).analysis
        except Refused:
            continue
        outcomes[path.stem] = analysis.reason.code if isinstance(analysis, NotAnalysed) else "analysed"
    assert outcomes.pop("RG3_JPLY") == "damaged-pixels"
    assert set(outcomes.values()) == {"not-a-hand"}
    assert len(outcomes) == 8


@pytest.mark.shared_data
@pytest.mark.requirement("real hands are analysed")
def test_real_mature_hands_are_recognised_as_left_hands(analyser: Analyser, shared_data: Path, save: Save) -> None:
    wrong = []
    for picture in sorted((shared_data / "real_hands" / "mature").glob("*.png")):
        path, header = save(np.asarray(Image.open(picture).convert("L")))
        analysis = analyser.analyse(path, header, source=picture.name).analysis
        if not isinstance(analysis, Findings) or [hand.side for hand in analysis.hands] != ["L"]:
            wrong.append(picture.name)
    assert wrong == []


@pytest.mark.requirement("a result never appears under another's identity")
def test_a_file_that_is_another_object_than_admitted_is_not_analysed(analyser: Analyser, release: Path) -> None:
    header = admit(phantom(release, "left-lesions"))
    result = analyser.analyse(phantom(release, "right-clear"), header, source="x")
    assert isinstance(result.analysis, NotAnalysed)
    assert result.analysis.reason.code == "object-corrupt"
    assert result.analysis.sop_instance_uid == header.identity.sop_instance_uid
    assert result.picture_png is None


def test_bad_files_are_answers_and_no_exceptions(analyser: Analyser, release: Path, tmp_path: Path) -> None:
    path = phantom(release, "left-lesions")
    header = admit(path)
    content = path.read_bytes()
    bad = tmp_path / "bad.dcm"
    for broken in (b"", content[:100], content[:2000], content[: len(content) // 2], bytes(5000)):
        bad.write_bytes(broken)
        analysis = analyser.analyse(bad, header, source="bad").analysis
        assert isinstance(analysis, NotAnalysed)
        assert analysis.reason.code in {"damaged-pixels", "object-corrupt"}
    missing = analyser.analyse(tmp_path / "missing.dcm", header, source="x").analysis
    assert isinstance(missing, NotAnalysed)
    assert missing.reason.code == "object-missing"


def test_a_large_film_takes_little_time_and_memory(analyser: Analyser, release: Path, save: Save) -> None:
    small = film(dcmread(phantom(release, "right-clear"))).image
    large = np.asarray(Image.fromarray(small).resize((2048, 2560), Image.Resampling.BILINEAR))
    path, header = save((large * 4095).astype(np.uint16), BitsStored=12)
    times = []
    for _ in range(3):
        start = time.process_time()
        assert isinstance(analyser.analyse(path, header, source="x").analysis, Findings)
        times.append(time.process_time() - start)
    assert min(times) < 1.2, "of processor time, on one thread"


def test_film_after_film_nothing_is_left_behind(analyser: Analyser, release: Path) -> None:
    process = psutil.Process()

    def several(count: int) -> tuple[int, int, int]:
        for _ in range(count):
            analysed(analyser, phantom(release, "right-clear"))
        return process.memory_info().rss, process.num_fds(), process.num_threads()

    memory, files, threads = several(6)
    later = several(10)
    assert later[0] - memory < 12 << 20
    assert later[1:] == (files, threads)
