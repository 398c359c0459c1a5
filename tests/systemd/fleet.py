"""The fleet's admin, beside the box: a repository on the clinic's network, a broker, and the door for enrolment.

Everything goes by the admin's own commands. Nothing is imported from the application.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

from tests.peers.scan import free_port
from tests.peers.waiting import wait_for
from tests.systemd.box import HERE

NAME: Final = "clinic"
DEVICE: Final = "clinic-7-unit-2"


class Admin:
    """One admin. Use `at_work`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.door = free_port()
        self.broker = free_port()
        self.repository = free_port()
        self.command("init")

    @property
    def trust(self) -> bytes:
        """What a box's image brings: where all trust begins."""
        return (self.folder / "repo/metadata/1.root.json").read_bytes()

    @property
    def site(self) -> str:
        """What the box's configuration says of this fleet."""
        return (
            f'[fleet]\ndevice = "{DEVICE}"\nname = "{NAME}"\ntrust = "/etc/calcedge/1.root.json"\n'
            f'repositories = ["http://{HERE}:{self.repository}"]\nbroker = "mqtt://{HERE}:{self.broker}"\n'
        )

    def command(self, *words: str) -> str:
        """A command of the admin's; what it says."""
        done = subprocess.run([*self._fleet, *words], capture_output=True, text=True, check=False, timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def publish(self, kind: str, release: str, *paths: Path) -> None:
        """Published, signed by two, promoted."""
        self.command("publish", kind, *map(str, paths), "--release", release, "--epoch", "1")
        for key in ("releases-1", "releases-2"):
            self.command("sign", key)
        self.command("promote", kind, release, "--everywhere", "--idle-s", "0")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The repository is served, the broker takes messages, the door is open."""
        settings = self.folder / "mosquitto.conf"
        settings.write_text(f"listener {self.broker} 0.0.0.0\nallow_anonymous true\n", encoding="ascii")
        watch = [*self._fleet, "watch", "--broker", f"mqtt://127.0.0.1:{self.broker}", "--every", "1"]
        watch += ["--port", str(free_port()), "--enrol-port", str(self.door)]
        log = (self.folder / "log").open("ab")
        serve = ThreadingHTTPServer(("", self.repository), partial(_Quiet, directory=str(self.folder / "repo")))
        threading.Thread(target=serve.serve_forever, daemon=True).start()
        others = [
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            for command in (["mosquitto", "-c", str(settings)], watch)
        ]
        try:
            yield
        finally:
            for other in others:
                other.terminate()
            for other in others:
                other.wait(60)
            serve.shutdown()
            serve.server_close()
            log.close()

    def heard(self, words: str) -> str:
        """The line about the box, as soon as it says these words."""
        return wait_for(lambda: next((line for line in self._devices() if words in line), ""), 300)

    def _devices(self) -> list[str]:
        return [line for line in self.command("devices").splitlines() if line.startswith(DEVICE)]

    @property
    def _fleet(self) -> list[str]:
        return [sys.executable, "-m", "edge", "fleet", "--dir", str(self.folder), "--name", NAME]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""
