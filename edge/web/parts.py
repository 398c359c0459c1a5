"""What the processes of the appliance say of themselves, read from the run folder, as the page needs it.

What always holds: a status that is old, missing or says nothing is *down*, never fine. Two `Parts` are equal when the
page would look the same, so that live pages are only told of what matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from edge.disk import watched
from edge.errors import REASONS
from edge.people.thresholds import Release
from edge.types import Bounds, OperatingPoints, Range

if TYPE_CHECKING:
    from collections.abc import Mapping

    from edge.config import Config
    from edge.runtime import RunFolder, Status

FRESH_S: Final = 5.0
"""A process that has said nothing for this long is down."""
DOWN: Final = "process-down"
LOW_BATTERY: Final = 15
_LINK_REASONS: Final = {"down": "unit-silent", "absent": "unit-absent"}


@dataclass(frozen=True, slots=True)
class Unit:
    """The X-ray unit, as the bridge tells. `link` is `off` without a serial port, `process-down` without a bridge."""

    link: str
    state: str | None = None
    device_id: str | None = None
    firmware: str | None = None
    interlock_open: bool = False
    reason: str | None = None
    heat_percent: int | None = None
    """Of what the anode may hold, in steps of 5, so that pages are not told of every degree."""
    too_hot: bool = False
    battery_percent: int | None = None
    """In steps of 5."""
    charging: bool = False
    set_to: tuple[float | None, float | None, float | None] | None = None
    """kV, mA, ms that the next exposure is set to, where the unit tells."""
    faults: tuple[str, ...] = ()
    """The unit's own words for what is wrong with it."""

    @property
    def battery_low(self) -> bool:
        """Whether the battery will not last, and nothing charges it."""
        return self.battery_percent is not None and self.battery_percent <= LOW_BATTERY and not self.charging


@dataclass(frozen=True, slots=True)
class Analyzer:
    """The detector's process. `working_on` is an image's number."""

    running: bool
    ready: bool = False
    model: str | None = None
    model_sha256: str | None = None
    release: Release | None = None
    """The model with its own operating points, and how far a site may move them."""
    working_on: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Peer:
    """A destination as last tried; `reachable` is None before the first try."""

    name: str
    reachable: bool | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Receiver:
    """The process that receives images and delivers results."""

    running: bool
    listening: bool = False
    accepting: bool = False
    busy: bool = False
    peers: tuple[Peer, ...] = ()


@dataclass(frozen=True, slots=True)
class Parts:
    """All of them, at one moment."""

    unit: Unit
    analyzer: Analyzer
    receiver: Receiver
    store: str | None = None
    """Why nothing can be kept, which ends everything else."""
    updates: tuple[str, ...] = ()
    """Codes: why updates are refused. What runs goes on running."""

    @property
    def down(self) -> tuple[str, ...]:
        """The services that should run and don't."""
        gone = {
            "dicom": not self.receiver.running,
            "analyze": not self.analyzer.running,
            "bridge": self.unit.link == DOWN,
        }
        return tuple(service for service, missing in gone.items() if missing)

    @property
    def fit(self) -> bool:
        """Whether images can be received, analysed and delivered. The link to the unit isn't needed for that."""
        receiver, analyzer = self.receiver, self.analyzer
        working = receiver.listening and receiver.accepting and analyzer.ready
        return working and not self.down and self.store is None


def read(run: RunFolder, config: Config) -> Parts:
    """The parts as they say they are now."""
    return Parts(
        _unit(_fresh(run.read("bridge")), has_port=config.serial.port is not None),
        _analyzer(_fresh(run.read("analyze"))),
        _receiver(_fresh(run.read("dicom"))),
        None if watched(config.data).writable() else "store-unusable",
        _updates(run.read("update")),
    )


_USUAL: Final = frozenset(
    {"update-waiting", "update-on-trial", "update-busy", "update-unconfigured", "update-unreachable"}
)
"""Nothing that a technician needs to know."""


def _updates(status: Status | None) -> tuple[str, ...]:
    """What the last check for updates said, however long ago it was."""
    if status is None:
        return ()
    kinds = status.facts.get("kinds") or {}
    codes = [status.facts.get("code"), *(one.get("code") for one in kinds.values())]
    return tuple(dict.fromkeys(code for code in codes if code in REASONS and code not in _USUAL))


def _fresh(status: Status | None) -> Mapping[str, Any] | None:
    if status is None or status.age_s is None or status.age_s > FRESH_S:
        return None
    return status.facts


def _unit(facts: Mapping[str, Any] | None, *, has_port: bool) -> Unit:
    if facts is None:
        return Unit(DOWN if has_port else "off", reason=DOWN if has_port else None)
    link = str(facts.get("link") or "down")
    state = facts.get("unit_state")
    reason = _code(facts.get("reason"))
    if link == "down" and reason == "unit-absent":
        link = "absent"
    return Unit(
        link,
        str(state).lower().replace("_", "-") if state and link in {"up", "degraded"} else None,
        facts.get("device_id"),
        facts.get("firmware"),
        facts.get("interlock_closed") is False or facts.get("interlock") == "open",
        reason if reason in REASONS else _LINK_REASONS.get(link, reason),
        **_condition(facts),
    )


def _condition(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Heat, battery, technique and faults, as far as the unit tells of them."""
    heat, set_to = facts.get("anode_heat_percent"), facts.get("programmed")
    told = ("kvp", "tube_current_ma", "exposure_time_ms")
    return {
        "heat_percent": _coarse(heat),
        "too_hot": facts.get("anode_heat_ok") is False,
        "battery_percent": _coarse(facts.get("battery_percent")),
        "charging": facts.get("battery_charging") is True,
        "set_to": tuple(set_to.get(name) for name in told) if isinstance(set_to, dict) else None,
        "faults": tuple(str(fault.get("text") or fault.get("code")) for fault in facts.get("active_faults") or ()),
    }


def _coarse(percent: object) -> int | None:
    return 5 * round(percent / 5) if isinstance(percent, int | float) else None


def _analyzer(facts: Mapping[str, Any] | None) -> Analyzer:
    if facts is None:
        return Analyzer(running=False, reason=DOWN)
    model = facts.get("model") or {}
    return Analyzer(
        running=True,
        ready=facts.get("ready") is True,
        model=f"{model['name']} {model['version']}" if model else None,
        model_sha256=model.get("sha256"),
        release=_release(model, facts.get("bounds")),
        working_on=facts.get("working_on"),
        reason=_code(facts.get("reason")),
    )


def _release(model: Mapping[str, Any], bounds: Mapping[str, Mapping[str, float]] | None) -> Release | None:
    if "possible_threshold" not in model:
        return None
    return Release(
        model["sha256"],
        f"{model['name']} {model['version']}",
        OperatingPoints(model["possible_threshold"], model["definite_threshold"]),
        Bounds(Range(**bounds["possible"]), Range(**bounds["definite"])) if bounds else None,
    )


def _receiver(facts: Mapping[str, Any] | None) -> Receiver:
    if facts is None:
        return Receiver(running=False)
    peers = facts.get("destinations") or {}
    return Receiver(
        running=True,
        listening=facts.get("listening") is True,
        accepting=facts.get("accepting") is True,
        busy=bool(facts.get("associations")),
        peers=tuple(Peer(name, peer.get("reachable"), _code(peer.get("reason"))) for name, peer in peers.items()),
    )


def _code(value: object) -> str | None:
    return None if value in {None, "", "none"} else str(value)
