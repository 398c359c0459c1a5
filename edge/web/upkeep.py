"""Looking after the appliance: connections, self-test, health, the audit trail, backup, the support bundle."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, render_template, request

from edge.config import Config
from edge.errors import Reason
from edge.people.roles import Right
from edge.store import backup, events
from edge.web import bundle, health, words
from edge.web.access import SIGNED_IN, signed_in, who
from edge.web.numbers import number
from edge.web.views import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.wrappers import Response as AnyResponse

    from edge.people.register import Register
    from edge.store.events import Event, What
    from edge.web.desk import Desk

Examine = Callable[[Config, Sequence[str]], list[dict[str, str]]]
"""Runs checks in a process of their own: `edge.services.selftest.examine`."""

CONNECTIONS: Final = ("serial", "dicom")
_PAGE: Final = 100
_RESTORE: Final = "calcedge restore calcedge-backup.tar"
_TONES: Final = {"ok": "ok", "warn": "busy", "FAIL": "bad"}


@dataclass(frozen=True, slots=True)
class Checked:
    """One answer of the self-test in words."""

    name: str
    tone: str
    verdict: str
    text: str
    do: str


def nothing(config: Config, names: Sequence[str]) -> list[dict[str, str]]:
    """No self-test: for an application that nobody gave one."""
    del config, names
    return []


def blueprint(desk: Desk, register: Register, examine: Examine) -> Blueprint:
    """The routes."""
    upkeep = Blueprint("upkeep", __name__)
    _tests(upkeep, desk, examine)
    _records(upkeep, desk, register)
    return upkeep


def _tests(upkeep: Blueprint, desk: Desk, examine: Examine) -> None:
    def connected(answers: list[Checked] | None) -> str:
        return render_template("connections.html", around=desk.around(), config=desk.config, answers=answers)

    @upkeep.get("/connections")
    @who(Right.MANAGE)
    def connections() -> str:
        return connected(None)

    @upkeep.post("/connections")
    @who(Right.MANAGE)
    def test_connections() -> str:
        _record(desk, "peer-tested", "peers")
        return connected([_checked(answer) for answer in examine(desk.config, CONNECTIONS)])

    def machine(answers: list[Checked] | None) -> str:
        return render_template(
            "health.html", around=desk.around(), now=health.machine(desk.config), desk=desk, answers=answers
        )

    @upkeep.get("/machine")
    @who(SIGNED_IN)
    def state() -> str:
        return machine(None)

    @upkeep.post("/machine")
    @who(Right.MANAGE)
    def self_test() -> str:
        _record(desk, "peer-tested", "self")
        return machine([_checked(answer) for answer in examine(desk.config, ())])


def _records(upkeep: Blueprint, desk: Desk, register: Register) -> None:
    @upkeep.get("/audit")
    @who(Right.MANAGE)
    def audit() -> str:
        before = request.args.get("before", type=number)
        with desk.store.read() as connection:
            found = events.before(connection, before, _PAGE)
            broken = events.broken_link(connection) if "check" in request.args else None
        checked = "check" in request.args
        lines = [(one, moment(one.utc, desk.now()), _detail(one)) for one in found]
        return render_template(
            "audit.html", around=desk.around(), lines=lines, page=_PAGE, before=before, checked=checked, broken=broken
        )

    @upkeep.get("/keeping")
    @who(Right.MANAGE)
    def keeping() -> str:
        return render_template("keeping.html", around=desk.around(), command=_RESTORE)

    @upkeep.get("/backup.tar")
    @who(Right.MANAGE)
    def whole() -> AnyResponse:
        _record(desk, "backup-made", "store")
        headers = {"Content-Disposition": 'attachment; filename="calcedge-backup.tar"'}
        return Response(backup.stream(desk.store), mimetype="application/x-tar", headers=headers)

    @upkeep.get("/support-bundle.zip")
    @who(Right.MANAGE)
    def support() -> AnyResponse:
        _record(desk, "bundle-made", "appliance")
        names = {account.name: account.id for account in register.everybody()}
        body = bundle.make(desk.store, desk.config, desk.run, desk.software, names)
        headers = {"Content-Disposition": 'attachment; filename="calcedge-support.zip"'}
        return Response(body, mimetype="application/zip", headers=headers)


def _record(desk: Desk, what: What, subject: str) -> None:
    with desk.store.transaction() as tx:
        events.append(tx, desk.store.clock.now(), signed_in().name, what, subject)


def _checked(answer: dict[str, Any]) -> Checked:
    name, _, rest = str(answer["check"]).partition(" ")
    told = Reason(answer.get("code") or "", answer["text"], answer["do"])
    if told.code:
        told = words.detailed(told)
    label = words.CHECKS.get(name, name)
    verdict = answer["verdict"]
    return Checked(
        f"{label} {rest}".strip(), _TONES.get(verdict, "bad"), words.VERDICTS.get(verdict, verdict), told.text, told.do
    )


def _detail(event: Event) -> str:
    return ", ".join(_pairs(event))


def _pairs(event: Event) -> Iterator[str]:
    for key, value in event.detail.items():
        yield f"{key}={value}"
