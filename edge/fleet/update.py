"""One check for updates, from the signatures to the beginning of a trial. Composes the others; the rules are theirs.

    refresh -> both roles agree -> may it run here? -> download -> install -> preflight -> idle? -> trial

Every step may be the last before the power goes: the next check goes on where the disk says. What is refused changes
nothing. A check never waits for a trial's end: the keeper conducts it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import structlog

from edge import __version__
from edge.clock import Clock
from edge.config import Config
from edge.errors import UpdateError, reason
from edge.fleet import conditions
from edge.fleet.depot import Depot
from edge.fleet.documents import Blob, Channel, Manifest, Rollout, Rule, dump
from edge.fleet.download import Downloader
from edge.fleet.fetcher import Fetcher
from edge.fleet.installed import Application, Installed, model_release
from edge.fleet.preflight import preflight_application, preflight_model
from edge.fleet.slots import FACTORY, Event, Kind, Phase, turn
from edge.fleet.statefile import State, StateFile
from edge.fleet.targeting import Box, Choice, choose
from edge.fleet.trust import Repository, Trust

HARDWARE: Final = platform.machine()
PYTHON: Final = f"cp{sys.version_info.major}{sys.version_info.minor}"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Step:
    """How far a check came with one kind. `code`: why no further; empty when nothing is to do."""

    wanted: str | None = None
    rollout: str = ""
    code: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found. `code`: why the repository could not be used at all; empty when it could."""

    code: str = ""
    detail: str = ""
    steps: Mapping[Kind, Step] = field(default_factory=lambda: MappingProxyType({}))


