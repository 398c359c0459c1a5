"""Certificates on the page: what holds, a request for one, one that the site brings, and the authority for tablets.

What always holds: no route gives out a private key; what can't be used is refused with a sentence, and nothing changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog
from cryptography import x509
from flask import Blueprint, Response, abort, redirect, request, url_for

from edge import siteparts
from edge.people.roles import Right
from edge.store import events
from edge.web import certificates, words
from edge.web.access import signed_in, who
from edge.web.certificates import NotUsable, Told

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from werkzeug.wrappers import Response as AnyResponse

    from edge.config import Config
    from edge.web.desk import Desk

log = structlog.get_logger()

PAGE: Final = "page"
ARCHIVES: Final = "archives"


@dataclass(frozen=True, slots=True)
class Certificate:
    """One of the appliance's certificates as the settings show it. `told` is None when it can't be read."""

    use: str
    told: Told | None
    is_own: bool
    """Made by the box itself."""
    is_fixed: bool
    """Named by the configuration file, and changed there."""


def held(desk: Desk, wanted: Config) -> list[Certificate]:
    """The certificates that are in use: towards tablets, towards archives."""
    now = desk.now()
    found = []
    if wanted.web.tls:
        fixed = wanted.web.tls.certificate is not None
        pair = certificates.current(wanted, now)
        own = pair == certificates.made(certificates.folder_of(wanted))
        found.append(Certificate(PAGE, certificates.tell(pair.certificate, now), own, fixed))
    if wanted.tls:
        told = certificates.tell(wanted.tls.certificate, now)
        found.append(Certificate(ARCHIVES, told, is_own=False, is_fixed=False))
    return found


def blueprint(desk: Desk, settings_page: Callable[..., str]) -> Blueprint:
    """The routes."""
    trust = Blueprint("trust", __name__)

    @trust.get("/settings/authority.pem")
    @who(Right.MANAGE)
    def authority() -> AnyResponse:
        root = certificates.authority(certificates.folder_of(desk.config))
        if not desk.config.web.tls or not root.certificate.is_file():
            abort(404)
        return _file("calcedge-authority.pem", root.certificate.read_bytes())

    @trust.post("/settings/certificates/<any('page', 'archives'):use>/request")
    @who(Right.MANAGE)
    def ask(use: str) -> AnyResponse:
        _tell(desk, f"certificate-request-{use}")
        return _file(
            f"calcedge-{use}.csr", certificates.request(_folder(desk, use), certificates.names_of(desk.config))
        )

    @trust.post("/settings/certificates/<any('page', 'archives'):use>")
    @who(Right.MANAGE)
    def bring(use: str) -> tuple[str, int] | AnyResponse:
        try:
            keep = _keep_for_archives if use == ARCHIVES else _keep_for_the_page
            keep(desk)
        except NotUsable as refusal:
            return settings_page(desk, words.CERTIFICATE_TROUBLES[refusal.why]), 400
        _tell(desk, f"certificate-{use}")
        return redirect(url_for("settings.form", kept=1), 303)

    @trust.post("/settings/certificates/page/forget")
    @who(Right.MANAGE)
    def forget() -> AnyResponse:
        certificates.forget(certificates.folder_of(desk.config))
        _tell(desk, "certificate-page")
        return redirect(url_for("settings.form", kept=1), 303)

    return trust


def _keep_for_the_page(desk: Desk) -> None:
    certificates.keep(_folder(desk, PAGE), _sent("certificate"), _sent("key"), desk.now())


def _keep_for_archives(desk: Desk) -> None:
    """The certificate, and whom to believe; every process takes them up when it starts anew, which it does at once."""
    folder = _folder(desk, ARCHIVES)
    authorities = _sent("authorities")
    before = desk.config.tls
    if not authorities and before is None:
        raise NotUsable("no-authority")
    if authorities:
        _check_authorities(authorities)
    certificates.keep(folder, _sent("certificate"), _sent("key"), desk.now())
    path = folder / "authorities.pem"
    if authorities:
        certificates.write(path, authorities)
    believed = path if authorities or before is None else before.authorities
    pair = certificates.brought(folder)
    tls = {"certificate": str(pair.certificate), "key": str(pair.key), "authorities": str(believed)}
    if before:
        tls["minimum"] = before.minimum
    siteparts.write(desk.config.data, siteparts.read(desk.config.data) | {"tls": tls})


def _check_authorities(pem: bytes) -> None:
    try:
        found = x509.load_pem_x509_certificates(pem)
        signs = [one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for one in found]
    except (ValueError, x509.ExtensionNotFound):
        raise NotUsable("no-authority") from None
    if not all(signs):
        raise NotUsable("no-authority")


def _folder(desk: Desk, use: str) -> Path:
    return certificates.folder_of(desk.config) if use == PAGE else desk.config.data / "tls" / "archives"


def _sent(name: str) -> bytes:
    """A file of the form; nothing when none was chosen."""
    file = request.files.get(name)
    return file.read() if file else b""


def _file(name: str, content: bytes) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, mimetype="application/x-pem-file", headers=headers)


def _tell(desk: Desk, setting: str) -> None:
    with desk.store.transaction() as tx:
        events.append(tx, desk.store.clock.now(), signed_in().name, "setting-changed", f"setting:{setting}")
    log.info("certificate-changed", setting=setting)
