"""The real appliance under its launcher takes a real model, and a real application, from a real repository."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge.clock import SystemClock
from edge.fleet.admin.console import Console, settle
from edge.fleet.admin.publish import application_release, model_release
from edge.fleet.admin.repository import FleetRepository
from edge.fleet.documents import Channel, Rule
from edge.fleet.slots import Kind, Slot
from edge.fleet.statefile import StateFile

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "models" / "releases" / "hand-calcinosis-0.2.0"
PATIENCE_S = 240.0


class Appliance:
    """An appliance with its launcher, and an admin beside it."""

    def __init__(self, folder: Path, web: int, dicom: int) -> None:
        self.folder = folder
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
            [sys.executable, "-m", "edge", "update", "launch", "--config", str(self.config), "--probation-s", "4"],
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


@pytest.mark.timeout(900)
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


@pytest.mark.timeout(1500)
@pytest.mark.soak
def test_an_application_release_is_started_from_the_store(appliance: Appliance, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    appliance.await_(
        "the appliance didn't come up", lambda: appliance.ready("factory") and bool(appliance.facts("web"))
    )
    application_release(appliance.admin, tuple(wheels.glob("*.whl")), "app-1", epoch=1, memory_mb=8000)
    appliance.sign(Kind.APPLICATION, "app-1")
    said = appliance.check()

    def slot() -> Slot:
        return appliance.state.read().slots[Kind.APPLICATION]

    appliance.await_(f"no trial: {said}", lambda: slot().running == "app-1" or bool(slot().bad))
    appliance.await_("not committed", lambda: slot().good == "app-1" or bool(slot().bad))
    assert dict(slot().bad) == {}
    appliance.await_("not started again", lambda: appliance.ready("factory"))
    pid = appliance.facts("web")["pid"]
    assert "/store/" in Path(f"/proc/{pid}/environ").read_text()
