"""The whole appliance as its users run it: `calcedge run`, all processes, real ports, its own folder."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

import psutil

from edge.config import DEFAULT_RELEASE, Config, load
from edge.people.register import Register
from edge.people.roles import Role
from edge.store import Store, images, parcels
from edge.store.images import Image, State, StoredAnalysis
from edge.store.parcels import ParcelState
from tests.peers.waiting import patient, wait_for

GOLDEN = DEFAULT_RELEASE / "golden"


class Appliance:
    """One appliance. Use as a context manager; `kill` and `start` as often as you like."""

    def __init__(self, folder: Path, more: str = "", *, dicom: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.dicom_port, self.web_port = _free_port(), _free_port()
        self.config_path = folder / "calcedge.toml"
        self.config_path.write_text(
            f'data = "{folder / "data"}"\n{more}\n[dicom]\nport = {self.dicom_port}\n{dicom}\n'
            f"[web]\nport = {self.web_port}\n",
            encoding="utf-8",
        )
        self.config: Config = load(self.config_path)
        self.process: subprocess.Popen[bytes] | None = None
        self.session = ""

    def __enter__(self) -> Self:
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(patient(20))

    def start(self) -> None:
        """Starts the supervisor, which starts the rest. One that was killed is buried first."""
        if self.process is not None:
            self.process.wait(patient(20))
        command = [sys.executable, "-m", "edge", "run", "--config", str(self.config_path)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=dict(os.environ))

    def wait_ready(self, within_s: float = 60.0) -> None:
        """Waits until every part says that it works.

        Raises:
            AssertionError: if one doesn't in time, or the model is found unusable: waiting would not help.
        """

        def ready() -> bool:
            status, body = self.get("/health")
            assert b"model-unavailable" not in body, body
            return status == 200

        wait_for(ready, within_s)
        if not self.session:
            self.sign_in()

    def processes(self) -> list[psutil.Process]:
        """The supervisor and everything below it that lives."""
        assert self.process is not None
        try:
            supervisor = psutil.Process(self.process.pid)
            return [supervisor, *supervisor.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def named(self) -> dict[str, psutil.Process]:
        """The living processes by what they are: supervisor, bridge, dicom, analyze, worker, web, darkroom."""
        return {what(process): process for process in self.processes()}

    def get(self, path: str) -> tuple[int, bytes]:
        """One request to the page: status and body; status 0 when nobody answers."""
        try:
            with urllib.request.urlopen(self.request(path), timeout=5) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except OSError:
            return 0, b""

    def request(self, path: str) -> urllib.request.Request:
        """A request to the page by somebody who is signed in."""
        headers = {"Cookie": f"calcedge_session={self.session}"} if self.session else {}
        return urllib.request.Request(f"http://127.0.0.1:{self.web_port}{path}", headers=headers)

    def sign_in(self) -> None:
        """An admin for this appliance, and a session of theirs."""
        store = self.store()
        try:
            register = Register(store)
            known = register.named("tester")
            number = known.id if known else register.add("tester", Role.ADMIN, pin="482913", actor="test")
            link = register.link(number, within_s=60.0, once=True)
            self.session = register.follow(link, kiosk=True) or ""
        finally:
            store.close()

    def status(self) -> Any:
        """What `/api/status` says."""
        return json.loads(self.get("/api/status")[1])

    def store(self) -> Store:
        """The store, opened beside the running processes."""
        return Store.open(self.config.data)

    def wait_delivered(self, count: int, within_s: float = 60.0) -> list[tuple[Image, StoredAnalysis]]:
        """Waits until that many images went the whole way: reported, every parcel confirmed."""
        store = self.store()
        try:
            return wait_for(lambda: _delivered(store, count), within_s)
        finally:
            store.close()


def what(process: psutil.Process) -> str:
    """What a process of the appliance is; `gone` when it is no more."""
    try:
        command = process.cmdline()
    except psutil.Error:
        return "gone"
    for module, name in (("edge.services.worker", "worker"), ("edge.web.darkroom", "darkroom")):
        if module in command:
            return name
    return next((word for word in ("bridge", "dicom", "analyze", "web", "simulate") if word in command), "supervisor")


def _delivered(store: Store, count: int) -> list[tuple[Image, StoredAnalysis]]:
    with store.read() as connection:
        found = []
        for image in images.latest(connection, 10_000):
            analysis = images.latest_analysis(connection, image.id)
            if image.state is not State.REPORTED or analysis is None:
                return []
            if any(p.state is not ParcelState.CONFIRMED for p in parcels.of_image(connection, image.id)):
                return []
            found.append((image, analysis))
    return found[::-1] if len(found) >= count else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
