"""Results as files: a table of many images, and all objects of one. Every export is on record."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import TYPE_CHECKING, Final

from flask import Blueprint, Response, abort, request

from edge import wire
from edge.people.roles import Right
from edge.store import events, images, parcels, search
from edge.types import Findings
from edge.web.access import signed_in, who
from edge.web.finding import asked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.wrappers import Response as AnyResponse

    from edge.store.search import Found
    from edge.types import ModelId
    from edge.web.desk import Desk

MOST: Final = 10_000
_COLUMNS: Final = (
    "image", "received_utc", "patient_id", "patient_name", "patient_birth_date", "accession_number", "outcome",
    "reason", "definite", "possible", "burden_left", "burden_right", "model", "sop_instance_uid", "thresholds_set_by",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def blueprint(desk: Desk) -> Blueprint:
    """The routes."""
    exports = Blueprint("exports", __name__)

    @exports.get("/images.csv")
    @who(Right.EXPORT)
    def table() -> AnyResponse:
        query = asked(request.args, limit=MOST)
        with desk.store.read() as connection:
            found = search.find(connection, query)
        _record(desk, "images", number=len(found))
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(_COLUMNS)
        writer.writerows([_safe(value) for value in line] for line in _lines(desk, found))
        headers = {"Content-Disposition": 'attachment; filename="calcedge-images.csv"'}
        return Response("\ufeff" + text.getvalue(), mimetype="text/csv", headers=headers)

    @exports.get("/images/<int:image_id>/export.zip")
    @who(Right.EXPORT)
    def everything(image_id: int) -> AnyResponse:
        with desk.store.read() as connection:
            image = images.get(connection, image_id) or abort(404)
            stored = images.latest_analysis(connection, image_id)
            own = parcels.of_image(connection, image_id)
        _record(desk, f"image:{image_id}", number=1)
        named = {
            f"{parcel.kind}-{parcel.object[:12]}.dcm": parcel.object for parcel in own if parcel.kind != "original"
        }
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("original.dcm", desk.store.objects.read(image.object))
            for name, content in named.items():
                archive.writestr(name, desk.store.objects.read(content))
            if stored:
                archive.writestr("analysis.json", wire.to_json(stored.analysis))
        headers = {"Content-Disposition": f'attachment; filename="calcedge-image-{image_id}.zip"'}
        return Response(out.getvalue(), mimetype="application/zip", headers=headers)

    return exports


def _record(desk: Desk, subject: str, *, number: int) -> None:
    with desk.store.transaction() as tx:
        events.append(tx, desk.store.clock.now(), signed_in().name, "image-exported", subject, images=number)


def _lines(desk: Desk, found: list[Found]) -> Iterator[tuple[object, ...]]:
    for one in found:
        with desk.store.read() as connection:
            stored = images.latest_analysis(connection, one.image.id)
        analysis = stored.analysis if stored and one.kind != "pending" else None
        identity = one.image.header.identity if one.image.header else None
        findings = analysis if isinstance(analysis, Findings) else None
        sure = [lesion.certainty for lesion in findings.lesions] if findings else []
        burden = {hand.side: round(hand.burden_index, 1) for hand in findings.hands} if findings else {}
        yield (
            one.image.id,
            one.image.received_utc,
            *((identity.patient_id, identity.patient_name, identity.patient_birth_date, identity.accession_number)
              if identity else ("", "", "", "")),
            one.kind,
            analysis.reason.code if analysis is not None and not isinstance(analysis, Findings) else "",
            sure.count("definite") if findings else "",
            sure.count("possible") if findings else "",
            burden.get("L", ""),
            burden.get("R", ""),
            f"{analysis.model.name} {analysis.model.version}" if analysis is not None and analysis.model else "",
            one.image.sop_instance_uid or "",
            _thresholds_set_by(analysis.model if analysis is not None else None),
        )  # fmt: skip


def _thresholds_set_by(model: ModelId | None) -> str:
    """Numbers of marks and burdens of one kind are not to be mixed with the other's."""
    return "" if model is None else "site" if model.moved_from else "release"


def _safe(value: object) -> object:
    """A value that a spreadsheet takes for text, whatever a header held (CWE-1236)."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
