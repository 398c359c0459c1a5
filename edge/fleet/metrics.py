"""A box's metrics as a file for Prometheus' node exporter (its textfile collector). No patient data: see `messages`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile
from securesystemslib.exceptions import StorageError
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata

from edge.fleet.messages import Health, UpdateStatus

ROLES: Final = ("root", "timestamp", "snapshot", "targets", "releases", "rollouts")


def write(path: Path, status: UpdateStatus, health: Health, tuf: Path, now: datetime) -> None:
    """Replaces the file."""
    registry = CollectorRegistry()
    running = Gauge("calcedge_update_release", "1: this release", ["kind", "release", "phase"], registry=registry)
    bad = Gauge("calcedge_update_bad_releases", "Releases that failed on this box", ["kind"], registry=registry)
    for kind, one in status.kinds.items():
        running.labels(kind, one.good, "good").set(1)
        if one.trial:
            running.labels(kind, one.trial, "trial").set(1)
        bad.labels(kind).set(len(one.bad))
    Gauge("calcedge_update_ok", "1: the last check could use the repository", registry=registry).set(not status.code)
    Gauge("calcedge_clock_trusted", "1: kept by a time source", registry=registry).set(status.origin.clock_trusted)
    Gauge("calcedge_free_bytes", "Room on the store's disk", registry=registry).set(health.free_mb * 1_000_000)
    Gauge("calcedge_waiting_images", "Images not yet reported", registry=registry).set(health.waiting_images)
    Gauge("calcedge_parts_down", "Processes that show no life", registry=registry).set(len(health.down))
    outcomes = Gauge("calcedge_analyses", "Analyses in the store by outcome", ["outcome"], registry=registry)
    outcomes.labels("findings").set(health.with_findings)
    outcomes.labels("no_findings").set(health.analysed - health.with_findings)
    outcomes.labels("not_analysed").set(health.not_analysed)
    expiry = Gauge("calcedge_tuf_expires_seconds", "Until these signatures expire", ["role"], registry=registry)
    for role in ROLES:
        try:
            metadata: Metadata[Any] = Metadata.from_file(str(tuf / f"{role}.json"))
        except (StorageError, RepositoryError, ValueError):
            continue
        expiry.labels(role).set((metadata.signed.expires - now).total_seconds())
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)
