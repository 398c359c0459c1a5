"""A real Chromium, driven through its debugging pipe: no port, no driver program, no library."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--remote-debugging-pipe",
)  # fmt: skip


_NAVIGATED = ("navigated", "context", "collected")


class Navigated(Exception):  # noqa: N818 - an event, not a fault
    """The page that was asked has given way to another."""


class Browser:
    """One page of one browser. Waiting is done inside the page, by its own observer of changes."""

    def __init__(self, reads: int, writes: int) -> None:
        self._in = os.fdopen(reads, "rb")
        self._out = os.fdopen(writes, "wb")
        self._number = 0
        self._session = ""
        self.complaints: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                if any(word in answer.get("error", {}).get("message", "") for word in _NAVIGATED):
                    raise Navigated
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _receive(self) -> dict[str, Any]:
        said = bytearray()
        while not said.endswith(b"\0"):
            byte = self._in.read(1)
            assert byte, "the browser has gone"
            said += byte
        message: dict[str, Any] = json.loads(said[:-1])
        if message.get("method") == "Log.entryAdded":
            entry = message["params"]["entry"]
            self.complaints.append(f"{entry['level']}: {entry['text']}")
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(message["params"]["exceptionDetails"]))
        return message

    def close(self) -> None:
        """Closes both pipes."""
        self._in.close()
        with contextlib.suppress(BrokenPipeError):
            self._out.close()

    def size(self, width: int, height: int) -> None:
        """The screen's size."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def cookie(self, url: str, name: str, value: str) -> None:
        """Gives the browser a cookie for an address, as a sign-in would."""
        self.call("Network.setCookie", url=url, name=name, value=value, httpOnly=True, sameSite="Strict")

    def tap(self, selector: str) -> None:
        """Touches the middle of an element, as a finger does."""
        x, y = self.middle(selector)
        self.call("Input.dispatchTouchEvent", type="touchStart", touchPoints=[{"x": x, "y": y}])
        self.call("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def click(self, selector: str) -> None:
        """Clicks the middle of an element with the mouse."""
        x, y = self.middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def middle(self, selector: str) -> tuple[float, float]:
        """Where an element is on the screen, scrolled to."""
        found = self.evaluate(f"""(() => {{
            const one = document.querySelector({json.dumps(selector)});
            one.scrollIntoView({{ block: "center" }});
            const box = one.getBoundingClientRect();
            return [box.x + box.width / 2, box.y + box.height / 2];
        }})()""")
        return float(found[0]), float(found[1])

    def keys(self, text: str) -> None:
        """Types quickly, as a barcode scanner does; a line end is Enter."""
        for letter in text:
            enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "text": "\r"}
            self.call(
                "Input.dispatchKeyEvent",
                type="keyDown",
                **(enter if letter == "\n" else {"key": letter, "text": letter}),
            )

    def open(self, url: str) -> None:
        """Goes to an address and waits until the page stands."""
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait_for(self, condition: str, timeout_s: float = 60.0) -> float:
        """Waits until an expression is true; returns the page's clock, ms since 1970, when it became so."""
        script = f"""new Promise((done, fail) => {{
            const look = () => {{ if ({condition}) {{ stop(); done(Date.now()); }} }};
            const observer = new MutationObserver(look);
            observer.observe(document, {{ subtree: true, childList: true, attributes: true, characterData: true }});
            const timer = setInterval(look, 50);
            const end = setTimeout(() => {{ stop(); fail(new Error("waited in vain")); }}, {timeout_s * 1000});
            const stop = () => {{ observer.disconnect(); clearInterval(timer); clearTimeout(end); }};
            look();
        }})"""
        while True:
            with contextlib.suppress(Navigated):
                return float(self.evaluate(script))

    def says(self, text: str) -> str:
        """An expression: the page shows this text."""
        return f"document.body?.innerText.includes({json.dumps(text)})"

    def picture(self, path: Path) -> None:
        """What the screen shows, as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextlib.contextmanager
def chromium(*flags: str) -> Iterator[Browser]:
    """Starts a browser of its own, with an empty profile, and ends it."""
    to_browser, from_browser = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        line = f'exec "$@" 3<&{to_browser[0]} 4>&{from_browser[1]}'
        command = ["bash", "-c", line, "-", "chromium", *_FLAGS, *flags, f"--user-data-dir={profile}"]
        process = subprocess.Popen(
            command, pass_fds=(to_browser[0], from_browser[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_browser[0])
        os.close(from_browser[1])
        browser: Browser | None = None
        try:
            browser = Browser(from_browser[0], to_browser[1])
            yield browser
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            if browser is not None:
                browser.close()
