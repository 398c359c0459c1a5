"""The support bundle: what service needs to understand a problem, without patients and without secrets.

What always holds: nothing of an image's header, no picture, no name of a patient, no hash of a secret, no token. Events
hold numbers and codes only; names of people who sign in are replaced by their account's number.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from edge.store import events, images, parcels
from edge.web import health

if TYPE_CHECKING:
    from edge.config import Config
    from edge.runtime import RunFolder
    from edge.store import Store

_EVENTS: Final = 5_000
_SERVICES: Final = ("bridge", "dicom", "analyze", "web", "update")


def make(store: Store, config: Config, run: RunFolder, software: str, names: dict[str, int]) -> bytes:
    """The bundle as a ZIP file. `names`: accounts' numbers by name."""
    with store.read() as connection:
        told = events.latest(connection, _EVENTS)
        broken = events.broken_link(connection)
        states = images.count_by_state(connection)
        queue = parcels.count_by_state(connection)
        troubled = parcels.troubled(connection, 200)
    parts: dict[str, Any] = {
        "about.json": {"software": software, "machine": health.facts(config), "audit_broken_at": broken},
        "config.json": _without_secrets(config),
        "processes.json": {service: _status(run, service) for service in _SERVICES},
        "counts.json": {"images": states, "parcels": queue},
        "troubled.json": [
            {"parcel": p.id, "image": p.image_id, "destination": p.destination, "kind": p.kind, "state": p.state,
             "attempts": p.attempts, "reason": p.reason, "changed": p.changed_utc}
            for p in troubled
        ],
        "events.json": [
            {"id": one.id, "utc": one.utc, "trusted": one.trusted, "what": one.what, "subject": one.subject,
             "actor": f"account:{names[one.actor]}" if one.actor in names else one.actor, "detail": one.detail}
            for one in told
        ],
    }  # fmt: skip
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, body in parts.items():
            bundle.writestr(name, json.dumps(body, indent=1, default=str))
    return out.getvalue()


def _status(run: RunFolder, service: str) -> dict[str, Any] | None:
    status = run.read(service)
    return {"age_s": status.age_s, "facts": dict(status.facts)} if status else None


def _without_secrets(config: Config) -> dict[str, Any]:
    """The configuration; of addresses with a user's name in them only the host stays."""
    body: dict[str, Any] = json.loads(config.model_dump_json())
    for destination in body.get("destinations", []):
        if "url" in destination:
            destination["url"] = urlsplit(destination["url"]).hostname
    return body
