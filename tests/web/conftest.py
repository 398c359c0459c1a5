"""Fixtures: an appliance in a folder, its page, and its page behind the real server."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from edge.web.server import serve_socket
from tests.web.appliance import Appliance, Site


@pytest.fixture
def appliance(tmp_path: Path) -> Iterator[Appliance]:
    made = Appliance(tmp_path)
    made.speak()
    yield made
    made.close()


@pytest.fixture
def client(appliance: Appliance) -> FlaskClient:
    return appliance.client()


@pytest.fixture
def site(appliance: Appliance) -> Iterator[Site]:
    app = appliance.app()
    app.extensions["live"]._beat_s = 0.2
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=serve_socket, args=(app, listener, stop))
        thread.start()
        yield Site(f"http://127.0.0.1:{port}", port, app, appliance.session())
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture
def unused_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])
