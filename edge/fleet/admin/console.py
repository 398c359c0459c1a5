"""What the admin does with rollouts. The document's changes are plain functions; `Console` signs and publishes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.errors import UpdateError
from edge.fleet.admin.repository import FleetRepository
from edge.fleet.documents import Channel, Manifest, Rollout, Rule, dump
from edge.fleet.slots import FACTORY, Kind

Change = Callable[[Channel], Channel]


def spread(channel: Channel, release: str, rule: Rule, rollout: str) -> Channel:
    """Lets a release reach the boxes of one rule, in place of an earlier rule for it."""
    others = tuple(old for old in channel.rules if old.release != release or old.cohort != rule.cohort)
    return channel.model_copy(update={"rules": (rule, *others), "rollout": rollout, "paused": False})


def settle(channel: Channel, release: str, rollout: str) -> Channel:
    """Everybody gets it."""
    return channel.model_copy(update={"default": release, "rules": (), "rollout": rollout, "paused": False})


def paused(channel: Channel) -> Channel:
    """Nobody begins anything."""
    return channel.model_copy(update={"paused": True})


def resumed(channel: Channel) -> Channel:
    """It goes on."""
    return channel.model_copy(update={"paused": False})


def pinned(channel: Channel, device: str, release: str | None) -> Channel:
    """One box runs this, whatever the rules say; None frees it."""
    pins = {name: wanted for name, wanted in channel.pins.items() if name != device}
    return channel.model_copy(update={"pins": pins | ({device: release} if release else {})})


class Console:
    """One fleet's rollout document."""

    def __init__(self, repository: FleetRepository, fleet: str) -> None:
        self._repository = repository
        self.fleet = fleet
        self._path = f"rollouts/{fleet}.json"

    def current(self) -> Rollout:
        """The published document; an empty one before the first."""
        content = self._repository.content("rollouts", self._path)
        return Rollout.model_validate_json(content) if content else Rollout(fleet=self.fleet, serial=1)

    def change(self, kind: Kind, how: Change) -> Rollout:
        """Changes one channel, signs with the rollouts key, publishes.

        Raises:
            UpdateError: `fleet-keys`; `fleet-unknown` when it names a release that `releases` hasn't signed.
        """
        before = self.current()
        channel = how(before.channels.get(kind, Channel()))
        for name in {channel.default, *channel.pins.values(), *(rule.release for rule in channel.rules)}:
            if name not in (None, FACTORY) and name not in self.releases(kind):
                raise UpdateError("fleet-unknown", f"{kind} {name}")
        fresh = before.channels == {} and self._repository.content("rollouts", self._path) is None
        after = Rollout(
            fleet=self.fleet,
            serial=before.serial if fresh else before.serial + 1,
            channels={**before.channels, kind: channel},
        )
        self.publish(after)
        return after

    def publish(self, document: Rollout) -> None:
        """Signs and publishes a document."""
        self._repository.propose("rollouts", self._path, dump(document))
        signers = self._repository.keys.signers("rollouts")
        if not signers:
            raise UpdateError("fleet-keys", "rollouts")
        for signer in signers:
            if self._repository.sign("rollouts", signer) == 0:
                return

    def releases(self, kind: Kind) -> Mapping[str, Manifest]:
        """The signed releases of one kind."""
        found = {}
        for path in self._repository.targets("releases"):
            if path.startswith(f"releases/{kind}/"):
                content = self._repository.content("releases", path)
                assert content is not None
                manifest = Manifest.model_validate_json(content)
                found[manifest.release] = manifest
        return found
