"""Looks at a repository as a box will, before boxes do: signatures, expiries, every file there and whole."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from edge.clock import Clock
from edge.errors import CalcedgeError
from edge.fleet.admin.repository import VALIDITY, FleetRepository
from edge.fleet.documents import Manifest, Rollout
from edge.fleet.fetcher import Fetcher
from edge.fleet.slots import FACTORY
from edge.fleet.trust import Repository, Trust

SOON: Final = timedelta(days=5)
"""The nightly renewal has failed for days when signatures are so near their end."""


def faults(repository: FleetRepository, fleet: str, clock: Clock) -> Iterator[str]:
    """What a box would stumble over. Nothing, when all is well."""
    now = clock.now()
    for role in VALIDITY:
        left = repository.newest(role).signed.expires - now.utc
        if left < SOON:
            yield f"{role} expires in {left.days} days: calcedge fleet renew"
    for role in repository.disagreements():
        yield f"{role}: its keys are not those in keys.json; the change of a key was cut short"
    root = (repository.root / "metadata" / "1.root.json").read_bytes()
    fetcher = Fetcher(clock)
    try:
        with tempfile.TemporaryDirectory() as folder:
            trust = Trust(Path(folder), root, Repository(repository.root.as_uri()), fetcher)
            trust.refresh(now, "")
            yield from _releases(repository, trust)
            if rollout := trust.rollout(fleet):
                yield from _named(repository, rollout)
    except CalcedgeError as error:
        yield f"{error.reason.code}: {error.reason.text}"
    finally:
        fetcher.close()


def _releases(repository: FleetRepository, trust: Trust) -> Iterator[str]:
    for path in repository.targets("releases"):
        content = repository.content("releases", path)
        assert content is not None
        named = Manifest.model_validate_json(content)
        manifest = trust.manifest(named.kind, named.release)
        for blob in manifest.blobs:
            file = repository.root / "targets" / "releases" / "blobs" / blob.sha256
            if not file.exists():
                yield f"{manifest.release}: {blob.path} is missing"
            elif hashlib.sha256(file.read_bytes()).hexdigest() != blob.sha256:
                yield f"{manifest.release}: {blob.path} is damaged"


def _named(repository: FleetRepository, rollout: Rollout) -> Iterator[str]:
    for kind, channel in rollout.channels.items():
        for release in {channel.default, *channel.pins.values(), *(rule.release for rule in channel.rules)}:
            if release not in (None, FACTORY) and f"releases/{kind}/{release}.json" not in repository.targets(
                "releases"
            ):
                yield f"the rollout names {kind} {release}, which is not signed"
