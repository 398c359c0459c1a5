"""The real appliance under its launcher takes a real model, and real applications, and goes back.

The releases are this project's own wheel, with another version in it: the page shows which one runs. An admin's
commands publish, sign and promote them.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import edge
from edge.clock import SystemClock
from edge.config import DEFAULT_RELEASE
from edge.fleet.admin.console import Console, settle
from edge.fleet.admin.publish import model_release
from edge.fleet.admin.repository import FleetRepository
from edge.fleet.documents import Channel, Rule
from edge.fleet.slots import Kind, Slot
from edge.fleet.statefile import StateFile

ROOT = Path(__file__).resolve().parents[2]
MODEL = DEFAULT_RELEASE
PATIENCE_S = 900.0


class Appliance:
    """An appliance with its launcher, and an admin beside it."""

    def __init__(self, folder: Path, web: int, dicom: int) -> None:
        self.folder = folder
        self.page = f"http://127.0.0.1:{web}/"
        self.data = folder / "data"
        self.admin = FleetRepository.create(folder / "admin", SystemClock())
        self.console = Console(self.admin, "clinic")
        self.config = folder / "box.toml"
        self.config.write_text(
            f'data = "{self.data}"\n[dicom]\nport = {dicom}\n[web]\nport = {web}\n[fleet]\ndevice = "box-1"\n'
            f'name = "clinic"\nrepositories = ["{self.admin.root.as_uri()}"]\n'
            f'trust = "{self.admin.root / "metadata" / "1.root.json"}"\n'
            f'broker = "{(folder / "messages").as_uri()}"\n'
        )
        self.process: subprocess.Popen[bytes] | None = None
        self.state = StateFile(self.data / "fleet")

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge", "update", "launch", "--config", str(self.config), "--probation-s", "8"],
            stderr=(self.folder / "log").open("ab"),
            stdout=subprocess.DEVNULL,
        )

    def stop(self) -> None:
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def facts(self, service: str) -> dict[str, Any]:
        try:
            body: dict[str, Any] = json.loads((self.data / "run" / f"{service}.json").read_bytes())
        except (OSError, ValueError):
            return {}
        return body

    def await_(self, what: str, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < end, f"{what}\n{(self.folder / 'log').read_text()[-3000:]}"
            assert self.process is not None
            assert self.process.poll() is None, (self.folder / "log").read_text()[-3000:]
            time.sleep(0.1)

    def ready(self, release: str) -> bool:
        facts = self.facts("analyze").get("facts", {})
        return facts.get("release") == release and bool(facts.get("ready"))

    def sign(self, kind: Kind, release: str) -> None:
        for signer in self.admin.keys.signers("releases"):
            self.admin.sign("releases", signer)

        def now(channel: Channel) -> Channel:
            rule = Rule(release=release, idle_s=0)
            return settle(channel, release, "all").model_copy(update={"rules": (rule,)})

        self.console.change(kind, now)

    def fleet(self, *words: str) -> None:
        """A command of the admin's."""
        command = [sys.executable, "-m", "edge", "fleet", "--dir", str(self.folder / "admin"), "--name", "clinic"]
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def publish_application(self, release: str, *wheels: Path) -> str:
        """Published, signed by two, promoted, looked for: what the box's check says."""
        self.fleet("publish", "application", *map(str, wheels), "--release", release, "--epoch", "1")
        for key in ("releases-1", "releases-2"):
            self.fleet("sign", key)
        self.fleet("promote", "application", release, "--everywhere", "--idle-s", "0")
        return self.check()

    @property
    def application(self) -> Slot:
        return self.state.read().slots[Kind.APPLICATION]

    def shown(self, version: str) -> bool:
        """Whether the page is answered by this version of the software."""
        try:
            with urllib.request.urlopen(self.page, timeout=5) as answer:
                return f"={version}" in answer.read().decode()
        except OSError:
            return False

    def check(self) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "edge", "update", "check", "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return done.stdout + done.stderr


@pytest.fixture
def appliance(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Appliance]:
    made = Appliance(tmp_path, free_port(), free_port())
    made.start()
    yield made
    made.stop()


