"""`calcedge-bridge`: listens to the X-ray unit and keeps what it tells. No network."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from edge.intake.exposures import DurableSink
from edge.services.process import Context
from firmware_bridge.bridge import Bridge, LinkReason, LinkStatus

_IDLE_S: Final = 0.5
_REASONS: Final[dict[LinkReason, str | None]] = {
    LinkReason.NONE: None,
    LinkReason.PORT_ABSENT: "unit-absent",
    LinkReason.PORT_LOST: "unit-absent",
    LinkReason.PORT_BUSY: "unit-port-busy",
    LinkReason.PORT_DENIED: "unit-port-busy",
    LinkReason.NO_HELLO: "unit-silent",
    LinkReason.SILENT: "unit-silent",
    LinkReason.INCOMPATIBLE: "unit-incompatible",
    LinkReason.NOT_DURABLE: "store-unusable",
}
"""Why the link is not up, in the words of the house."""


def body(context: Context) -> None:
    """Works until it is told to stop."""
    port = context.config.serial.port
    if port is None:
        while not context.stop.wait(_IDLE_S):
            context.beat({"link": "off", "reason": None})
        return

    def on_status(status: LinkStatus) -> None:
        context.beat(_facts(status))

    Bridge(port, DurableSink(context.store, on_status)).run(context.stop)


def _facts(status: LinkStatus) -> dict[str, Any]:
    return {
        "link": status.link.value,
        "link_reason": status.reason.value,
        "reason": _REASONS[status.reason],
        "device_id": status.device_id,
        "firmware": status.firmware,
        "unit_state": status.unit_state.name if status.unit_state is not None else None,
        "interlock_closed": status.interlock_closed,
        "counters": asdict(status.counters),
    }
