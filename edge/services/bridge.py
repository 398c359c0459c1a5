"""`calcedge-bridge`: listens to the X-ray unit and keeps what it tells. No network.

Its status (`RunFolder.read("bridge").facts`) is what the page and the doctor show. None means *not known*:

| key | meaning |
|---|---|
| link | `up`, `degraded`, `down`, or `off` without a configured port |
| link_reason | `LinkReason`: why it is not up, or what is wrong with it while it is |
| reason | the same as a code of `edge.errors`, None when nothing is wrong |
| mode, profile | `session`, `listen`, `poll`; `own`, `spellman-pmx`, `spellman-xrv` |
| device_id, expected_device_id, firmware | the unit by its own word; the one that belongs here by configuration |
| unit_state, interlock_closed | name of `UnitState`; bool |
| anode_heat_percent, anode_heat_ok | of what the anode may hold; False from 90 % on |
| battery_percent, battery_charging | of a full charge; bool |
| active_faults | list of `{code, level, text}`: names of `FaultCode` and `Level`, the unit's own words |
| last_exposure | `{at (UTC), kvp, tube_current_ma, exposure_time_ms, exposure_mas, end_code, accuracy_ms}` |
| programmed | `{kvp, tube_current_ma, exposure_time_ms}`: what the next exposure is set to; polled generators only |
| round_trip_ms | best recent round trip |
| counters | `LinkCounters`: frames_good, bad_crc, resyncs, gaps, events_repeated, reconnects ... |
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from edge.errors import ConfigError, StoreError
from edge.intake.exposures import ACTOR, DurableSink, moment
from edge.store import events
from firmware_bridge.bridge import Bridge, LinkReason, LinkState, LinkStatus, Plan
from firmware_bridge.link import LastExposure, Mode

if TYPE_CHECKING:
    from edge.config import Bridge as Settings
    from edge.services.process import Context
    from edge.store import Store

_IDLE_S: Final = 0.5
_NOTE_EVERY_S: Final = 1.0
_REASONS: Final[dict[LinkReason, str | None]] = {
    LinkReason.NONE: None,
    LinkReason.NOT_NAMED: None,
    LinkReason.PORT_ABSENT: "unit-absent",
    LinkReason.PORT_LOST: "unit-absent",
    LinkReason.PORT_BUSY: "unit-port-busy",
    LinkReason.PORT_DENIED: "unit-port-busy",
    LinkReason.NO_HELLO: "unit-silent",
    LinkReason.SILENT: "unit-silent",
    LinkReason.INCOMPATIBLE: "unit-incompatible",
    LinkReason.NOT_DURABLE: "store-unusable",
    LinkReason.OTHER_UNIT: "unit-other",
    LinkReason.WRONG_BAUD: "unit-wrong-speed",
    LinkReason.NOT_UNDERSTOOD: "unit-not-understood",
}
"""What is wrong with the link, in the words of the house."""


def body(context: Context) -> None:
    """Works until it is told to stop."""
    port = context.config.serial.port
    if port is None:
        while not context.stop.wait(_IDLE_S):
            context.beat({"link": "off", "reason": None})
        return
    told = Told(context.store)

    def on_status(status: LinkStatus) -> None:
        context.beat(told.facts(status))

    sink = DurableSink(context.store, on_status)
    Bridge(port, sink, plan=plan(context.config.bridge)).run(context.stop)


def plan(settings: Settings) -> Plan:
    """The configured way to take part in the link.

    Raises:
        ConfigError: if there is no such way.
    """
    try:
        return Plan(
            Mode(settings.mode), settings.profile, settings.device_id, settings.baud, settings.last_kv_per_count
        )
    except ValueError as error:
        raise ConfigError(f"bridge: {error}") from error


class Told:
    """Turns the link's status into facts, and notes in the audit trail when the link comes and goes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._last: tuple[LastExposure, dict[str, Any]] | None = None
        self._noted: tuple[LinkState, LinkReason] | None = None
        self._noted_s = -_NOTE_EVERY_S

    def facts(self, status: LinkStatus) -> dict[str, Any]:
        """What the status file says, see the module."""
        self._note(status)
        return {
            "link": status.link.value,
            "link_reason": status.reason.value,
            "reason": _REASONS[status.reason],
            "mode": status.mode.value,
            "profile": status.profile,
            "device_id": status.device_id,
            "expected_device_id": status.expected_device_id,
            "firmware": status.firmware,
            "unit_state": status.unit_state.name if status.unit_state is not None else None,
            "interlock_closed": status.interlock_closed,
            "anode_heat_percent": status.anode_heat_percent,
            "anode_heat_ok": status.anode_heat_ok,
            "battery_percent": status.battery_percent,
            "battery_charging": status.battery_charging,
            "active_faults": [
                {"code": fault.code.name, "level": fault.level.name, "text": fault.text}
                for fault in status.active_faults
            ],
            "last_exposure": self._last_exposure(status.last_exposure),
            "programmed": asdict(status.programmed) if status.programmed else None,
            "round_trip_ms": None if status.round_trip_ns is None else round(status.round_trip_ns / 1e6, 2),
            "counters": asdict(status.counters),
        }

    def _last_exposure(self, last: LastExposure | None) -> dict[str, Any] | None:
        if last is None:
            return None
        if self._last is None or self._last[0] is not last:
            exposure = last.message
            facts = {
                "at": moment(self._store.clock.now(), last.host_monotonic_ns).iso,
                "kvp": exposure.kvp,
                "tube_current_ma": exposure.tube_current_ma,
                "exposure_time_ms": exposure.exposure_time_ms,
                "exposure_mas": exposure.exposure_mas,
                "end_code": int(exposure.end_code),
                "accuracy_ms": exposure.accuracy_ms,
            }
            self._last = (last, facts)
        return self._last[1]

    def _note(self, status: LinkStatus) -> None:
        """A link that drops is a normal event: seen, named, recovered. At most one note a second."""
        now = self._store.clock.monotonic_s()
        if (status.link, status.reason) == self._noted or now - self._noted_s < _NOTE_EVERY_S:
            return
        self._noted_s = now
        with suppress(StoreError), self._store.transaction() as tx:  # a full disk must not end the link
            events.append(
                tx, self._store.clock.now(), ACTOR, "unit-link", "unit",
                link=status.link.value, reason=status.reason.value, device=status.device_id,
            )  # fmt: skip
            self._noted = (status.link, status.reason)
