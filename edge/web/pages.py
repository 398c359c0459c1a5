"""What people see: every GET route that fills a template. Each reads and changes nothing."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, g, redirect, render_template, request, url_for

from edge.errors import REASONS
from edge.people.roles import Right
from edge.web import compare, words
from edge.web.access import ANYONE, REFRESH_HEADER, SIGNED_IN, who
from edge.web.finding import asked, narrowed
from edge.web.numbers import number
from edge.web.shared import Shared

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as AnyResponse

    from edge.web.desk import Desk


def blueprint(desk: Desk) -> Blueprint:
    """The routes, reading from `desk`."""
    pages = Blueprint("pages", __name__)
    _lists(pages, desk)
    _one_image(pages, desk)
    _about(pages, desk)
    return pages


def _now(desk: Desk) -> dict[str, Any]:
    """All that the Now page shows, whoever looks."""
    around = desk.around()
    exposures, awaited = desk.exposures()
    return {
        "around": around,
        "view": desk.newest(around),
        "earlier": desk.earlier(),
        "exposures": exposures,
        "awaited": awaited,
        "order": desk.order(),
        "bedside": desk.bedside(around),
    }


def _lists(pages: Blueprint, desk: Desk) -> None:
    shared = Shared(desk.store.clock)

    @pages.get("/")
    @who(Right.SEE)
    def now() -> str:
        if REFRESH_HEADER not in request.headers:
            return render_template("now.html", **_now(desk))
        return render_template("now.html", **shared.reading(words.spoken(), g.version, lambda: _now(desk)))

    @pages.get("/images")
    @who(Right.SEE)
    def images() -> str | AnyResponse:
        query = asked(request.args)
        lines = desk.lines(query)
        if "scan" in request.args and len(lines) == 1:
            return redirect(url_for("pages.image", image_id=lines[0].id), 303)
        return render_template(
            "images.html",
            around=desk.around(),
            lines=lines,
            asked=query,
            narrowed=narrowed(query),
            day=request.args.get("day", "") if query.since else "",
        )


def _one_image(pages: Blueprint, desk: Desk) -> None:
    @pages.get("/images/<int:image_id>")
    @who(Right.SEE)
    def image(image_id: int) -> str:
        around = desk.around()
        view = desk.image(image_id, around) or abort(404)
        return render_template("image.html", around=around, view=view, earlier=bool(desk.earlier_of(image_id)))

    @pages.get("/images/<int:image_id>/compare")
    @who(Right.SEE)
    def comparison(image_id: int) -> str:
        around = desk.around()
        view = desk.image(image_id, around) or abort(404)
        earlier = [one for one, _ in desk.earlier_of(image_id)]
        wanted = request.args.get("before", type=number)
        chosen = next((one.id for one in earlier if one.id == wanted), earlier[0].id if earlier else None)
        before = desk.image(chosen, around) if chosen else None
        found = compare.changes(before.analysis, view.analysis) if before else ()
        return render_template(
            "compare.html",
            around=around,
            view=view,
            before=before,
            changes=found if isinstance(found, tuple) else (),
            obstacle=None if isinstance(found, tuple) else found,
            others=[desk.image(one.id, around) for one in earlier],
        )

    @pages.get("/images/<int:image_id>/print")
    @who(Right.SEE)
    def printed(image_id: int) -> str:
        around = desk.around()
        view = desk.image(image_id, around, dated=True) or abort(404)
        now = desk.now()
        return render_template(
            "print.html",
            around=around,
            view=view,
            device=desk.config.device.serial,
            printed=now.astimezone().strftime("%Y-%m-%d %H:%M"),
        )


def _about(pages: Blueprint, desk: Desk) -> None:
    @pages.get("/about")
    @who(SIGNED_IN)
    def about() -> str:
        return render_template("about.html", around=desk.around(), desk=desk, libraries=_libraries())

    @pages.get("/errors")
    @who(SIGNED_IN)
    def errors() -> str:
        return render_template("errors.html", around=desk.around(), reasons=[words.reason(code) for code in REASONS])

    @pages.get("/errors/<code>")
    @who(SIGNED_IN)
    def error(code: str) -> str:
        if code not in REASONS:
            abort(404)
        return render_template("errors.html", around=desk.around(), reasons=[words.reason(code)])

    @pages.get("/favicon.ico")
    @who(ANYONE)
    def favicon() -> AnyResponse:
        return redirect(url_for("static", filename="icon.svg"), 308)


def _libraries() -> list[tuple[str, str, str]]:
    """The works that calcedge stands on: name, version, licence, as installed."""
    found = []
    for requirement in metadata.requires("calcedge") or ():
        if "extra ==" not in requirement:
            name = "".join(letter if letter.isalnum() or letter in "-_" else " " for letter in requirement).split()[0]
            about = metadata.metadata(name)
            licence = _first(about, "License-Expression") or _classified(about) or _first(about, "License")
            found.append((name, metadata.version(name), licence.partition("\n")[0]))
    return sorted(found)


def _first(about: metadata.PackageMetadata, field: str) -> str:
    return str((about.get_all(field) or [""])[0])


def _classified(about: metadata.PackageMetadata) -> str:
    kinds = about.get_all("Classifier") or []
    return ", ".join(kind.rpartition(" :: ")[2] for kind in kinds if kind.startswith("License :: "))
