"""A FHIR R4 server as destination: one Bundle for each analysis, put under an identifier that we choose.

PUT to a chosen identifier (update as create) makes sending again harmless. Source: HL7 FHIR R4, RESTful API.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from edge.errors import DeliveryError
from edge.outbox.http import Http, judge_http

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from edge.config import FhirDestination, Tls
    from edge.outbox.destination import Consignment, Seen

_JSON: Final = "application/fhir+json"


class FhirServer:
    """One FHIR server."""

    def __init__(self, settings: FhirDestination, tls: Tls | None = None) -> None:
        self._settings = settings
        self._http = Http(settings, tls)

    @property
    def name(self) -> str:
        """The name in the configuration."""
        return self._settings.name

    def knock(self) -> None:
        """Asks what the server can do.

        Raises:
            DeliveryError: when nobody answers, or not to us.
        """
        answer = self._http.ask("GET", "/metadata?_summary=true", {"Accept": _JSON})
        if isinstance(answer, DeliveryError):
            raise answer
        if answer[0] in (401, 403) or answer[0] >= 500:
            raise judge_http(answer[0])

    def send(self, consignments: Sequence[Consignment]) -> Iterator[DeliveryError | None]:
        """Puts each bundle where it belongs."""
        for consignment in consignments:
            body = consignment.path.read_bytes()
            answer = self._http.ask("PUT", _place(consignment), {"Content-Type": _JSON, "Accept": _JSON}, body)
            if isinstance(answer, DeliveryError):
                yield answer
            else:
                yield None if answer[0] in (200, 201) else judge_http(answer[0])

    def confirm(self, consignments: Sequence[Consignment]) -> Iterator[Seen]:
        """Reads the identifier of each bundle back."""
        for consignment in consignments:
            yield self._shows(consignment) if self._settings.confirm else None

    def _shows(self, consignment: Consignment) -> Seen:
        answer = self._http.ask("GET", _place(consignment) + "?_summary=true", {"Accept": _JSON})
        if isinstance(answer, DeliveryError):
            return answer
        status, body = answer
        if status in (404, 410):
            return False
        if status != 200:
            return judge_http(status)
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            return None  # longer than we read, or nothing to read: it is there, and can't be compared
        return isinstance(told, dict) and told.get("id") == consignment.sop_instance_uid


def _place(consignment: Consignment) -> str:
    return f"/Bundle/{consignment.sop_instance_uid}"