class Check:
    """One box's check. One instance a check.

    Args:
        config: the appliance's configuration.
        clock: its clock.
        fetcher: brings bytes.
        downloader: fills the depot.
        depot: the releases.
        arguments: given to every test program: `--config FILE`.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        *,
        fetcher: Fetcher,
        downloader: Downloader,
        depot: Depot,
        arguments: tuple[str, ...] = (),
    ) -> None:
        self._config = config
        self._clock = clock
        self._fetcher = fetcher
        self._downloader = downloader
        self._depot = depot
        self._arguments = arguments
        self._state = StateFile(config.fleet_root, depot.disk)
        self._installed = Installed(config.fleet_root)
        device = config.fleet.device or "unnamed"
        self._box = Box(device, frozenset(config.fleet.cohorts))
        self._staged: set[tuple[Kind, str]] = set()
        self._coming: list[Blob] = []

    def run(self) -> Outcome:
        """Checks once. Never raises for what a repository does."""
        try:
            with _alone(self._config.fleet_root / "update.lock"):
                self._depot.sweep()
                trust, repository, rollout = self._agree()
                steps = {
                    kind: self._advance(kind, rollout.channels.get(kind, Channel()), trust, repository)
                    for kind in (Kind.APPLICATION, Kind.MODEL)
                }
                self._collect()
                return Outcome(steps=MappingProxyType(steps))
        except UpdateError as error:
            log.warning("no update", code=error.reason.code)
            return Outcome(error.reason.code, error.reason.text)

    # -- what the signatures say --

    def _agree(self) -> tuple[Trust, Repository, Rollout]:
        fleet = self._config.fleet
        if not fleet.repositories or fleet.trust is None:
            raise UpdateError("update-unconfigured")
        try:
            bootstrap = fleet.trust.read_bytes()
        except OSError as error:
            raise UpdateError("update-unconfigured", "fleet.trust") from error
        trouble: UpdateError | None = None
        for url in fleet.repositories:
            repository = Repository(url)
            try:
                trust = Trust(self._config.fleet_root / "tuf", bootstrap, repository, self._fetcher)
                return trust, repository, self._verified(trust)
            except UpdateError as error:
                if trouble is None or trouble.reason.code == "update-unreachable":
                    trouble = error
        assert trouble is not None
        raise trouble

    def _verified(self, trust: Trust) -> Rollout:
        before = self._state.read()
        floor_time = trust.refresh(self._clock.now(), before.floor_time)
        name = self._config.fleet.name
        rollout = trust.rollout(name) or Rollout(fleet=name, serial=max(1, before.serial))
        if rollout.fleet != name:
            raise UpdateError("update-untrusted", "another fleet's document")
        if rollout.serial < before.serial:
            raise UpdateError("update-replayed")
        self._state.change(lambda state: self._raised(state, rollout, floor_time))
        return rollout

    def _raised(self, state: State, rollout: Rollout, floor_time: str) -> State:
        """The floors after a verified document: never lowered, never above what runs here and has proven itself."""
        floors = dict(state.floors)
        for kind, channel in rollout.channels.items():
            good = self._depot.installed(kind, state.slots[kind].good)
            floors[kind] = max(floors[kind], min(channel.floor_epoch, good.epoch if good else 0))
        return replace(
            state,
            floors=MappingProxyType(floors),
            serial=max(state.serial, rollout.serial),
            floor_time=max(state.floor_time, floor_time),
        )

    # -- one kind --

    def _advance(self, kind: Kind, channel: Channel, trust: Trust, repository: Repository) -> Step:
        choice = choose(channel, self._box, self._clock.now().utc)
        step = Step(choice.release, channel.rollout)
        try:
            if choice.release is not None and choice.rule is not None:
                self._toward(kind, choice, choice.rule, trust, repository)
        except UpdateError as error:
            log.warning("update stops", kind=kind, release=choice.release, code=error.reason.code)
            return replace(step, code=error.reason.code, detail=error.reason.text)
        except OSError as error:  # the disk filled while we wrote, or can't be written
            log.error("update stops", kind=kind, release=choice.release, error=error.strerror)
            full = reason("update-no-room", detail=error.strerror or "")
            return replace(step, code=full.code, detail=full.text)
        return step

    def _toward(self, kind: Kind, choice: Choice, rule: Rule, trust: Trust, repository: Repository) -> None:
        release = choice.release
        assert release is not None
        slot = self._state.read().slots[kind]
        if slot.phase is Phase.TRIAL:
            if slot.running == release:
                raise UpdateError("update-on-trial")
            self._when_idle(rule)
            slot = self._turn(kind, Event.WITHDRAW).slots[kind]
        if slot.good == release:
            return
        if release == FACTORY:
            self._when_idle(rule)
            self._turn(kind, Event.RESET)
            return
        if release in slot.bad:
            raise UpdateError("update-bad-release", f"{release}: {slot.bad[release]}")
        manifest = trust.manifest(kind, release)
        self._may_run(manifest)
        self._staged.add((kind, release))
        self._coming += manifest.blobs
        self._load(manifest, repository)
        self._test(manifest)
        if any(other.trial for other in self._state.read().slots.values()):
            raise UpdateError("update-on-trial")  # one at a time: a failure must have one cause
        self._when_idle(rule)
        self._turn(kind, Event.ACTIVATE, release)
        log.info("trial begins", kind=kind, release=release)

    def _may_run(self, manifest: Manifest) -> None:
        state = self._state.read()
        if manifest.epoch < state.floors[manifest.kind]:
            raise UpdateError("update-below-floor", f"{manifest.epoch} < {state.floors[manifest.kind]}")
        if not {"any", HARDWARE} & set(manifest.hardware) or manifest.python not in ("any", PYTHON):
            raise UpdateError("update-wrong-hardware", f"{'/'.join(manifest.hardware)} {manifest.python}")
        if manifest.kind is Kind.MODEL and _version(self._application_version()) < _version(manifest.needs.application):
            raise UpdateError("update-needs-application", manifest.needs.application)
        known = self._depot.installed(manifest.kind, manifest.release)
        if known is not None and known != manifest:
            raise UpdateError("update-changed", manifest.release)

    def _load(self, manifest: Manifest, repository: Repository) -> None:
        if self._depot.installed(manifest.kind, manifest.release):
            return
        self._depot.check_room(manifest)
        mirrors = (repository, *(Repository(u) for u in self._config.fleet.repositories if u != repository.url))
        for blob in self._depot.missing(manifest):
            self._downloader.fetch(blob, [mirror.blob(blob.sha256) for mirror in mirrors])
        self._depot.install(manifest)

    def _test(self, manifest: Manifest) -> None:
        """The preflight; once for each pair of application and model."""
        application = self._application()
        proof = hashlib.sha256(dump(manifest) + application.release.encode() + self._model_name().encode()).hexdigest()
        note = self._config.fleet_root / f"{manifest.kind}.tested"
        if note.exists() and note.read_text(encoding="ascii") == proof:
            return
        if manifest.kind is Kind.APPLICATION:
            new = self._installed.application(manifest.release)
            assert new is not None
            trouble = preflight_application(new, self._arguments)
        else:
            bundle = self._depot.bundle(manifest)
            trouble = preflight_model(
                application, manifest.release, bundle, self._arguments, memory_mb=manifest.needs.memory_mb
            )
        if trouble:
            self._turn(manifest.kind, Event.REJECT, manifest.release, trouble.reason.code)
            raise trouble
        note.write_text(proof, encoding="ascii")

    def _when_idle(self, rule: Rule) -> None:
        conditions.require(self._config, self._clock, rule)

    def _turn(self, kind: Kind, event: Event, release: str = "", why: str = "") -> State:
        def change(state: State) -> State:
            return state.with_slot(kind, turn(state.slots[kind], event, release=release, why=why))

        return self._state.change(change)

    def _application(self) -> Application:
        good = self._state.read().slots[Kind.APPLICATION].running
        return self._installed.application(good) or Application(FACTORY)

    def _application_version(self) -> str:
        manifest = self._depot.installed(Kind.APPLICATION, self._application().release)
        return manifest.version if manifest else __version__

    def _model_name(self) -> str:
        return model_release(self._config.fleet_root, self._config.analysis.release).release

    def _collect(self) -> None:
        state = self._state.read()
        kept = {(kind, name) for kind, slot in state.slots.items() for name in slot.kept} | self._staged
        self._depot.collect(kept, self._coming)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:3])


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o660)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UpdateError("update-busy") from None
        yield
    finally:
        os.close(descriptor)
