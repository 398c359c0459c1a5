"""What is wrong and what to do next: one list, worst first. Rules only, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from edge.store.parcels import ParcelState
from edge.web import phrases, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from edge.errors import Reason
    from edge.store.parcels import Parcel
    from edge.web.parts import Parts


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. `where` is the part or destination; `parcels` can be sent again with one touch."""

    code: str
    where: str
    text: str
    do: str
    detail: str = ""
    parcels: tuple[int, ...] = ()


def known(code: str) -> Reason:
    """The reason a code stands for. A code from a newer part of the appliance still says that something is wrong."""
    return words.reason(code)


def find(
    parts: Parts, troubled: Sequence[Parcel], since: Mapping[str, str] = MappingProxyType({})
) -> tuple[Problem, ...]:
    """Everything that is wrong: what stops results first, then what stops delivery, then the rest.

    `since`: for each destination, when what has waited longest for it came, in words.
    """
    stopped = (*_store(parts), *_analysis(parts), *_receiving(parts))
    return (*stopped, *_delivery(parts, troubled, since), *_unit(parts), *_updates(parts))


def _problem(code: str, where: str, *, detail: str = "", parcels: Iterable[int] = ()) -> Problem:
    reason = known(code)
    return Problem(code, where, reason.text, reason.do, detail, tuple(parcels))


def _store(parts: Parts) -> Iterator[Problem]:
    if parts.store:
        yield _problem(parts.store, words.STORE)


def _analysis(parts: Parts) -> Iterator[Problem]:
    if parts.analyzer.reason:
        yield _problem(parts.analyzer.reason, words.SERVICES["analyze"])


def _receiving(parts: Parts) -> Iterator[Problem]:
    receiver = parts.receiver
    if not receiver.running:
        yield _problem("process-down", words.SERVICES["dicom"])
    elif not receiver.listening:
        yield _problem("port-in-use", words.SERVICES["dicom"])
    elif not receiver.accepting:
        yield _problem("disk-full", words.SERVICES["dicom"])


def _delivery(parts: Parts, troubled: Sequence[Parcel], since: Mapping[str, str]) -> Iterator[Problem]:
    told: set[str] = set()
    groups: dict[tuple[str, str, str], list[Parcel]] = {}
    for parcel in troubled:
        groups.setdefault((parcel.destination, parcel.reason or "", parcel.detail or ""), []).append(parcel)
    for (destination, code, detail), parcels in groups.items():
        told.add(destination)
        held = sum(parcel.state is ParcelState.HELD for parcel in parcels)
        amount = phrases.parcels_in_trouble(len(parcels), held)
        if held < len(parcels) and destination in since:
            amount = words.SINCE.format(what=amount, when=since[destination])
        again = [parcel.id for parcel in parcels if parcel.state is not ParcelState.SENT]
        yield _problem(
            code or "destination-rejected",
            destination,
            detail=f"{detail}; {amount}" if detail else amount,
            parcels=again,
        )
    for peer in parts.receiver.peers:
        if peer.reachable is False and peer.name not in told:
            yield _problem(peer.reason or "destination-unreachable", peer.name)


def _unit(parts: Parts) -> Iterator[Problem]:
    unit = parts.unit
    if unit.reason:
        yield _problem(unit.reason, words.UNIT if unit.link != "process-down" else words.SERVICES["bridge"])
    elif unit.state == "error":
        yield _problem("unit-fault", words.UNIT, detail=words.SEMICOLON.join(unit.faults))
    if unit.too_hot and unit.reason != "unit-hot":
        yield _problem("unit-hot", words.UNIT)
    if unit.battery_low and unit.reason != "unit-battery-low":
        yield _problem("unit-battery-low", words.UNIT)


def _updates(parts: Parts) -> Iterator[Problem]:
    for code in parts.updates:
        yield _problem(code, words.UPDATES)
