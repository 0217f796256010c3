"""Drives a real, headless Chromium over its debugging pipe: no port, no driver, no further package."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds within which the browser answers, a page is there, and what a page is waited for happens."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find_chromium() -> str | None:
    """The browser's command, or None where none is installed."""
    return next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)


class Moving(Exception):
    """A page that was asked is on its way to another one: the answer is nobody's."""


_MOVING = ("navigated or closed", "context was destroyed", "Cannot find")
"""What the browser says of a call that a new page overtook."""


class Browser:
    """One page of a browser."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading, self._writing = reading, writing
        self._buffer = b""
        self._last = 0
        self._pages = 0
        self._loaded = False
        self.complaints: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(1_200, 900)

    def size(self, width: int, height: int, *, dark: bool = False) -> None:
        """Set the window's inside, in CSS pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def open(self, url: str) -> None:
        """Go to an address and wait until it is there."""
        self._after(lambda: self.call("Page.navigate", url=url))

    def do(self, script: str) -> None:
        """Run a script that leads to another page, as a click does, and wait for that."""
        self._after(lambda: self.read(script))

    def read(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, userGesture=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script: str) -> Any:
        """The value of a promise."""
        answer = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, userGesture=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, script: str, wanted: str) -> None:
        """Wait until an expression's text has some words in it, whatever pages come meanwhile."""
        deadline = time.monotonic() + PATIENCE
        found = None
        while found is None or wanted not in found:
            assert time.monotonic() < deadline, found
            with contextlib.suppress(Moving):
                found = str(self.read(script))
            time.sleep(0.02)

    def authenticator(self, transport: str = "internal") -> str:
        """Plug in a virtual authenticator, which keeps passkeys and knows its owner; its id."""
        self.call("WebAuthn.enable", enableUI=False)
        options = {
            "protocol": "ctap2",
            "transport": transport,
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        made = self.call("WebAuthn.addVirtualAuthenticator", options=options)
        return str(made["authenticatorId"])

    def overflows(self, *widths: int) -> list[int]:
        """Those of the widths, in CSS pixels, for which the page is too wide; the last one stays."""
        found = []
        for width in widths:
            self.size(width, 900)
            # The page is laid out anew in its own time.
            self.until("`is ${innerWidth};`", f"is {width};")
            if self.read("document.documentElement.scrollWidth") > width:
                found.append(width)
        return found

    def text(self) -> str:
        """What a person reads on the page."""
        return str(self.read("document.body.innerText"))

    def screenshot(self, path: Path) -> None:
        """Write a picture of the whole page."""
        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(taken["data"]))

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command of the page and return its result."""
        return self._call(method, self._session, **parameters)

    # --- inside -------------------------------------------------------------------------------

    def _after(self, act: Any) -> None:
        """Do something and wait until another page than the one before is whole: what is still told of the
        one before, of an empty first page too, isn't it."""
        before = self._pages
        act()
        deadline = time.monotonic() + PATIENCE
        while self._pages == before or not self._loaded:
            self._take(self._receive(deadline))

    def _call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._last += 1
        message = {"id": self._last, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._writing, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while True:
            answer = self._receive(deadline)
            if answer.get("id") == self._last:
                if any(said in answer.get("error", {}).get("message", "") for said in _MOVING):
                    raise Moving(answer["error"]["message"])
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result
            self._take(answer)

    def _take(self, event: dict[str, Any]) -> None:
        if event.get("method") == "Page.frameNavigated" and "parentId" not in event["params"]["frame"]:
            self._pages += 1
            self._loaded = False
        elif event.get("method") == "Page.loadEventFired":
            self._loaded = True
        elif event.get("method") == "Log.entryAdded":
            entry = event["params"]["entry"]
            self.complaints.append(f"{entry['level']}: {entry['text']}")

    def _receive(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._reading], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, "the browser doesn't answer"
            piece = os.read(self._reading, 1 << 20)
            assert piece, "the browser ended"
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


@contextmanager
def chromium(profile: Path, command: str) -> Iterator[Browser]:
    """Start a browser with a new profile and end it when the block does."""
    from_us, ours_out = os.pipe()
    ours_in, from_browser = os.pipe()
    # The browser reads commands from descriptor 3 and writes answers to 4.
    script = f'exec "$0" "$@" 3<&{from_us} 4>&{from_browser}'
    process = subprocess.Popen(
        ["bash", "-c", script, command, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        pass_fds=(from_us, from_browser),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(from_us)
    os.close(from_browser)
    try:
        yield Browser(ours_in, ours_out)
    finally:
        # The end of the pipe is the browser's sign to go.
        os.close(ours_out)
        os.close(ours_in)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
