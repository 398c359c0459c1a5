"""Somebody on the network without credentials: what a running appliance's page and node tell them."""

from __future__ import annotations

import re
import urllib.error
import urllib.request
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from edge.clock import SystemClock
from edge.runtime import RunFolder
from edge.web.app import create_app
from tests.peers.dcmtk import echoscu

if TYPE_CHECKING:
    from tests.peers.appliance import Appliance

WAY_IN: Final = frozenset(
    {"/health", "/sign-in", "/set-up", "/enter/<token>", "/favicon.ico", "/language", "/static/<path:filename>"}
)
"""What anybody may ask for: health, and what it takes to sign in."""


_PART: Final = re.compile(r"<(?:(?P<kind>int|path|any)(?:\('(?P<choice>[^']+)'[^)]*\))?:)?(?P<name>\w+)>")
"""A part of an address that changes, as Werkzeug writes its rules."""


@dataclass(frozen=True, slots=True)
class Answers:
    """How the page's addresses answered: how many were asked, which opened, and which of those should not have."""

    asked: int
    open: tuple[str, ...]
    more: tuple[str, ...]


def answers(appliance: Appliance) -> Answers:
    """Asks for every address that the page has, with every method that it takes, as a stranger."""
    with closing(appliance.store()) as store:
        run = RunFolder(appliance.config.run_folder, SystemClock())
        rules = list(create_app(store, appliance.config, run).url_map.iter_rules())
    opened, asked = [], 0
    for rule in rules:
        path = _PART.sub(_example, rule.rule)
        for method in sorted((rule.methods or set()) & {"GET", "POST"}):
            asked += 1
            if _status(f"http://127.0.0.1:{appliance.web_port}{path}", method) < 300:
                opened.append(rule.rule)
    return Answers(asked, tuple(sorted(set(opened))), tuple(sorted(set(opened) - WAY_IN)))


def _example(part: re.Match[str]) -> str:
    """Something that fits: one that is there, where there is one."""
    return part["choice"] or {"int": "1", "path": "icon.svg"}.get(part["kind"] or "", "x")


def echo_as(port: int, title: str) -> bool:
    """Whether somebody of this title gets an association."""
    return echoscu(port, calling=title) == 0


class _Stay(urllib.request.HTTPRedirectHandler):
    """A redirection is an answer: to the entrance."""

    def redirect_request(self, *_: object) -> None:
        return None


def _status(url: str, method: str) -> int:
    opener = urllib.request.build_opener(_Stay)
    request = urllib.request.Request(url, method=method, data=b"" if method == "POST" else None)
    try:
        with opener.open(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
