"""Our own node, as somebody who calls it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge.config import DicomNode
from edge.network.tls import own_name

if TYPE_CHECKING:
    from edge.config import Dicom, Tls


def own_node(settings: Dicom, tls: Tls | None, timeout_s: float) -> DicomNode:
    """Whom to call to reach ourselves, by our own title; one that listens everywhere is called on the loopback."""
    everywhere = settings.host in ("0.0.0.0", "::", "")  # noqa: S104 - compared, not bound
    return DicomNode(
        title=settings.title,
        host="127.0.0.1" if everywhere else settings.host,
        port=settings.port,
        calling_title=settings.title,
        tls=settings.tls,
        tls_name=own_name(tls) if settings.tls and tls else None,
        timeout_s=timeout_s,
    )
