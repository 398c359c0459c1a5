"""Who may use which route. Deny by default: a route that does not say who may use it is closed to everybody.

Every view function wears `@who(...)`: a right, `SIGNED_IN`, or `ANYONE` for the few that show no patient. The gate
looks before each request. Who is not signed in is sent to the entrance; before the first admin exists, to the set-up.

A page that refreshes itself says so (`X-Calcedge-Refresh`, or `?refresh=1` without the script) and so keeps no
session alive: only what a person does counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

from flask import Blueprint, abort, current_app, g, redirect, render_template, request, url_for

from edge.people import site
from edge.people.roles import Right, may
from edge.web import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Response
    from werkzeug.wrappers import Response as AnyResponse

    from edge.config import Config
    from edge.people.register import Person, Register
    from edge.store import Store

ANYONE: Final = "anyone"
SIGNED_IN: Final = "signed-in"
Access = Right | Literal["anyone", "signed-in"]
View = TypeVar("View", bound="Callable[..., Any]")

COOKIE: Final = "calcedge_session"
LANGUAGE_COOKIE: Final = "calcedge_language"
REFRESH_HEADER: Final = "X-Calcedge-Refresh"
_MARK: Final = "__who__"
_OPEN: Final[dict[str, Access]] = {"static": ANYONE}
"""Routes that Flask makes itself."""
_BEFORE_SET_UP: Final = frozenset({"static", "first_run.set_up", "first_run.make_admin", "menu.speak", "feeds.health"})


def who(access: Access) -> Callable[[View], View]:
    """Says who may use a route."""

    def mark(view: View) -> View:
        setattr(view, _MARK, access)
        return view

    return mark


def access_of(endpoint: str) -> Access | None:
    """Who may use an endpoint of the current application; None: nobody."""
    view = current_app.view_functions.get(endpoint)
    found: Access | None = getattr(view, _MARK, None) or _OPEN.get(endpoint)
    return found


class Gate:
    """Looks at each request before its route does."""

    def __init__(self, store: Store, config: Config, register: Register) -> None:
        self._store = store
        self._kiosks = frozenset(config.web.kiosk)
        self._register = register
        self._set_up = False

    def blueprint(self) -> Blueprint:
        """Puts the gate before every route."""
        blueprint = Blueprint("gate", __name__)
        blueprint.before_app_request(self.look)
        blueprint.after_app_request(_forget)
        return blueprint

    @property
    def is_kiosk(self) -> bool:
        """Whether this request comes from the screen beside the unit."""
        return (request.remote_addr or "") in self._kiosks

    def look(self) -> tuple[str, int] | AnyResponse | None:
        """Knows who asks and lets them through, or not."""
        refreshes = REFRESH_HEADER in request.headers or "refresh" in request.args
        token = request.cookies.get(COOKIE, "")
        endpoint = request.endpoint or ""
        g.kiosk = self.is_kiosk
        g.person = self._register.person(token, touch=not refreshes and endpoint != "feeds.events") if token else None
        words.speak(self._language())
        if not endpoint:
            return None  # no such page, for anybody
        access = access_of(endpoint)
        if access is None:
            abort(403)
        if not self._is_set_up() and endpoint not in _BEFORE_SET_UP:
            return redirect(url_for("first_run.set_up"), 303)
        if access == ANYONE:
            return None
        if g.person is None:
            return self._to_the_entrance(refreshes=refreshes)
        if isinstance(access, Right) and not may(g.person.role, access):
            return _not_for_you()
        return None

    def _language(self) -> str:
        chosen = request.cookies.get(LANGUAGE_COOKIE, "")
        person: Person | None = g.person
        options = (chosen, person.language if person else "", site.read(self._store).language)
        return next((code for code in options if code in words.languages()), words.DEFAULT)

    def _is_set_up(self) -> bool:
        self._set_up = self._set_up or self._register.is_set_up
        return self._set_up

    def _to_the_entrance(self, *, refreshes: bool) -> tuple[str, int] | AnyResponse:
        if request.method != "GET" or refreshes or request.accept_mimetypes.best == "application/json":
            return render_template("message.html", around=None, text=words.LOCKED_HEAD, do=words.LOCKED_DO), 401
        return redirect(url_for("entrance.sign_in", next=request.full_path.rstrip("?")), 303)


def signed_in() -> Person:
    """Who asks. Only where the gate let somebody through."""
    person: Person | None = g.get("person")
    return person or abort(401)


def allowed(right: str) -> bool:
    """Whether who asks has a right: for what a page offers."""
    person: Person | None = g.get("person")
    return person is not None and may(person.role, Right(right))


def _not_for_you() -> tuple[str, int]:
    return render_template("message.html", around=None, text=words.NOT_FOR_YOU, do=words.NOT_FOR_YOU_DO), 403


def _forget(response: Response) -> Response:
    """The next request of this thread chooses its own language."""
    words.speak(None)
    return response
