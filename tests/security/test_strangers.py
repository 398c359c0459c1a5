"""What answers without credentials: the way in, what draws it, and health. Nothing else, for any method."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.web.access import ANYONE, access_of
from tests.web.appliance import Appliance, findings, lesion

OPEN = {
    "static", "feeds.health", "entrance.sign_in", "entrance.enter", "entrance.follow", "first_run.set_up",
    "first_run.make_admin", "menu.speak", "pages.favicon",
}  # fmt: skip


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    made = Appliance(tmp_path, {"worklist": {"title": "RIS", "host": "ris"}})
    made.speak()
    made.whole(findings(lesion()))
    yield made
    made.close()


@pytest.mark.requirement("deny by default: every route says who may use it")
def test_only_the_way_in_and_health_are_open(appliance: Appliance) -> None:
    app = appliance.app()
    with app.app_context():
        found = {rule.endpoint for rule in app.url_map.iter_rules() if access_of(rule.endpoint) == ANYONE}
    assert found | {"static"} == OPEN


@pytest.mark.requirement("deny by default: every route says who may use it")
def test_no_other_route_answers_a_stranger(appliance: Appliance) -> None:
    client = appliance.client(None)
    for rule in client.application.url_map.iter_rules():
        if rule.endpoint in OPEN:
            continue
        path = rule.rule
        for argument in rule.arguments:
            start, end = path.index("<"), path.index(">")
            path = path[:start] + ("finish" if "any(" in path[start:end] else "1") + path[end + 1 :]
            assert argument
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            answer = client.open(path, method=method)
            assert answer.status_code in {303, 401, 403, 404, 405}, f"{method} {path}"
            assert b"Meyer" not in answer.data
            if answer.status_code == 303:
                assert "/sign-in" in answer.headers["Location"]
