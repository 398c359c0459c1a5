"""What a fleet does with a box that systemd runs: enrolled, given a model and an application, given bad ones.

Steps of the visit, as facts; tests judge them. What a unit runs is read from the process that systemd started.
"""

from __future__ import annotations

import json
import re
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.peers.waiting import wait_for
from tests.systemd.box import HERE, Box
from tests.systemd.facts import SERVICES, Facts, all_ready, main_pid, page, state
from tests.systemd.fleet import DEVICE, Admin

_PATIENCE_S: Final = 900.0
_SITE: Final = "/etc/calcedge/calcedge.toml"
_SHORT: Final = """[Service]
ExecStart=
ExecStart=/opt/calcedge/current/bin/calcedge update launch --units --probation-s 15 --config /etc/calcedge/calcedge.toml
"""
_ONE_HAND: Final = b"\n\n_all = believed\n\n\ndef believed(*given):\n    return _all(*given)[:1]\n"
_DYING: Final = b"\n\ndef body(context):\n    context.beat()\n    raise SystemExit(1)\n"


def under_a_fleet(box: Box, admin: Admin) -> Iterator[tuple[str, Facts]]:
    """All steps, in order. At the end the box runs `app-1` and `model-1`."""
    yield "enrolled", enrol(box, admin)
    yield "model released", model(box, admin)
    wheel = Wheel(next(box.tree.glob("usr/share/calcedge/wheels/calcedge-*.whl")), admin.folder)
    admin.publish("application", "app-1", wheel.version("9.0.1"))
    yield "application released", look(box, "application", "app-1") | heard(box, admin, "application=app-1")
    one_hand = wheel.version("9.0.2", {"edge/detector/gate.py": _ONE_HAND})
    admin.publish("application", "app-2", one_hand)
    yield "golden mismatch", look(box, "application", "app-1")
    admin.publish("application", "app-3", wheel.version("9.0.3", {"edge/services/web.py": _DYING}))
    yield "page that dies", look(box, "application", "app-1", bad="app-3")
    yield "asked again", look(box, "application", "app-1") | heard(box, admin, "application=app-1")


def enrol(box: Box, admin: Admin) -> Facts:
    """As docs/fleet.md has it; only the time on trial is shorter."""
    (box.tree / "etc/calcedge/1.root.json").write_bytes(admin.trust)
    box.write(_SITE, (box.tree / _SITE.lstrip("/")).read_text(encoding="utf-8") + admin.site)
    box.write("/etc/systemd/system/calcedge-launcher.service.d/60-short.conf", _SHORT)
    box.run("systemctl", "daemon-reload")
    box.run("systemctl", "restart", "calcedge.target")
    all_ready(box)
    token = admin.command("token", DEVICE)
    said = box.run("calcedge", "update", "enrol", "--token", token, "--address", f"https://{HERE}:{admin.door}")
    return look(box, "application", "factory") | {"said": said.strip(), "heard": admin.heard("application=factory")}


def model(box: Box, admin: Admin) -> Facts:
    """A model comes while somebody looks at the page."""
    bundle = next(box.tree.glob("opt/calcedge/current/lib/python3*/site-packages/models/releases/*/"))
    admin.publish("model", "model-1", bundle)
    web = main_pid(box, "web")
    with looking(box) as looked:
        facts = look(box, "model", "model-1")
    return facts | heard(box, admin, "model=model-1") | {"page": looked, "page goes on": main_pid(box, "web") == web}


def back(box: Box, admin: Admin) -> Facts:
    """The admin takes all back to what the package brought."""
    admin.command("rollback", "application", "factory")
    admin.command("rollback", "model", "factory")
    look(box, "model", "factory")
    return look(box, "application", "factory")


def look(box: Box, kind: str, good: str, bad: str = "") -> Facts:
    """The timer's unit looks for updates; then waits until this release is the good one, and this one is bad."""
    box.run("systemctl", "start", "calcedge-update.service", limit_s=_PATIENCE_S)

    def settled() -> bool:
        slot = slots(box).get(kind, {"good": "factory", "trial": None, "bad": {}})
        return slot["good"] == good and slot["trial"] is None and (not bad or bad in slot["bad"])

    wait_for(settled, _PATIENCE_S)
    wait_for(lambda: kind == "model" or set(running(box).values()) == {good}, _PATIENCE_S)
    wait_for(lambda: kind == "application" or analysis(box) == (good, True), _PATIENCE_S)
    all_ready(box)
    return told(box)


def heard(box: Box, admin: Admin, words: str) -> Facts:
    """What the admin hears with the box's next check."""
    box.run("systemctl", "start", "calcedge-update.service", limit_s=_PATIENCE_S)
    return {"heard": admin.heard(words)}


def told(box: Box) -> Facts:
    """Which releases are good and bad, what each unit runs, which version draws the page."""
    bad = {kind: slot["bad"] for kind, slot in slots(box).items()}
    drawn = wait_for(lambda: re.search(r"v=(\d+\.\d+\.\d+)", page(box, "/set-up").body), _PATIENCE_S)
    assert drawn is not None
    return state(box) | {
        "bad": bad, "running": running(box), "model": analysis(box)[0], "drawn by": drawn.group(1),
    }  # fmt: skip


def slots(box: Box) -> Mapping[str, Any]:
    """The box's durable truth of what runs."""
    try:
        found: Mapping[str, Any] = json.loads((box.root / "var/lib/calcedge/fleet/state.json").read_bytes())["slots"]
    except FileNotFoundError:
        return {}
    return found


def running(box: Box) -> dict[str, str]:
    """The release of each process that systemd started, from its environment; the package's own needs none there."""
    found = {}
    for service in SERVICES:
        environment = box.run("cat", f"/proc/{main_pid(box, service)}/environ", check=False)
        values = dict(line.partition("=")[::2] for line in environment.split("\0"))
        found[service] = values.get("CALCEDGE_RELEASE", "factory") if "USER" in values else ""
    return found


def analysis(box: Box) -> tuple[str, bool]:
    """Which model release the analysis uses, and whether it is ready."""
    try:
        facts = json.loads((box.root / "run/calcedge/analyze.json").read_bytes())["facts"]
    except (FileNotFoundError, ValueError):
        return "", False
    return facts.get("release", ""), bool(facts.get("ready"))


@contextmanager
def looking(box: Box) -> Iterator[dict[int, int]]:
    """Somebody asks for the page again and again; counts the answers, by their status."""
    seen: dict[int, int] = {}
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.2):
            status = page(box, "/set-up").status
            seen[status] = seen.get(status, 0) + 1

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield seen
    finally:
        stop.set()
        asking.join()


class Wheel:
    """The application's own wheel, as the package carries it, to make others of."""

    def __init__(self, path: Path, folder: Path) -> None:
        self._path, self._folder = path, folder
        self._own = path.name.split("-")[1]

    def version(self, version: str, more: Mapping[str, bytes] = {}) -> Path:
        """The same application under another version; `more` is added to the end of files."""
        made = self._folder / f"calcedge-{version}-py3-none-any.whl"
        with zipfile.ZipFile(self._path) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
            for name in old.namelist():
                content = old.read(name) + more.get(name, b"")
                if name == "edge/__init__.py":
                    content = content.replace(self._own.encode(), version.encode())
                new.writestr(zipfile.ZipInfo(name), content)
        return made
