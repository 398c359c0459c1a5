"""The page while the store can't be opened."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request

import pytest

from edge.errors import REASONS
from edge.web import words
from edge.web.closed import create_closed_app, serve_closed

_WHY = REASONS["store-unusable"]


@pytest.mark.requirement("the page says what can't be kept, and since when what is kept has waited")
@pytest.mark.parametrize("language", ["en", "fr", "es", "ar"])
def test_whatever_is_asked_the_reason_is_told_in_its_language(language: str) -> None:
    client = create_closed_app(_WHY).test_client()
    told = words.load(language).get("REASONS", {}).get(_WHY.code, {"text": _WHY.text, "do": _WHY.do})
    for path in ("/", "/images/7", "/settings?x=<script>"):
        answer = client.get(path, headers={"Accept-Language": language})
        assert answer.status_code == 503
        assert f'lang="{language}"' in answer.text
        assert "<script>" not in answer.text
        assert told["do"].replace("'", "&#x27;") in answer.text


def test_health_says_it_to_programs() -> None:
    answer = create_closed_app(_WHY).test_client().get("/health")
    assert (answer.status_code, answer.json) == (503, {"ok": False, "down": [], "problems": ["store-unusable"]})


def test_it_is_served_until_it_is_over() -> None:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/health"
        server = threading.Thread(target=serve_closed, args=(_WHY, listener, over.is_set))
        server.start()
        with pytest.raises(urllib.error.HTTPError) as told:
            urllib.request.urlopen(address, timeout=60)
        assert json.loads(told.value.read())["problems"] == ["store-unusable"]
        over.set()
        server.join(60)
        assert not server.is_alive()
