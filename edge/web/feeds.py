"""What pages and programs fetch: pictures, JSON, health, and the stream of changes. Nothing here writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Blueprint, Response, abort, g, jsonify, request

from edge import wire
from edge.errors import Refused
from edge.people.roles import Right
from edge.web.access import ANYONE, SIGNED_IN, who
from edge.web.guard import COOKIE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from werkzeug.wrappers import Response as AnyResponse

    from edge.web.desk import Desk


def blueprint(desk: Desk) -> Blueprint:
    """The routes, reading from `desk`."""
    feeds = Blueprint("feeds", __name__)
    _films(feeds, desk)
    _states(feeds, desk)
    return feeds


def _films(feeds: Blueprint, desk: Desk) -> None:
    @feeds.get("/images/<int:image_id>/picture.png")
    @who(Right.SEE)
    def picture(image_id: int) -> AnyResponse:
        _, stored = desk.analysis(image_id) or abort(404)
        name = stored.picture or abort(404)
        width = request.args.get("width", type=int)
        response = Response(mimetype="image/png", headers={"Cache-Control": "private, no-cache"})
        response.set_etag(f"{name[:32]}-{width or 'full'}")
        if not response.make_conditional(request).status.startswith("304"):
            response.set_data(desk.pictures.png(name, width))
        return response

    @feeds.get("/images/<int:image_id>/film")
    @who(Right.SEE)
    def film(image_id: int) -> AnyResponse:
        image = desk.received(image_id)
        if image is None or image.header is None:
            abort(404)
        small = not g.kiosk and request.accept_encodings["gzip"] > 0
        response = Response(mimetype="application/octet-stream", headers={"Cache-Control": "private, no-cache"})
        response.set_etag(f"film-{image.object[:32]}-{small:d}")
        if not response.make_conditional(request).status.startswith("304"):
            try:
                response.set_data(desk.darkroom.plate(image.object, image.header.transfer_syntax_uid, small=small))
            except Refused:
                abort(404)  # the viewer then keeps the analysed picture
            if small:
                response.headers["Content-Encoding"] = "gzip"
        return response

    @feeds.get("/images/<int:image_id>/analysis.json")
    @who(Right.SEE)
    def analysis(image_id: int) -> AnyResponse:
        _, stored = desk.analysis(image_id) or abort(404)
        return Response(wire.to_json(stored.analysis), mimetype="application/json")


def _states(feeds: Blueprint, desk: Desk) -> None:
    @feeds.get("/api/status")
    @who(SIGNED_IN)
    def status() -> AnyResponse:
        return jsonify(_status(desk))

    @feeds.get("/health")
    @who(ANYONE)
    def health() -> tuple[AnyResponse, int]:
        around = desk.around()
        body = {"ok": around.parts.fit, "down": around.parts.down, "problems": [p.code for p in around.problems]}
        return jsonify(body), 200 if around.parts.fit else 503

    @feeds.get("/events")
    @who(SIGNED_IN)
    def events() -> AnyResponse:
        client = request.cookies.get(COOKIE) or request.remote_addr or ""
        if not desk.live.enter(client):
            return Response(status=204)
        seen = request.headers.get("Last-Event-ID") or request.args.get("seen", "")
        gone = request.environ.get("waitress.client_disconnected", lambda: False)

        def stream() -> Iterator[str]:
            yield from desk.live.stream(seen, gone)

        response = Response(stream(), mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})
        response.call_on_close(lambda: desk.live.leave(client))
        return response


def _status(desk: Desk) -> dict[str, Any]:
    """The appliance in JSON, without patient data."""
    around = desk.around()
    unit, analyzer, receiver = around.parts.unit, around.parts.analyzer, around.parts.receiver
    newest = around.latest
    return {
        "version": desk.live.version,
        "software": desk.software,
        "model": analyzer.model,
        "unit": {"link": unit.link, "state": unit.state, "reason": unit.reason},
        "analysis": {"running": analyzer.running, "ready": analyzer.ready, "working_on": analyzer.working_on},
        "receiver": {"running": receiver.running, "listening": receiver.listening, "accepting": receiver.accepting},
        "destinations": {peer.name: {"reachable": peer.reachable, "reason": peer.reason} for peer in receiver.peers},
        "images_to_analyse": around.to_analyse,
        "parcels": around.queue,
        "last_image": {"id": newest.id, "outcome": newest.shown} if newest else None,
        "problems": [{"code": problem.code, "where": problem.where} for problem in around.problems],
    }
