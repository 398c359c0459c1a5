"""An archive that speaks DICOMweb as destination: STOW-RS to send, QIDO-RS to see whether it has what it took.

Objects stream from disk, one in each request, so that the answer to one says nothing of another. Sources: PS3.18
sections 10.5 (store) and 10.6 (search), RFC 2387 (multipart/related).
"""

from __future__ import annotations

import json
import secrets
from typing import IO, TYPE_CHECKING, Final

from edge.errors import DeliveryError
from edge.outbox import policy, probe
from edge.outbox.http import Http, judge_http
from edge.outbox.wares import TWINS, ware_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from edge.config import DicomWebDestination, Tls
    from edge.outbox.destination import Consignment, Seen

_CHUNK: Final = 1 << 18
_JSON: Final = "application/dicom+json"
_REFERENCED, _FAILED, _REASON = "00081199", "00081198", "00081197"
_INSTANCE: Final = "00081155"
_DUPLICATE: Final = 0x0111


class DicomWeb:
    """One DICOMweb service."""

    def __init__(self, settings: DicomWebDestination, tls: Tls | None = None) -> None:
        self._settings = settings
        self._http = Http(settings, tls)

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._settings.name

    def send(self, consignments: Sequence[Consignment]) -> Iterator[DeliveryError | None]:
        """Stores each object in a request of its own."""
        for consignment in consignments:
            yield self._store(consignment)

    def confirm(self, consignments: Sequence[Consignment]) -> Iterator[Seen]:
        """Searches for each instance where it belongs."""
        for consignment in consignments:
            yield self._shows(consignment) if self._settings.confirm else None

    def knock(self) -> None:
        """Asks for as little as can be asked.

        Raises:
            DeliveryError: when nobody answers, or not to us.
        """
        answer = self._http.ask("GET", "/studies?limit=1", {"Accept": _JSON})
        if isinstance(answer, DeliveryError):
            raise answer
        if answer[0] in (401, 403) or answer[0] >= 500:
            raise judge_http(answer[0])

    def _store(self, consignment: Consignment) -> DeliveryError | None:
        ware = ware_of(consignment)
        with ware.shaped(ware.transfer_syntax_uid or TWINS[0]) as path:
            if path is None:
                return DeliveryError("destination-no-context", "no DICOM file", final=True)
            return self._post(path, consignment.sop_instance_uid)

    def _post(self, path: Path, sop_instance_uid: str) -> DeliveryError | None:
        boundary = secrets.token_hex(16)
        kind = f'multipart/related; type="application/dicom"; boundary={boundary}'
        head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        tail = f"\r\n--{boundary}--\r\n".encode()
        length = len(head) + path.stat().st_size + len(tail)
        with path.open("rb") as file:
            headers = {"Content-Type": kind, "Content-Length": str(length), "Accept": _JSON}
            answer = self._http.ask("POST", "/studies", headers, _parts(head, file, tail))
        if isinstance(answer, DeliveryError):
            return answer
        return judge_stored(*answer, sop_instance_uid)

    def _shows(self, consignment: Consignment) -> Seen:
        study, series = probe.place(consignment)
        place = f"/studies/{study}/series/{series}/instances?SOPInstanceUID={consignment.sop_instance_uid}"
        answer = self._http.ask("GET", place, {"Accept": _JSON})
        if isinstance(answer, DeliveryError):
            return answer
        status, body = answer
        if status in (200, 204, 404):
            return status == 200 and any(_uid(item) == consignment.sop_instance_uid for item in _items(body))
        if status in (400, 405, 501):
            return None  # it stores, and can't be searched
        return judge_http(status)


def judge_stored(status: int, body: bytes, sop_instance_uid: str) -> DeliveryError | None:
    """What the answer to a store request means for its one object: None when it was taken.

    Success without a list of what was stored is believed; a list that doesn't name the object is not.
    """
    if status not in (200, 202, 409):
        return judge_http(status)
    for item in _items(body):
        for failed in _sequence(item, _FAILED):
            if _uid(failed) in ("", sop_instance_uid):
                return _failure(failed)
        stored = _sequence(item, _REFERENCED)
        if any(_uid(entry) == sop_instance_uid for entry in stored):
            return None
        if stored:
            return DeliveryError("destination-rejected", "the answer names another object", final=True)
    return None if status == 200 else judge_http(status)


def _failure(item: dict[str, object]) -> DeliveryError | None:
    values = _values(item, _REASON)
    said = str(values[0]) if values else ""
    reason = int(said) if said.isascii() and said.isdigit() and len(said) < 6 else 0x0110
    return None if reason == _DUPLICATE else policy.judge_store(reason)


def _items(body: bytes) -> list[dict[str, object]]:
    """The data sets of a DICOM JSON answer (PS3.18 annex F); none when it is something else."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return []
    return [item for item in (told if isinstance(told, list) else [told]) if isinstance(item, dict)]


def _values(item: dict[str, object], tag: str) -> list[object]:
    element = item.get(tag)
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []


def _sequence(item: dict[str, object], tag: str) -> list[dict[str, object]]:
    return [value for value in _values(item, tag) if isinstance(value, dict)]


def _uid(item: dict[str, object]) -> str:
    """A search names the instance by (0008,0018), a store's answer by the referenced (0008,1155)."""
    values = _values(item, _INSTANCE) or _values(item, "00080018")
    return str(values[0]) if values else ""


def _parts(head: bytes, file: IO[bytes], tail: bytes) -> Iterator[bytes]:
    yield head
    while chunk := file.read(_CHUNK):
        yield chunk
    yield tail
