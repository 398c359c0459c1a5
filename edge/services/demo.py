"""`make demo`: the appliance and a simulated unit on one machine, over real serial and DICOM links.

The unit exposes a (phantom) hand; its image arrives by DICOM, is analysed, reported, delivered into a folder and
shown on the page.
"""

from __future__ import annotations

import contextlib
import secrets
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final, Self

from edge.clock import SystemClock
from edge.config import DEFAULT_RELEASE, load
from edge.people.register import Register
from edge.people.roles import Role
from edge.people.secrets import weakness_of_pin
from edge.services.parent import child_environment
from edge.store import Store, images, parcels
from edge.store.images import Image, State, StoredAnalysis
from edge.store.parcels import Parcel, ParcelState

_PATIENCE_S: Final = 60.0
_POLL_S: Final = 0.1
_EVERY_S: Final = 20.0
_LINK_S: Final = 86_400.0

_CONFIG: Final = """\
# Written by the demo.
data = "{data}"
[device]
serial = "DEMO"
[serial]
port = "{serial}"
[dicom]
port = {dicom}
[web]
port = {web}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One image that went the whole way."""

    image: Image
    analysis: StoredAnalysis
    parcels: tuple[Parcel, ...]


class Demo:
    """The processes of a demo. Use as a context manager: everything is ended at its end."""

    ACCOUNT: ClassVar = "demo"

    def __init__(
        self, data: Path, stop: threading.Event, *, exposures: int | None, web_port: int | None = None
    ) -> None:
        self._stop = stop
        self.data = data.resolve()
        self.data.mkdir(parents=True, exist_ok=True)
        self.web_port = web_port or _free_port(8080)
        self.dicom_port = _free_port(11112)
        self.config_path = self.data / "demo.toml"
        self.serial = self.data / "unit-port"
        self.config_path.write_text(
            _CONFIG.format(data=self.data, serial=self.serial, dicom=self.dicom_port, web=self.web_port),
            encoding="utf-8",
        )
        self.config = load(self.config_path)
        self._exposures = exposures
        self._link = ""
        self.pin = _pin()
        self._clock = SystemClock()
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.web_port}/"

    @property
    def entrance(self) -> str:
        """Where the page is, for whoever reads the demo's terminal: a link that signs in, good for a day."""
        return f"{self.address}enter/{self._link}"

    @property
    def outbox(self) -> Path:
        """Where results are delivered."""
        return self.data / "outbox"

    def __enter__(self) -> Self:
        """Starts the appliance, waits for its page, then starts the unit."""
        try:
            self._start("run", "--config", str(self.config_path), log="appliance.log")
            self._wait(self._page_answers, "the page did not come up")
            self._let_in()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the unit and the appliance."""
        for process in reversed(self._processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self._processes):
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(15)
            process.kill()
            process.wait()

    def expose(self) -> None:
        """Starts the simulated unit, which exposes and sends images by itself."""
        count = ["--exposures", str(self._exposures)] if self._exposures is not None else []
        self._start(
            "simulate", "unit",
            "--port-link", str(self.serial),
            "--images", str(DEFAULT_RELEASE / "golden"),
            "--send-to", f"CALCEDGE@127.0.0.1:{self.dicom_port}",
            "--every", str(_EVERY_S),
            *count,
            log="unit.log",
        )  # fmt: skip

    def outcomes(self, count: int, after_id: int) -> Iterator[Outcome]:
        """The next images that go the whole way: reported, and every parcel confirmed. Fewer when told to stop."""
        store = Store.open(self.data)
        try:
            for _ in range(count):
                found: list[Outcome] = []

                def arrived(found: list[Outcome] = found, after_id: int = after_id) -> bool:
                    outcome = _next_outcome(store, after_id)
                    if outcome:
                        found.append(outcome)
                    return bool(found)

                self._wait(arrived, "no result arrived; see appliance.log and unit.log in the demo's folder")
                if self._stop.is_set():
                    return
                after_id = found[0].image.id
                yield found[0]
        finally:
            store.close()

    def newest_image_id(self) -> int:
        """The number of the newest image, 0 when there is none."""
        store = Store.open(self.data)
        try:
            with store.read() as connection:
                newest = images.latest(connection, 1)
            return newest[0].id if newest else 0
        finally:
            store.close()

    def _let_in(self) -> None:
        """An account for whoever watches the demo, with a new PIN each time."""
        store = Store.open(self.data)
        try:
            register = Register(store)
            known = register.named(self.ACCOUNT)
            if known is None:
                number = register.add(self.ACCOUNT, Role.ADMIN, pin=self.pin, actor="demo")
            else:
                number = known.id
                register.change(number, pin=self.pin, actor="demo")
            self._link = register.link(number, within_s=_LINK_S, once=False)
        finally:
            store.close()

    def _start(self, *arguments: str, log: str) -> None:
        with (self.data / log).open("ab") as output:
            command = [sys.executable, "-m", "edge", *arguments]
            process = subprocess.Popen(command, stdout=output, stderr=output, env=child_environment())
        self._processes.append(process)

    def _page_answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}health", timeout=2):  # noqa: S310 - our own address
                return True
        except urllib.error.HTTPError:
            return True  # the page is up, and says that something else is still starting
        except OSError:
            return False

    def _wait(self, condition: Callable[[], bool], failure: str) -> None:
        end_s = self._clock.monotonic_s() + _PATIENCE_S
        while not condition():
            if self._clock.monotonic_s() > end_s:
                raise TimeoutError(failure)
            if any(process.poll() not in (None, 0) for process in self._processes):
                raise RuntimeError(f"a process of the demo ended; see the logs in {self.data}")
            if self._stop.wait(_POLL_S):
                return


def _next_outcome(store: Store, after_id: int) -> Outcome | None:
    with store.read() as connection:
        for image in reversed(images.latest(connection, 50)):
            if image.id <= after_id or image.state is not State.REPORTED:
                continue
            sent = parcels.of_image(connection, image.id)
            analysis = images.latest_analysis(connection, image.id)
            if analysis and sent and all(parcel.state is ParcelState.CONFIRMED for parcel in sent):
                return Outcome(image, analysis, tuple(sent))
    return None


def _pin() -> str:
    """Six digits that are not too easy to guess."""
    while True:
        pin = f"{secrets.randbelow(10**6):06d}"
        if weakness_of_pin(pin) is None:
            return pin


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise OSError("no free port")
