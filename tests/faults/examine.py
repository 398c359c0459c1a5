"""What must hold once everything has calmed down: nothing lost, nothing twice, nobody else's, nothing invented."""

from __future__ import annotations

import hashlib
from collections import Counter
from contextlib import closing
from pathlib import Path

from edge.errors import StoreError
from edge.store import Store, events, exposures, images, orders, parcels, performed
from edge.store.backup import DATABASE
from edge.store.images import State
from edge.store.parcels import ParcelState
from edge.types import Analysis
from edge.wire import to_dict
from tests.faults.line import Answers
from tests.faults.outside import Outside

_OBJECTS = {
    "findings": {"original", "structured-report", "overlay", "segmentation", "presentation-state", "key-object"},
    "not_analysed": {"original", "structured-report", "overlay"},
}


def examine(root: Path, world: Outside, answers: Answers) -> list[str]:
    """Everything that is wrong; nothing, when all is well."""
    store = Store.open(root / "data")
    try:
        return [*_kept(store, world), *_outcomes(store, answers), *_delivered(store, root, world), *_told(store, world)]
    finally:
        store.close()


def contradictions(root: Path, world: Outside, answers: Answers, proven: set[str] | None = None) -> list[str]:
    """What lies here, wherever it was interrupted, against what the world was told: nothing may contradict it.

    `proven`: objects that were read before and need not be again.
    """
    if not (root / "data" / DATABASE).exists():
        return [f"acknowledged, and no store: {world.acknowledged}"] * bool(world.acknowledged)
    proven = set() if proven is None else proven
    store = Store.open(root / "data")
    with closing(store), store.read() as connection:
        wrong = [f"database: {row[0]}" for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
        kept = images.latest(connection)
        told = {f"exposure {exposure.seq}" for exposure in exposures.latest(connection)}
        found = [images.latest_analysis(connection, image.id) for image in kept]
        mine = [(image, parcel) for image in kept for parcel in parcels.of_image(connection, image.id)]
        named = images.referenced_objects(connection) - proven
        wrong += ["the audit trail is broken"] * (events.broken_link(connection) is not None)
    wrong += [f"lost: {what}" for what in world.acknowledged - told - {image.sop_instance_uid for image in kept}]
    for name in named:
        try:
            store.objects.prove(name)
            proven.add(name)
        except StoreError as error:
            wrong.append(f"object: {error}")
    for image, stored in zip(kept, found, strict=True):
        uid = image.header.identity.sop_instance_uid if image.header else ""
        if stored and _said(stored.analysis) != _said(answers[uid].analysis):
            wrong.append(f"image {image.id}: {stored.outcome}")
    for image, parcel in mine:
        uid = parcel.sop_instance_uid
        arrived = uid in world.archive.content
        if parcel.destination == "stick":
            arrived = (root / "stick" / f"{uid}.dcm").exists()
        if parcel.state in (ParcelState.SENT, ParcelState.CONFIRMED) and not arrived:
            wrong.append(f"{parcel.kind} is {parcel.state} and not at {parcel.destination}")
        identity = image.header.identity if image.header else None
        seen = world.archive.identities.get(uid)
        if seen and (identity is None or seen != (identity.study_instance_uid, identity.patient_id)):
            wrong.append(f"{parcel.kind} of image {image.id} at the archive as {seen}")
    there = {uid for uid in world.archive.content if not uid.startswith("whole ")}
    return wrong + [f"at the archive, and nobody's: {uid}" for uid in there - {p.sop_instance_uid for _, p in mine}]


def how_far(root: Path) -> str:
    """A word for the state that lies here."""
    if not (root / "data" / DATABASE).exists():
        return "nothing"
    store = Store.open(root / "data")
    with closing(store), store.read() as connection:
        return f"{events.last_id(connection)} events, {parcels.count_by_state(connection)}"


def _kept(store: Store, world: Outside) -> list[str]:
    """Every image and exposure that was acknowledged, once."""
    wrong = []
    sent = [str(image.SOPInstanceUID) for image in (*world.images, *world.dropped)]
    told = [f"exposure {event.key.seq}" for event in world.exposures]
    if world.acknowledged != {*sent[: len(world.images)], *told}:
        wrong.append(f"not everything was acknowledged: {world.acknowledged}")
    with store.read() as connection:
        kept = Counter(image.sop_instance_uid for image in images.latest(connection, 1000))
        known = Counter(f"exposure {exposure.seq}" for exposure in exposures.latest(connection, 1000))
        if (broken := events.broken_link(connection)) is not None:
            wrong.append(f"audit trail broken at {broken}")
        named = images.referenced_objects(connection)
    wrong += [f"{what}: kept {n} times" for what, n in (kept + known).items() if n != 1]
    wrong += [f"{what}: lost" for what in {*sent, *told} - set(kept) - set(known)]
    for name in named:
        store.objects.prove(name)
    wrong += [f"left behind: {path.name}" for path in store.objects.incoming.iterdir()]
    return wrong


def _outcomes(store: Store, answers: Answers) -> list[str]:
    """Each image has one analysis, and it is what the analysis said."""
    wrong = []
    with store.read() as connection:
        for image in images.latest(connection, 1000):
            rows = connection.execute("SELECT count(*) FROM analyses WHERE image_id = ?", (image.id,)).fetchone()[0]
            stored = images.latest_analysis(connection, image.id)
            if image.state is not State.REPORTED or stored is None or rows != 1 or image.trouble:
                wrong.append(f"image {image.id}: {image.state}, {rows} analyses, {image.trouble}")
                continue
            if _said(stored.analysis) != _said(answers[image.sop_instance_uid or ""].analysis):
                wrong.append(f"image {image.id}: another outcome: {_said(stored.analysis)}")
    return wrong


def _said(analysis: Analysis) -> dict[str, object]:
    body = to_dict(analysis)
    return {name: value for name, value in body.items() if name not in ("source", "sop_instance_uid", "timing_ms")}


def _delivered(store: Store, root: Path, world: Outside) -> list[str]:
    """Each object of each image is at each destination, once, in its own patient's name; and nothing else is."""
    wrong = []
    there = {uid for uid in world.archive.content if not uid.startswith("whole ")}
    stick = {path.stem: path for path in (root / "stick").glob("*")}
    mine: set[str] = set()
    with store.read() as connection:
        for image in images.latest(connection, 1000):
            assert image.header is not None
            own = parcels.of_image(connection, image.id)
            stored = images.latest_analysis(connection, image.id)
            wrong += [f"{p.kind} to {p.destination}: {p.state}" for p in own if p.state is not ParcelState.CONFIRMED]
            kinds = Counter((p.destination, p.kind) for p in own)
            outcome = stored.outcome if stored else "none"
            if kinds != Counter((to, kind) for to in ("archive", "stick") for kind in _OBJECTS.get(outcome, ())):
                wrong.append(f"image {image.id}: {outcome}, but sent {dict(kinds)}")
            identity = image.header.identity
            for parcel in own:
                mine.add(parcel.sop_instance_uid)
                if parcel.destination == "archive":
                    seen = world.archive.identities.get(parcel.sop_instance_uid)
                    if seen != (identity.study_instance_uid, identity.patient_id):
                        wrong.append(f"{parcel.kind} of image {image.id} at the archive as {seen}")
                elif parcel.sop_instance_uid in stick:
                    found = hashlib.sha256(stick[parcel.sop_instance_uid].read_bytes()).hexdigest()
                    wrong += [f"{parcel.kind} of image {image.id} is damaged on the stick"] * (found != parcel.object)
    wrong += [f"at the archive, and nobody's: {uid}" for uid in there - mine]
    wrong += [f"on the stick, and nobody's: {uid}" for uid in set(stick) - mine]
    wrong += [f"not delivered: {uid}" for uid in (mine - there) | (mine - set(stick))]
    return wrong


def _told(store: Store, world: Outside) -> list[str]:
    """The hand is its exposure's and its order's; the clinic heard of one step, completed, with that image."""
    wrong = []
    hand = str(world.images[0].SOPInstanceUID)
    with store.read() as connection:
        (image,) = [one for one in images.latest(connection, 1000) if one.sop_instance_uid == hand]
        exposure = exposures.get(connection, image.exposure_id) if image.exposure_id else None
        link = orders.link_of_image(connection, image.id)
        step = performed.of_order(connection, 1)
    if image.match != "matched" or exposure is None or exposure.seq != 1:
        wrong.append(f"the hand is {image.match} with {exposure}")
    if link is None or link.verdict != "agrees":
        wrong.append(f"the hand's order: {link}")
    if step is None or step.state != "ended" or set(world.clinic.created) != {step.sop_instance_uid}:
        wrong.append(f"step {step}, the clinic knows {dict(world.clinic.created)}")
    else:
        end = world.clinic.ended[step.sop_instance_uid]
        told = [str(i.ReferencedSOPInstanceUID) for s in end.PerformedSeriesSequence for i in s.ReferencedImageSequence]
        if end.PerformedProcedureStepStatus != "COMPLETED" or hand not in told:
            wrong.append(f"the step ended as {end.PerformedProcedureStepStatus} with {told}")
    return wrong
