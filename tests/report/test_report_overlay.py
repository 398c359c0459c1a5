"""The picture: what is drawn where, and that it keeps its size. What it looks like was looked at by eye."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from edge.clock import Stamp
from edge.report import overlay as drawing
from edge.report.overlay import LONG_SIDE, overlay
from edge.report.panels import below
from edge.report.pen import Pen, font, grown, wrapped
from edge.types import Analysis, Ignored, ImageFacts, QualityNote
from tests.report.report_samples import COLUMNS, DEVICE, MADE_AT, ROWS, film, findings, hand, lesion, not_analysed, png

YELLOW, CYAN, RED = (255, 221, 51), (102, 221, 255), (150, 20, 20)


def draw(analysis: Analysis, picture: bytes | None = None, made_at: Stamp = MADE_AT) -> Image.Image:
    return overlay(analysis, picture, made_at=made_at, device=DEVICE)


def count(picture: Image.Image, colour: tuple[int, int, int]) -> int:
    return int((np.asarray(picture) == np.asarray(colour)).all(axis=2).sum())


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Everything that is written on the picture."""
    written: list[str] = []
    text, label = Pen.text, Pen.label

    def spy_text(self: Pen, at: tuple[float, float], words: str, *more: object, **named: object) -> None:
        written.append(words)
        text(self, at, words, *more, **named)  # type: ignore[arg-type]

    def spy_label(self: Pen, words: str, *more: object) -> None:
        written.append(words)
        label(self, words, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Pen, "text", spy_text)
    monkeypatch.setattr(Pen, "label", spy_label)
    return written


def test_findings_are_outlined_by_certainty_in_two_colours_and_two_strokes() -> None:
    one = draw(findings(lesions=(lesion(1, "DP2", 200, 200),), ignored=()), png())
    other = draw(findings(lesions=(lesion(1, "DP2", 200, 200, certainty="possible"),), ignored=()), png())
    none = draw(findings(lesions=(), ignored=()), png())
    solid = count(one, YELLOW) - count(none, YELLOW)
    dashed = count(other, CYAN) - count(none, CYAN)
    assert solid > 300
    assert dashed > 100
    assert dashed < 0.85 * solid, "possible is told by its dashes too, not by colour alone"


def test_what_is_outlined_is_not_covered() -> None:
    scale = 2.5
    picture = Image.fromarray(film()).resize((round(COLUMNS * scale), round(ROWS * scale))).convert("RGB")
    clean = np.asarray(picture).copy()
    drawing.mark(picture, findings(lesions=(lesion(1, "DP2", 200, 200),), ignored=()), scale, 22)
    marked = np.asarray(picture)
    middle, reach = round(200.5 * scale), round(7 * scale)
    inside = np.s_[middle - reach : middle + reach, middle - reach : middle + reach]
    assert (marked[inside] == clean[inside]).all()
    assert not (marked == clean).all()


def test_below_threshold_nothing_is_drawn() -> None:
    below = findings(lesions=(lesion(1, "DP2", 200, 200, certainty="below", score=0.1),))
    assert draw(below, png()).tobytes() == draw(findings(lesions=()), png()).tobytes()


def test_words_on_a_picture_with_findings(said: list[str]) -> None:
    draw(findings(), png())
    assert "Automated, unverified, not for diagnosis." in said
    assert "3 areas suggestive of soft-tissue calcification (2 definite, 1 possible)" in said
    assert {"1 DP2", "2 DP1", "3 DP2", "LEFT hand", "definite", "possible", "L-DP2", "L-DP1"} <= set(said)
    assert "20 mm (approximate)" in said
    whole = " ".join(said)
    assert "hand-calcinosis 1.0.0 (abababababab)" in whole
    assert "calcedge 0.1.0" in whole
    assert "Image quality (note): A fingertip is cut off." in whole


def test_no_patient_is_named(said: list[str]) -> None:
    draw(findings(), png())
    assert "Perez" not in " ".join(said)
    assert "P-4711" not in " ".join(said)


@pytest.mark.requirement("nothing found does not exclude calcification")
def test_nothing_found_is_not_a_clean_bill(said: list[str]) -> None:
    draw(findings(lesions=()), png())
    assert "No area exceeded the alert threshold. This does not exclude calcification." in " ".join(said)


@pytest.mark.requirement("a failure never looks like 'no finding'")
@pytest.mark.parametrize("with_film", [True, False])
def test_not_analysed_is_loud(said: list[str], *, with_film: bool) -> None:
    picture = draw(not_analysed("deadline"), png() if with_film else None)
    assert "NOT ANALYSED" in said
    assert count(picture, RED) > 0.08 * picture.width * picture.height
    assert all(picture.getpixel(corner) == RED for corner in ((0, 0), (picture.width - 1, picture.height - 1)))
    whole = " ".join(said)
    assert "took too long" in whole
    assert "Read the image as usual" in whole
    assert "threshold" not in whole
    assert count(draw(findings(lesions=()), png()), RED) == 0


def test_an_unknown_scale_and_an_unsure_clock_are_said(said: list[str]) -> None:
    unknown = findings(image=ImageFacts(ROWS, COLUMNS, None, "unknown"))
    draw(unknown, png(), Stamp(MADE_AT.utc, trusted=False, boot="b", monotonic_ns=1))
    whole = " ".join(said)
    assert "scale unknown" in said
    assert "clock not confirmed" in whole
    assert "mm2" not in whole


