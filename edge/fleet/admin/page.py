"""The admin's page: reads the ledger and the repository, changes nothing.

Also `/metrics`, aggregated over the fleet: never a label for each box.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from flask import Flask, Response
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from edge.clock import Clock
from edge.fleet.admin.ledger import Ledger
from edge.fleet.admin.repository import VALIDITY, FleetRepository

_MOST_ROWS: Final = 500
_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#1a1a1a}"
    "table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}th,td{text-align:left;padding:.3rem .8rem .3rem 0;"
    "border-bottom:1px solid #ddd}th{font-weight:600}.bad{color:#a40000;font-weight:600}"
)


def create_page(repository: FleetRepository, ledger_path: Path, clock: Clock) -> Flask:
    """The page of one fleet."""
    app = Flask(__name__)

    @app.get("/")
    def overview() -> str:
        ledger = Ledger(ledger_path, clock)
        try:
            return _page(ledger, repository, clock.now().utc)
        finally:
            ledger.close()

    @app.get("/metrics")
    def metrics() -> Response:
        ledger = Ledger(ledger_path, clock)
        try:
            return Response(fleet_metrics(ledger, repository, clock.now().utc), mimetype="text/plain")
        finally:
            ledger.close()

    return app


def fleet_metrics(ledger: Ledger, repository: FleetRepository, now: datetime) -> bytes:
    """The fleet's metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    boxes = Gauge("calcedge_fleet_boxes", "Boxes", ["kind", "release", "phase"], registry=registry)
    for kind, release, phase, count in ledger.releases():
        boxes.labels(kind, release, phase).set(count)
    failed = Gauge("calcedge_fleet_failed", "Boxes where it failed", ["kind", "release", "reason"], registry=registry)
    for kind, release, why, count in ledger.failures():
        failed.labels(kind, release, why).set(count)
    spreads = Gauge("calcedge_fleet_spread", "1: in this state", ["kind", "release", "state"], registry=registry)
    for spread in ledger.spreads():
        spreads.labels(spread.kind, spread.release, spread.state).set(1)
    rows = ledger.devices()
    Gauge("calcedge_fleet_known", "Boxes ever heard of", registry=registry).set(len(rows))
    silent = Gauge("calcedge_fleet_silent", "Boxes not heard of for so long", ["hours"], registry=registry)
    for hours in (6, 24, 168):
        silent.labels(str(hours)).set(sum((now - row.seen).total_seconds() > hours * 3600 for row in rows))
    expiry = Gauge("calcedge_fleet_tuf_expires_seconds", "Until signatures expire", ["role"], registry=registry)
    for role in VALIDITY:
        expiry.labels(role).set((repository.newest(role).signed.expires - now).total_seconds())
    return generate_latest(registry)


def _page(ledger: Ledger, repository: FleetRepository, now: datetime) -> str:
    rows = ledger.devices()
    spreads = [(s.kind, s.release, s.where, s.state, s.why) for s in ledger.spreads()]
    expiries = [(role, f"{(repository.newest(role).signed.expires - now).days} days") for role in VALIDITY]
    boxes = [
        (
            row.device,
            row.seen.strftime("%Y-%m-%d %H:%M"),
            {None: "", True: "online", False: "offline"}[row.online],
            _runs(row.kinds),
            "; ".join([row.code] * bool(row.code) + _failed(row.kinds)),
        )
        for row in rows[:_MOST_ROWS]
    ]
    more = f"<p>The first {_MOST_ROWS} of {len(rows)}, the longest silent first.</p>" if len(rows) > _MOST_ROWS else ""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>calcedge fleet</title>"
        "<meta http-equiv=refresh content=10><meta name=viewport content='width=device-width'>"
        f"<style>{_STYLE}</style><h1>Fleet: {len(rows)} boxes</h1>"
        + _table("Spreads", ("kind", "release", "how far", "state", "why"), spreads)
        + _table("Releases", ("kind", "release", "phase", "boxes"), ledger.releases())
        + _table("Failures", ("kind", "release", "reason", "boxes"), ledger.failures())
        + _table("Signatures", ("role", "expires in"), expiries)
        + _table("Boxes", ("box", "last heard (UTC)", "", "runs", "trouble"), boxes)
        + more
    )


def _runs(kinds: Any) -> str:
    return "; ".join(
        f"{kind} {one.get('good')}" + (f" (trial {one.get('trial')})" if one.get("trial") else "")
        for kind, one in sorted(kinds.items())
    )


def _failed(kinds: Any) -> list[str]:
    return [
        f"{kind} {release}: {why}" for kind, one in sorted(kinds.items()) for release, why in one.get("bad", {}).items()
    ]


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    if not body:
        return f"<h2>{title}</h2><p>None.</p>"
    head = "".join(f"<th scope=col>{html.escape(name)}</th>" for name in heads)
    return f"<h2>{title}</h2><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(cell: object) -> str:
    text = html.escape(str(cell))
    return f"<td class=bad>{text}</td>" if text in ("halted", "offline") else f"<td>{text}</td>"
