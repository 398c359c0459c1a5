"""A whole fleet in a folder: an admin with keys, a repository served over HTTP with faults on demand, boxes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from edge.clock import Stamp
from edge.config import Config, Fleet
from edge.fleet.admin.console import Console, settle
from edge.fleet.admin.repository import FleetRepository
from edge.fleet.depot import Depot
from edge.fleet.documents import Manifest, dump
from edge.fleet.download import Budget, Downloader
from edge.fleet.fetcher import Fetcher, Patience
from edge.fleet.slots import Kind
from edge.fleet.statefile import State, StateFile
from edge.fleet.update import Check, Outcome
from edge.runtime import RunFolder
from tests.fleet.releases import manifest, wheel
from tests.fleet.tinyapp import SOURCE

NOW = datetime.now(UTC).replace(microsecond=0)
"""python-tuf reads the machine's clock; ours may differ from it where a test says so."""


class Clock:
    """A wall clock that can be wrong, beside the real monotonic one."""

    def __init__(self) -> None:
        self.utc = NOW
        self.trusted = True
        self.s = 5000.0

    def now(self) -> Stamp:
        return Stamp(self.utc, self.trusted, "boot-1", int(self.s * 1e9))

    def monotonic_s(self) -> float:
        import time

        return time.monotonic()


Fault = Callable[[BaseHTTPRequestHandler, bytes], bool]
"""Answers a request itself (True), or leaves it to the server."""


class Server:
    """Static files over HTTP, Range and all. `fault` may spoil any answer."""

    def __init__(self, root: Path) -> None:
        self.fault: Fault | None = None
        self.requests: list[str] = []
        self.body_bytes = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.requests.append(self.path)
                path = root / self.path.lstrip("/")
                content = path.read_bytes() if path.is_file() else None
                if outer.fault and outer.fault(self, content or b""):
                    return
                if content is None:
                    self.send_response(404)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                outer.send(self, content)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A box that hangs up is no error here."""

        self._http = Quiet(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def send(self, handler: BaseHTTPRequestHandler, content: bytes, most: int | None = None) -> None:
        """Answers with the asked range; breaks the line after `most` bytes."""
        start = 0
        asked = handler.headers.get("Range")
        if asked:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
        handler.send_response(206 if asked else 200)
        handler.send_header("Content-Length", str(len(content) - start))
        if asked:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.end_headers()
        body = content[start:] if most is None else content[start : start + most]
        self.body_bytes += len(body)
        try:
            handler.wfile.write(body)
            handler.wfile.flush()
        except OSError:
            handler.close_connection = True
            return
        if most is not None:
            handler.close_connection = True

    def close(self) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()


class FleetOfOne:
    """An admin and one box. The box runs from the factory; models and tiny applications can be published."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.admin = FleetRepository.create(folder / "admin", self.clock)
        self.console = Console(self.admin, "clinic")
        self.server = Server(self.admin.root)
        self.fetchers: list[Fetcher] = []
        self.bootstrap = folder / "1.root.json"
        self.bootstrap.write_bytes((self.admin.root / "metadata" / "1.root.json").read_bytes())
        self.config = self._config((self.server.url,))
        self.config.run_folder.mkdir(parents=True)
        self.launcher_lives()

    def _config(self, repositories: tuple[str, ...]) -> Config:
        fleet = Fleet(device="box-1", name="clinic", repositories=repositories, trust=self.bootstrap)
        return Config(data=self.folder / "box", fleet=fleet)

    def use(self, *repositories: str) -> None:
        self.config = self._config(repositories)

    def launcher_lives(self) -> None:
        RunFolder(self.config.run_folder, self.clock).publish("launcher", 1, {})

    # -- the admin --

    def files(self, fault: str = "") -> dict[str, bytes]:
        return {"tiny-1.0.0-py3-none-any.whl": wheel({"tinyapp.py": SOURCE.format(fault=fault)})}

    def publish(
        self, release: str, files: dict[str, bytes] | None = None, kind: Kind = Kind.APPLICATION, **changes: object
    ) -> Manifest:
        made = self.publish_unsigned(release, files, kind, **changes)
        for signer in self.admin.keys.signers("releases"):
            self.admin.sign("releases", signer)
        return made

    def publish_unsigned(
        self, release: str, files: dict[str, bytes] | None = None, kind: Kind = Kind.APPLICATION, **changes: object
    ) -> Manifest:
        files = files if files is not None else self.files()
        for content in files.values():
            self.admin.add_blob(content)
        made = manifest(kind, release, files).model_copy(update=changes)
        self.admin.propose("releases", f"releases/{kind}/{release}.json", dump(made))
        return made

    def roll_out(self, release: str, kind: Kind = Kind.APPLICATION, **changes: object) -> None:
        self.console.change(kind, lambda c: settle(c, release, f"to-{release}").model_copy(update=changes))

    # -- the box --

    @property
    def root(self) -> Path:
        return self.config.fleet_root

    def state(self) -> State:
        return StateFile(self.root).read()

    def check(self, patience: Patience | None = None, *, daily_bytes: int = 10**9) -> Outcome:
        fetcher = Fetcher(self.clock, patience)
        self.fetchers.append(fetcher)
        depot = Depot(self.root)
        budget = Budget(self.root / "spent.json", self.clock, daily_bytes)
        downloader = Downloader(depot, fetcher, budget, lambda _: False)
        arguments = (str(self.config.run_folder),)
        check = Check(self.config, self.clock, fetcher=fetcher, downloader=downloader, depot=depot, arguments=arguments)
        outcome = check.run()
        fetcher.close()
        return outcome

    def code(self, patience: Patience | None = None, kind: Kind = Kind.APPLICATION) -> str:
        """Why a check came no further; empty when all is as the admin wants it, or a trial began."""
        outcome = self.check(patience)
        return outcome.code or outcome.steps[kind].code

    def snapshot(self) -> str:
        """What runs and what lies ready: equal before and after whatever is refused."""
        state = self.state()
        slots = {kind.value: (slot.good, slot.running, dict(slot.bad)) for kind, slot in state.slots.items()}
        stored = sorted(path.name for path in (self.root / "store").iterdir()) if self.root.exists() else []
        return json.dumps([slots, stored])

    def close(self) -> None:
        self.server.close()


def days(count: float) -> timedelta:
    return timedelta(days=count)
