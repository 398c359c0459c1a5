"""The admin's pages: settings, archives and worklist. Nothing is kept of what can't be, and the page says why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog
from flask import Blueprint, redirect, render_template, request, url_for
from pydantic import ValidationError

from edge import siteparts
from edge.config import Config
from edge.people import site
from edge.people.roles import Right
from edge.store import events
from edge.web import thresholds, trust, words
from edge.web.access import signed_in, who

if TYPE_CHECKING:
    from collections.abc import Mapping

    from werkzeug.wrappers import Response as AnyResponse

    from edge.web.desk import Desk

log = structlog.get_logger()

_TEXTS: Final = ("language", "webhook", "mail_server", "mail_from", "mail_to")
_NODE: Final = ("title", "host", "calling_title", "tls_name")
_ARCHIVES: Final[Mapping[str, tuple[str, ...]]] = {
    "dicom": ("name", *_NODE),
    "dicomweb": ("name", "url"),
    "folder": ("name", "path"),
}
_TICKS: Final[Mapping[str, tuple[str, ...]]] = {
    "dicom": ("originals", "confirm", "commitment", "tls"),
    "dicomweb": ("originals", "confirm", "tls"),
    "folder": ("originals",),
}


def blueprint(desk: Desk) -> Blueprint:
    """The routes."""
    settings = Blueprint("settings", __name__)

    _site(settings, desk)
    _parts(settings, desk)
    return settings


def _site(settings: Blueprint, desk: Desk) -> None:
    @settings.get("/settings")
    @who(Right.MANAGE)
    def form() -> str:
        return page(desk, done=words.SETTINGS_KEPT if request.args.get("kept") == "1" else "")

    @settings.post("/settings")
    @who(Right.MANAGE)
    def change() -> tuple[str, int] | AnyResponse:
        sent = request.form
        values: dict[str, Any] = {name: sent.get(name, "").strip() for name in _TEXTS}
        values |= {"screen_lock_minutes": sent.get("screen_lock_minutes", ""), "chime": "chime" in sent}
        try:
            site.change(desk.store, values, signed_in().name)
        except ValidationError as error:
            return page(desk, _told(error)), 400
        return redirect(url_for("settings.form", kept=1), 303)


def _parts(settings: Blueprint, desk: Desk) -> None:
    @settings.post("/settings/archives")
    @who(Right.MANAGE)
    def add_archive() -> tuple[str, int] | AnyResponse:
        kind = request.form.get("type", "")
        made: dict[str, Any] = {"type": kind}
        made |= _given((*_ARCHIVES.get(kind, ()), "port"))
        made |= {name: name in request.form for name in _TICKS.get(kind, ())}
        return _keep(desk, {"destinations": [*_dumped(_wanted(desk.config))["destinations"], made]})

    @settings.post("/settings/archives/remove")
    @who(Right.MANAGE)
    def remove_archive() -> tuple[str, int] | AnyResponse:
        name = request.form.get("name", "")
        left = [one for one in _dumped(_wanted(desk.config))["destinations"] if one["name"] != name]
        return _keep(desk, {"destinations": left})

    @settings.post("/settings/worklist")
    @who(Right.MANAGE)
    def set_worklist() -> tuple[str, int] | AnyResponse:
        if "remove" in request.form:
            return _keep(desk, {"worklist": None})
        return _keep(desk, {"worklist": _given((*_NODE, "port")) | {"tls": "tls" in request.form}})


def page(desk: Desk, trouble: str = "", done: str = "") -> str:
    """The settings, with what can't be or what was done."""
    config = _wanted(desk.config)
    return render_template(
        "settings.html",
        around=desk.around(),
        values=site.read(desk.store),
        destinations=config.destinations,
        wanted=config.worklist,
        certificates=trust.held(desk, config),
        thresholds=thresholds.told(desk),
        config=config,
        trouble=trouble,
        done=done,
    )


def _keep(desk: Desk, parts: dict[str, Any]) -> tuple[str, int] | AnyResponse:
    try:
        Config.model_validate(_dumped(_wanted(desk.config)) | parts)
        merged = siteparts.read(desk.config.data) | parts
    except ValidationError as error:
        return page(desk, _told(error)), 400
    with desk.store.transaction() as tx:
        for part in parts:
            events.append(tx, desk.store.clock.now(), signed_in().name, "setting-changed", f"setting:{part}")
    siteparts.write(desk.config.data, merged)
    log.info("site-parts-changed", parts=sorted(parts))
    return redirect(url_for("settings.form", kept=1), 303)


def _wanted(config: Config) -> Config:
    """The configuration as it will be when all processes have started anew."""
    parts = siteparts.read(config.data)
    return Config.model_validate(_dumped(config) | parts) if parts else config


def _dumped(config: Config) -> dict[str, Any]:
    body: dict[str, Any] = config.model_dump(mode="json", exclude_none=True)
    body.setdefault("destinations", [])
    return body


def _given(names: tuple[str, ...]) -> dict[str, str]:
    """The fields that were filled in."""
    return {name: request.form[name].strip() for name in names if request.form.get(name, "").strip()}


def _told(error: ValidationError) -> str:
    """Which fields can't be so, with the checker's own words."""
    places = (f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors())
    return str(words.SETTINGS_BAD.format(places=words.SEMICOLON.join(places)))
