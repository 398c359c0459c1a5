"""One image as the page shows it: rules that turn rows into words and shapes. No I/O.

What always holds: the outcome shown is that of the newest analysis, and only when the image has been through it. While
an image is on its way (also the second time) the outcome is *pending*, whatever was said before. Identity and outcome
are one value, so that they can't be shown apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Literal

from edge.store.images import State
from edge.store.parcels import ParcelState
from edge.types import Findings, NotAnalysed
from edge.web import drawing, phrases, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge.store.images import Image, StoredAnalysis
    from edge.store.parcels import Parcel
    from edge.types import Hand, Lesion, QualityNote
    from edge.web.drawing import Drawing
    from edge.web.orders import Tie
    from edge.web.parts import Parts

Shown = Literal["findings", "no_findings", "not_analysed", "pending"]
StepState = Literal["done", "now", "todo", "failed"]

_ORDER: Final = tuple(State)
_DELIVERY_ORDER: Final = ("held", "failing", "queued", "sent", "confirmed")
"""A destination is as far as its worst parcel."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome in words: `head` large, `lines` below it, `do` when something is to be done."""

    shown: Shown
    head: str
    lines: tuple[str, ...]
    do: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an image's way."""

    name: str
    text: str
    state: StepState


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far an image's parcels have come at one destination."""

    destination: str
    state: str
    kinds: tuple[Sent, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Sent:
    """One object at one destination, in words; `changed`: when its state was reached."""

    kind: str
    state: str
    changed: str


@dataclass(frozen=True, slots=True)
class Note:
    """One quality note in words, with what to do."""

    severity: str
    text: str
    do: str


@dataclass(frozen=True, slots=True)
class Row:
    """One lesion in words."""

    number: int
    place: str
    certainty: str
    score: str
    distribution: str
    area: str
    axis: str
    kind: str
    density: str


@dataclass(frozen=True, slots=True)
class Sign:
    """One associated sign, suspected."""

    place: str
    text: str


@dataclass(frozen=True, slots=True)
class View:
    """One image, ready to be shown."""

    id: int
    patient: str
    patient_facts: tuple[str, ...]
    received: str
    clock_trusted: bool
    technique: str
    match: str
    match_words: str
    conflicting: bool
    columns: int
    rows_px: int
    mm: float | None
    sendable: tuple[int, ...]
    verdict: Verdict
    steps: tuple[Step, ...]
    deliveries: tuple[Delivery, ...]
    quality: tuple[Note, ...] | None
    rows: tuple[Row, ...]
    tie: Tie | None
    signs: tuple[Sign, ...]
    drawing: Drawing | None
    picture: str | None
    analysis: Findings | NotAnalysed | None
    made: str | None
    moved: str
    """The thresholds, where the site has set them; empty where the model's own were used."""
    can_repeat: bool


def view(image: Image, stored: StoredAnalysis | None, parcels: Sequence[Parcel], parts: Parts, now: datetime) -> View:
    """Puts an image's rows together. `now` tells whether a time needs its date."""
    done = stored if image.state in {State.ANALYSED, State.REPORTED} else None
    analysis = done.analysis if done else None
    findings = analysis if isinstance(analysis, Findings) else None
    deliveries = tuple(_deliveries(parcels, now))
    verdict = _verdict(image, analysis, stored, parts)
    technique = image.header.technique if image.header else None
    return View(
        id=image.id,
        patient=patient(image),
        patient_facts=_patient_facts(image),
        received=moment(image.received_utc, now),
        clock_trusted=image.received_trusted,
        technique=phrases.technique(
            technique.kvp, technique.tube_current_ma, technique.exposure_time_ms, technique.exposure_mas
        )
        if technique
        else "",
        match=image.match,
        match_words=words.MATCH[image.match],
        conflicting=image.conflicting,
        columns=image.header.columns if image.header else 0,
        rows_px=image.header.rows if image.header else 0,
        mm=findings.image.mm_per_pixel if findings else None,
        sendable=tuple(parcel.id for parcel in parcels if parcel.state is not ParcelState.QUEUED),
        verdict=verdict,
        steps=tuple(_steps(image, verdict.shown, deliveries)),
        deliveries=deliveries,
        quality=tuple(_note(note) for note in analysis.quality) if analysis else None,
        tie=None,
        rows=tuple(_row(findings, lesion) for lesion in _lesions(findings)) if findings else (),
        signs=tuple(_signs(findings)) if findings else (),
        drawing=drawing.draw(findings) if findings else None,
        picture=done.picture if done else None,
        analysis=analysis,
        made=moment(done.made_utc, now) if done else None,
        moved=phrases.moved(analysis.model) if analysis and analysis.model else "",
        can_repeat=image.state is State.REPORTED,
    )


def moment(utc: str, now: datetime) -> str:
    """A stamp as the clock on the wall shows it; with its date when that is not today's."""
    local = datetime.fromisoformat(utc).astimezone()
    if local.date() == now.astimezone().date():
        return phrases.ltr(local.strftime("%H:%M:%S"))
    return phrases.ltr(local.strftime("%Y-%m-%d %H:%M"))


def shown(image: Image, stored: StoredAnalysis | None) -> Shown:
    """The outcome to show for an image."""
    if stored is None or image.state in {State.RECEIVED, State.ADMITTED}:
        return "pending"
    return stored.outcome


def _verdict(
    image: Image, analysis: Findings | NotAnalysed | None, stored: StoredAnalysis | None, parts: Parts
) -> Verdict:
    if analysis is None:
        waiting = words.WAITING[_wait(image, parts)]
        earlier = words.EARLIER_RESULT.format(outcome=words.OUTCOME_SHORT[stored.outcome]) if stored else ""
        return Verdict("pending", words.PENDING_HEAD, tuple(filter(None, (waiting, earlier))))
    if isinstance(analysis, NotAnalysed):
        reason = words.detailed(analysis.reason)
        lines = (reason.text, words.NOT_ANALYSED_NOTE)
        return Verdict("not_analysed", words.NOT_ANALYSED_HEAD, lines, reason.do, reason.code)
    signs = phrases.signs(*_sign_counts(analysis))
    more = tuple(filter(None, (signs, words.THRESHOLDS_SET if analysis.model.moved_from else "")))
    if analysis.outcome == "no_findings":
        return Verdict("no_findings", words.NO_FINDINGS_HEAD, (words.NO_FINDINGS_NOTE, *more))
    return Verdict("findings", words.FINDINGS_HEAD, (*_summary(analysis), *more))


def _wait(image: Image, parts: Parts) -> str:
    if parts.analyzer.working_on == image.id:
        return "working"
    if not parts.analyzer.running or parts.analyzer.reason:
        return "stopped"
    return image.state.value


def _summary(findings: Findings) -> Iterator[str]:
    lesions = _lesions(findings)
    for index, hand in enumerate(findings.hands):
        own = [lesion for lesion in lesions if lesion.hand == index]
        if own:
            definite = sum(lesion.certainty == "definite" for lesion in own)
            fingers = dict.fromkeys(
                phrases.finger(region) for region in sorted((one.region for one in own), key=_along)
            )
            yield phrases.hand_summary(hand.side, definite, len(own) - definite, fingers)


def _along(region: str) -> str:
    """Sorts regions from the thumb to the little finger, the wrist last."""
    return region[-1]


def _lesions(findings: Findings) -> list[Lesion]:
    return [lesion for lesion in findings.lesions if lesion.certainty != "below"]


def _row(findings: Findings, lesion: Lesion) -> Row:
    measured = findings.image.mm_per_pixel is not None
    return Row(
        lesion.id,
        phrases.place(findings.hands[lesion.hand].side, lesion.region),
        lesion.certainty,
        phrases.number(lesion.score, 2),
        words.DISTRIBUTIONS[lesion.distribution],
        phrases.area(lesion.area_mm2) if measured else words.SIZE_UNKNOWN,
        phrases.long_axis(lesion.long_axis_mm) if measured else "",
        phrases.kind(lesion.type, lesion.bodies),
        phrases.density(lesion.density_grade),
    )


def _signs(findings: Findings) -> Iterator[Sign]:
    for hand in findings.hands:
        for name, joint in hand.joints.items():
            if joint.narrowing_grade:
                text = phrases.narrowing(joint.narrowing_grade, joint.space_mm)
                yield Sign(phrases.joint(hand.side, name), text)
        for region, tuft in hand.tufts.items():
            if tuft.osteolysis_grade:
                yield Sign(phrases.place(hand.side, region), phrases.osteolysis(tuft.osteolysis_grade))


def _sign_counts(findings: Findings) -> tuple[int, int]:
    def narrowed(hand: Hand) -> int:
        return sum(bool(joint.narrowing_grade) for joint in hand.joints.values())

    def resorbed(hand: Hand) -> int:
        return sum(bool(tuft.osteolysis_grade) for tuft in hand.tufts.values())

    return sum(map(narrowed, findings.hands)), sum(map(resorbed, findings.hands))


def _steps(image: Image, outcome: Shown, deliveries: Sequence[Delivery]) -> Iterator[Step]:
    reached = _ORDER.index(image.state)
    refused = outcome == "not_analysed" and (image.header is None or image.conflicting)
    failed = ("admitted",) * refused + ("analysed",) * (outcome == "not_analysed")
    for index, stage in enumerate(_ORDER):
        if stage.value in failed:
            yield _step(stage.value, "failed")
        else:
            yield _step(stage.value, "done" if index <= reached else "now" if index == reached + 1 else "todo")
    yield _step("delivered", _delivered(image, deliveries))


def _delivered(image: Image, deliveries: Sequence[Delivery]) -> StepState:
    states = {delivery.state for delivery in deliveries}
    if states & {"held", "failing"}:
        return "failed"
    if image.state is not State.REPORTED or not states:
        return "todo"
    return "done" if states == {"confirmed"} else "now"


def _step(name: str, state: StepState) -> Step:
    return Step(name, words.STEPS[state][name], state)


def _deliveries(parcels: Sequence[Parcel], now: datetime) -> Iterator[Delivery]:
    by_destination: dict[str, list[Parcel]] = {}
    for parcel in parcels:
        by_destination.setdefault(parcel.destination, []).append(parcel)
    for destination, own in by_destination.items():
        states = {_parcel_state(parcel) for parcel in own}
        yield Delivery(
            destination,
            next(state for state in _DELIVERY_ORDER if state in states),
            tuple(_sent(p, now) for p in own),
            tuple(dict.fromkeys(p.reason for p in own if p.reason and p.state is not ParcelState.CONFIRMED)),
        )


def _sent(parcel: Parcel, now: datetime) -> Sent:
    kind = words.PARCEL_KINDS.get(parcel.kind, parcel.kind)
    return Sent(kind, words.DELIVERY[_parcel_state(parcel)], moment(parcel.changed_utc, now))


def _note(note: QualityNote) -> Note:
    text, do = phrases.quality(note)
    return Note(note.severity, text, do)


def _parcel_state(parcel: Parcel) -> str:
    waits = parcel.state is ParcelState.QUEUED and parcel.reason
    return "failing" if waits else parcel.state.value


def patient(image: Image) -> str:
    """The patient's name as a list shows it, or what is known instead."""
    if image.header is None:
        return str(words.PATIENT_UNREAD)
    return person_name(image.header.identity.patient_name)


def number(image: Image) -> str:
    """The patient's identifier, or nothing."""
    return image.header.identity.patient_id if image.header else ""


def date(text: str) -> str:
    """A DICOM date as people write it; what is none stays as it is."""
    return phrases.ltr(f"{text[:4]}-{text[4:6]}-{text[6:]}") if len(text) == 8 else text


def person_name(dicom: str) -> str:
    """A DICOM person name as a list shows it, or that there is none (PS3.5 section 6.2.1)."""
    name = next(filter(None, dicom.split("=")), "")
    family, *others = name.split("^")
    given = " ".join(filter(None, others))
    return ", ".join(filter(None, (family, given))) or words.PATIENT_UNKNOWN


def _patient_facts(image: Image) -> tuple[str, ...]:
    if image.header is None:
        return ()
    identity = image.header.identity
    born = date(identity.patient_birth_date)
    patient_number = f"{words.PATIENT_ID} {identity.patient_id}" if identity.patient_id else ""
    person = " · ".join(filter(None, (f"{words.BORN} {born}" if born else "", identity.patient_sex)))
    return tuple(filter(None, (patient_number, person)))
