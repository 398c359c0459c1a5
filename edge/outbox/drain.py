"""Carries the parcels of one destination. Destinations never wait for each other: each has a drain of its own.

What always holds: a parcel is settled in the store after each try; a try that was cut off is made again; an object
refused for good is held, with the reason, and never in the way of the next. While the destination is not there it is
knocked at with a few parcels, in turn: thousands that wait cost the disk no more writes than those.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from edge.errors import DeliveryError, StoreError
from edge.outbox import policy
from edge.outbox.destination import Committing, Consignment
from edge.outbox.ledger import Ledger
from edge.store import events, parcels
from edge.store.parcels import ParcelState

if TYPE_CHECKING:
    from edge.outbox.destination import Destination
    from edge.store import Store
    from edge.store.parcels import Parcel

ACTOR: Final = "outbox"
BATCH: Final = 16
_POLL_S: Final = 0.1

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reach:
    """How the destination answered last. `reachable` is None before the first try."""

    reachable: bool | None = None
    reason: str | None = None


class Drain:
    """Sends and confirms what waits for one destination."""

    def __init__(self, store: Store, destination: Destination, ledger: Ledger | None = None) -> None:
        self._store = store
        self._destination = destination
        self._ledger = ledger or Ledger(store)
        self._taken = 0
        self._breaks: dict[int, tuple[int, int]] = {}
        self._knocks = 0
        self._knock_ns = 0
        self.reach = Reach()

    def run(self, stop: threading.Event) -> None:
        """Works until `stop` is set."""
        while not stop.is_set():
            if not self.step(stop):
                stop.wait(_POLL_S)

    def step(self, stop: threading.Event | None = None) -> bool:
        """Sends one batch of what is due and asks after what was sent. False when nothing was due."""
        now = self._store.clock.now()
        name = self._destination.name
        away = now.monotonic_ns < self._knock_ns
        with self._store.read() as connection:
            queued = parcels.due(
                connection, name, ParcelState.QUEUED, now, BATCH, untried=away, in_turn=self._knocks > 0
            )
            sent = parcels.due(connection, name, ParcelState.SENT, now, BATCH)
        taken = self._taken
        self._send(queued)
        if self._taken > taken or self.reach.reason not in policy.OUT_OF_REACH:
            self._knocks = self._knock_ns = 0
        elif queued and not away:
            # Who is out of reach for these is so for all that were tried before.
            self._knock_ns = now.monotonic_ns + int(policy.delay_s(self._knocks) * 1e9)
            self._knocks += 1
        if sent and not (stop and stop.is_set()):
            self._confirm(sent)
        return bool(queued or sent)

    def _send(self, batch: list[Parcel]) -> None:
        whole = [parcel for parcel in batch if self._proven(parcel)]
        if not whole:
            return
        results = self._destination.send([self._consignment(parcel) for parcel in whole])
        # What was not tried because the connection broke off stays as it is: it goes first the next time.
        for parcel, error in zip(whole, results, strict=False):
            if error is None:
                self._taken += 1
                self._breaks.pop(parcel.id, None)
                self._settle(parcel, ParcelState.SENT)
                if self.reach.reachable is False:
                    self._hurry()
                self.reach = Reach(reachable=True)
            else:
                self._failed(parcel, ParcelState.QUEUED, self._patience(parcel, error))

    def _hurry(self) -> None:
        """The destination is back: what waited for that waits no longer, and goes in its old order."""
        stamp = self._store.clock.now()
        with self._store.transaction() as tx:
            parcels.hurry(tx, self._destination.name, policy.OUT_OF_REACH, stamp)

    def _patience(self, parcel: Parcel, error: DeliveryError) -> DeliveryError:
        """An object on which the connection breaks off again and again, while others pass, is held at last."""
        if error.reason.code != policy.BROKE_OFF:
            return error
        times, taken_then = self._breaks.get(parcel.id, (0, -1))
        times += taken_then != self._taken
        self._breaks[parcel.id] = (times, self._taken)
        return DeliveryError(policy.BROKE_OFF, final=True) if times >= policy.GIVE_UP_AFTER else error

    def _confirm(self, batch: list[Parcel]) -> None:
        rest = self._commit(batch)
        if not rest:
            return
        answers = self._destination.confirm([self._consignment(parcel) for parcel in rest])
        for parcel, seen in zip(rest, answers, strict=False):
            if isinstance(seen, DeliveryError):
                self._failed(parcel, ParcelState.SENT, seen)
            elif seen is None:
                self._settle(parcel, ParcelState.SENT, delay_s=policy.FOREVER_S)
            elif seen:
                self._settle(parcel, ParcelState.CONFIRMED)
            elif parcel.attempts >= policy.SEND_AGAIN_AFTER:
                self._settle(parcel, ParcelState.QUEUED)
            else:
                self._failed(parcel, ParcelState.SENT, DeliveryError("destination-unconfirmed"))

    def _commit(self, batch: list[Parcel]) -> list[Parcel]:
        """Asks the archive to commit, where it does; returns what must be asked for otherwise."""
        archive = self._destination
        if not isinstance(archive, Committing) or archive.commitment_wait_s is None:
            return batch
        unanswered = [parcel for parcel in batch if self._ledger.give_up(parcel.id)]
        fresh = [parcel for parcel in batch if parcel not in unanswered]
        if not fresh:
            return unanswered
        for parcel in fresh:  # before it is asked: the report may come at once
            self._settle(parcel, ParcelState.SENT, delay_s=archive.commitment_wait_s)
        uid = self._ledger.open(fresh)
        try:
            if archive.ask_to_commit(uid, [self._consignment(parcel) for parcel in fresh]):
                return unanswered
        except DeliveryError as error:
            for parcel in fresh:
                if self._ledger.give_up(parcel.id):
                    self._failed(parcel, ParcelState.SENT, error)
            return unanswered
        return [*unanswered, *(parcel for parcel in fresh if self._ledger.give_up(parcel.id))]

    def _proven(self, parcel: Parcel) -> bool:
        """Never sends what isn't what was made: a missing or damaged object is held."""
        try:
            self._store.objects.prove(parcel.object)
        except StoreError as error:
            self._failed(parcel, ParcelState.QUEUED, DeliveryError(error.reason.code, final=True))
            return False
        return True

    def _consignment(self, parcel: Parcel) -> Consignment:
        path = self._store.objects.path(parcel.object)
        return Consignment(path, parcel.object, parcel.sop_class_uid, parcel.sop_instance_uid)

    def _failed(self, parcel: Parcel, state: ParcelState, error: DeliveryError) -> None:
        if error.reason.code != "destination-unconfirmed":
            reached = error.reason.code not in policy.OUT_OF_REACH
            self.reach = Reach(reachable=reached, reason=error.reason.code)
        after = ParcelState.HELD if error.final else state
        self._settle(parcel, after, delay_s=policy.delay_s(parcel.attempts), error=error)

    def _settle(
        self, parcel: Parcel, state: ParcelState, *, delay_s: float = 0.0, error: DeliveryError | None = None
    ) -> None:
        stamp = self._store.clock.now()
        code = error.reason.code if error else None
        with self._store.transaction() as tx:
            parcels.settle(
                tx, parcel.id, state, stamp, delay_s=delay_s, reason=code, detail=error.reason.text if error else None
            )
            what = _EVENTS.get(state) if error is None or state is ParcelState.HELD else "parcel-delayed"
            # An archive that is away for days is told once, not at every try.
            if what and (state, code) != (parcel.state, parcel.reason):
                events.append(
                    tx, stamp, ACTOR, what, f"parcel:{parcel.id}", destination=parcel.destination, reason=code
                )


_EVENTS: Final[dict[ParcelState, events.What]] = {
    ParcelState.SENT: "parcel-sent",
    ParcelState.CONFIRMED: "parcel-confirmed",
    ParcelState.HELD: "parcel-held",
    ParcelState.QUEUED: "parcel-queued",
}