@pytest.mark.parametrize("shape", [(2560, 2048), (2048, 2560), (300, 250), (2000, 260), (260, 2000), (40, 40)])
def test_no_side_is_too_long_whatever_the_film_and_the_text(shape: tuple[int, int]) -> None:
    rows, columns = shape
    loud = findings(
        image=ImageFacts(rows, columns, 0.1, "PixelSpacing"),
        hands=(hand("L", bbox=(0, 0, columns - 1, rows - 1)), hand("R", bbox=(columns // 2, 0, columns - 1, rows - 1))),
        lesions=tuple(lesion(n, "CARPUS", n * columns / 40, n * rows / 40, hand=n % 2) for n in range(40)),
        quality=tuple(QualityNote(f"q{n}", "warning", "A long sentence about the picture. " * 4) for n in range(30)),
        ignored=tuple(Ignored("sesamoid", "PP1", (n, n, n + 4, n + 4), 0.9) for n in range(5)),
    )
    for analysis in (loud, not_analysed("deadline", quality=loud.quality)):
        picture = draw(analysis, png(film(rows, columns)))
        assert picture.mode == "RGB"
        assert max(picture.size) <= LONG_SIDE


def test_the_list_says_when_it_is_cut(said: list[str]) -> None:
    many = findings(lesions=tuple(lesion(n, "DP2", 100 + 5 * n, 100 + 9 * n) for n in range(14)))
    draw(many, png())
    assert "and 4 more, all in the structured report" in said


def test_the_scale_bar_is_as_long_as_it_says() -> None:
    empty = findings(lesions=(), ignored=(), hands=())
    black = png(np.zeros((ROWS, COLUMNS), np.uint8))
    picture = np.asarray(draw(empty, black))
    start = round((picture.shape[1] - round(COLUMNS * 1500 / ROWS)) / 2)
    rows = (picture == 255).all(axis=2)
    longest = max(_longest_run(row[start:]) for row in rows)
    drawn_mm = longest * 0.15 / (1500 / ROWS)
    assert drawn_mm == pytest.approx(20, rel=0.02)


def _longest_run(row: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> int:
    longest = run = 0
    for lit in row:
        run = run + 1 if lit else 0
        longest = max(longest, run)
    return longest


def test_labels_keep_out_of_each_others_way() -> None:
    picture = Image.new("RGB", (600, 400))
    pen = Pen(picture, 20)
    for n in range(8):
        pen.label(f"{n} DP2", (290 + n, 190, 310 + n, 210), YELLOW, (0, 0, 599, 399))
    boxes = pen._taken
    shared = [drawing for i, drawing in enumerate(boxes) for other in boxes[:i] if _share(drawing, other) > 0]
    assert len(boxes) == 8
    assert shared == []


def _share(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    return max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))


def test_labels_stay_inside() -> None:
    pen = Pen(Image.new("RGB", (300, 200)), 20)
    for mark in ((0, 0, 4, 4), (296, 196, 299, 199), (0, 196, 4, 199), (296, 0, 299, 4)):
        pen.label("12 CARPUS", mark, YELLOW, (0, 0, 299, 199))
    for left, top, right, bottom in pen._taken:
        assert left >= 0
        assert top >= 0
        assert right <= 299
        assert bottom <= 199


def test_outlines_grow_away_from_their_middle() -> None:
    square = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)]
    outer = grown(square, 5.0)
    assert all(np.hypot(x - 5, y - 5) == pytest.approx(np.hypot(5, 5) + 5) for x, y in outer)
    assert grown([(3.0, 3.0)] * 3, 2.0) == [(3.0, 3.0)] * 3


def test_text_is_wrapped_to_the_width() -> None:
    lines = wrapped("one two three four five six seven", 20, 120)
    assert len(lines) > 1
    assert " ".join(lines) == "one two three four five six seven"
    assert all(font(20).getlength(line) <= 120 for line in lines)


def test_a_colour_film_is_drawn_in_grey() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (60, 80), (200, 30, 30)).save(buffer, "PNG")
    picture = np.asarray(drawing._drawn(Image.open(buffer), 1.0, not_analysed(), 20))
    assert (picture == picture[..., :1]).all()


def test_a_hand_is_named_beside_what_is_drawn_not_over_it() -> None:
    pen = Pen(Image.new("RGB", (600, 400)), 20)
    pen.keep_free((0, 0, 200, 60))
    pen.caption("LEFT hand", (10, 10, 500, 380), (0, 0, 599, 399))
    caption = pen._taken[-1]
    assert _share(caption, (0, 0, 200, 60)) == 0
    assert caption[0] >= 200 or caption[1] >= 60


def test_legend_list_and_small_print_do_not_cover_each_other() -> None:
    for analysis in (findings(), findings(lesions=())):
        for width in (1000, 1800):
            panel = np.asarray(below(analysis, DEVICE, MADE_AT, 24, width))
            legend = np.flatnonzero((panel == YELLOW).all(axis=2).any(axis=1))
            print_ = (panel == (200, 200, 200)).all(axis=2)
            left = int(np.flatnonzero((panel == YELLOW).all(axis=2).any(axis=0)).max())
            assert not print_[legend.min() : legend.max() + 1, : left + 1].any()