@pytest.mark.timeout(1800)
@pytest.mark.requirement("a new model is taken into use without a restart of the technician's page")
def test_a_model_release_leaves_the_page_running(appliance: Appliance) -> None:
    appliance.await_(
        "the appliance didn't come up", lambda: appliance.ready("factory") and bool(appliance.facts("web"))
    )
    web = appliance.facts("web")["pid"]
    model_release(appliance.admin, MODEL, "model-1", epoch=1)
    appliance.sign(Kind.MODEL, "model-1")
    said = appliance.check()
    appliance.await_(f"no trial: {said}", lambda: appliance.state.read().slots[Kind.MODEL].running == "model-1")
    appliance.await_("not taken into use", lambda: appliance.ready("model-1"))
    appliance.await_("not committed", lambda: appliance.state.read().slots[Kind.MODEL].good == "model-1")
    assert appliance.facts("web")["pid"] == web
    assert appliance.state.read().slots[Kind.MODEL].trial is None


@dataclass(frozen=True)
class Wheel:
    """The project's own wheel, to make others of."""

    path: Path

    def version(self, version: str, folder: Path, changes: Mapping[str, bytes] = {}) -> Path:
        """The same application under another version; `changes` are files that differ."""
        made = folder / f"calcedge-{version}-py3-none-any.whl"
        folder.mkdir(exist_ok=True)
        with zipfile.ZipFile(self.path) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                content = changes.get(name, old.read(name))
                if name == "edge/__init__.py":
                    content = content.replace(edge.__version__.encode(), version.encode())
                new.writestr(zipfile.ZipInfo(name), content)
        return made

    def read(self, name: str) -> bytes:
        with zipfile.ZipFile(self.path) as archive:
            return archive.read(name)


@pytest.fixture
def wheel(tmp_path: Path) -> Wheel:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (path,) = (tmp_path / "dist").glob("*.whl")
    return Wheel(path)


@pytest.mark.soak
@pytest.mark.timeout(5400)
@pytest.mark.requirement("an application release is taken into use only when it proved itself on the box")
def test_the_whole_application_is_taken_into_use_and_taken_back(
    appliance: Appliance, wheel: Wheel, tmp_path: Path
) -> None:
    appliance.await_("the factory didn't come up", lambda: appliance.ready("factory"))
    assert not appliance.shown("9.0.1")

    said = appliance.publish_application("app-1", wheel.version("9.0.1", tmp_path / "a"))
    appliance.await_(f"no trial: {said}", lambda: appliance.application.running == "app-1")
    appliance.await_("not committed", lambda: appliance.application.trial is None)
    assert (appliance.application.good, dict(appliance.application.bad)) == ("app-1", {})
    appliance.await_("app-1 isn't what runs", lambda: appliance.shown("9.0.1"))

    # Golden mismatch: a version that sees the first of two hands only.
    one_hand = b"\n\n_all = believed\n\n\ndef believed(*given):\n    return _all(*given)[:1]\n"
    gate = {"edge/detector/gate.py": wheel.read("edge/detector/gate.py") + one_hand}
    said = appliance.publish_application("app-2", wheel.version("9.0.2", tmp_path / "b", gate))
    assert dict(appliance.application.bad) == {"app-2": "preflight-failed"}, said
    assert appliance.application.running == "app-1"

    # A version that passes every test beforehand, and whose page then dies again and again.
    dying = b"\n\ndef body(context):\n    context.beat()\n    raise SystemExit(1)\n"
    web = {"edge/services/web.py": wheel.read("edge/services/web.py") + dying}
    said = appliance.publish_application("app-3", wheel.version("9.0.3", tmp_path / "c", web))
    appliance.await_(
        f"no trial: {said}", lambda: "app-3" in {appliance.application.running, *appliance.application.bad}
    )
    appliance.await_("not taken back", lambda: "app-3" in appliance.application.bad)
    # A busy machine starts the page so slowly again that the silence between two deaths is found first.
    assert appliance.application.bad["app-3"] in {"trial-crashed", "trial-hung"}
    assert (appliance.application.good, appliance.application.trial) == ("app-1", None)
    appliance.await_("app-1 didn't come back", lambda: appliance.shown("9.0.1"))
    appliance.check()  # the admin still asks for app-3
    assert (appliance.application.running, appliance.application.trial) == ("app-1", None)
