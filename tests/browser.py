"""A headless Chromium for tests, driven through the DevTools protocol over a pipe: no port, no driver, no package."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
AXE = Path(__file__).parent.parent / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
if os.environ.get("RESOURCE_TRACKER_REQUIRE_BROWSER") and (CHROMIUM is None or not AXE.is_file()):
    raise RuntimeError("chromium and axe-core are required: apt-get install chromium, python scripts/frontend_tools.py")
_DEADLINE_S = 30.0
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    # One process for all frames, so that one session sees the console of a sandboxed frame, too.
    "--disable-features=IsolateSandboxedIframes,Translate,OptimizationHints,MediaRouter",
    "--disable-site-isolation-trials",
    "--remote-debugging-pipe",
)
_KEYS = {"ArrowLeft": 37, "ArrowRight": 39, "Home": 36, "End": 35, "Escape": 27, "Tab": 9}


class BrowserError(Exception):
    """Chromium answered with an error, or not at all."""


class Browser:
    """One Chromium with a profile of its own.

    Replies and events come over a pipe; whoever waits for a reply collects the events that arrive before it.
    """

    def __init__(self) -> None:
        self._profile = Path(tempfile.mkdtemp(prefix="card-browser-"))
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        # The browser wants its ends as descriptors 3 and 4: keep the originals out of the way first.
        ends = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (to_browser, from_browser)]
        os.close(to_browser)
        os.close(from_browser)

        def place_ends() -> None:
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self._log = (self._profile / "stderr.txt").open("wb")
        self._process = subprocess.Popen(
            [CHROMIUM or "chromium", *_FLAGS, f"--user-data-dir={self._profile / 'profile'}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            preexec_fn=place_ends,
            pass_fds=(3, 4, *ends),
            start_new_session=True,
            env={**os.environ, "TZ": "UTC", "HOME": str(self._profile)},
        )
        for fd in ends:
            os.close(fd)
        self._buffer = b""
        self._last_id = 0
        self._pages: dict[str, Page] = {}

    def page(
        self,
        *,
        width: int = 810,
        height: int = 900,
        dark: bool = False,
        scale: float = 1,
        now: float | None = None,
        before: str | None = None,
    ) -> Page:
        """A new tab; its network is offline but for files.

        To its pages it is `now`, where that is given; `before` runs in them before they do.
        """
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.resize(width, height, scale)
        page.emulate(dark=dark)
        if now is not None:
            page.call("Page.addScriptToEvaluateOnNewDocument", source=f"Date.now = () => {now * 1000};")
        if before is not None:
            page.call("Page.addScriptToEvaluateOnNewDocument", source=before)
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._last_id += 1
        number = self._last_id
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        deadline = time.monotonic() + _DEADLINE_S
        while True:
            reply = self._receive(deadline, method)
            if reply.get("id") != number:
                self._dispatch(reply)
            elif "error" in reply:
                raise BrowserError(f"{method}: {reply['error'].get('message')}")
            else:
                return dict(reply["result"])

    def poll(self, seconds: float) -> None:
        """Take the events that arrive within `seconds`."""
        with contextlib.suppress(TimeoutError):
            self._dispatch(self._receive(time.monotonic() + seconds, "an event"))

    def close(self) -> None:
        with contextlib.suppress(BrowserError, OSError, TimeoutError):
            self.call("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)
        self._log.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _receive(self, deadline: float, waiting_for: str) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                raise TimeoutError(f"no answer from Chromium to {waiting_for}: {self._errors()}")
            piece = os.read(self._in, 1 << 20)
            if not piece:
                raise BrowserError(f"Chromium has ended: {self._errors()}")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def _dispatch(self, event: dict[str, Any]) -> None:
        page = self._pages.get(event.get("sessionId", ""))
        if page is not None:
            page.on_event(event["method"], event["params"])

    def _errors(self) -> str:
        self._log.flush()
        return (self._profile / "stderr.txt").read_text(errors="replace")[-1500:]


class Page:
    """A tab: what it says (`messages`), what it asks for (`requests`), and ways to look at it and to act on it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session
        self._loaded = False
        self.messages: list[str] = []
        self.requests: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, self._session, **parameters)

    def on_event(self, method: str, params: dict[str, Any]) -> None:
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.consoleAPICalled":
            self.messages.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
        elif method == "Runtime.exceptionThrown":
            details = params["exceptionDetails"]
            self.messages.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded":
            self.messages.append(params["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])

    def resize(self, width: int, height: int = 900, scale: float = 1) -> None:
        """Size in CSS pixels, each of `scale` pixels of the screen."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )

    def emulate(self, *, dark: bool = False, media: str = "") -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def open(self, path: Path) -> None:
        """Load a file and wait until it is drawn; only what it asks for beyond itself stays in `requests`."""
        self._loaded = False
        url = path.resolve().as_uri()
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + _DEADLINE_S
        while not self._loaded:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} has not loaded")
            self._browser.poll(0.1)
        self.settle()
        self.wait_for("!document.querySelector('.plot') || document.querySelector('.plot canvas') !== null")
        self.settle()
        self.requests = [request for request in self.requests if request != url and not request.startswith("data:")]

    def settle(self) -> None:
        """Wait until two frames have been drawn, in front of the other tabs: those behind draw none."""
        self.call("Page.bringToFront")
        self.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression; promises are awaited."""
        reply = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in reply:
            details = reply["exceptionDetails"]
            raise BrowserError(details.get("exception", {}).get("description") or details["text"])
        return reply["result"].get("value")

    def wait_for(self, expression: str) -> Any:
        """The value of an expression as soon as it is truthy."""
        deadline = time.monotonic() + _DEADLINE_S
        while not (value := self.evaluate(expression)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"never true: {expression}")
            self._browser.poll(0.02)
        return value

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Until something outside the page is so, such as that a file has come."""
        deadline = time.monotonic() + _DEADLINE_S
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError("it was never so")
            self._browser.poll(0.02)

    def press(self, key: str, *, shift: bool = False) -> None:
        code = _KEYS[key]
        common = {"key": key, "code": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        self.call("Input.dispatchKeyEvent", type="rawKeyDown", **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)
        self.settle()

    def mouse(self, kind: str, x: float, y: float, *, clicks: int = 1) -> None:
        """`kind` is mouseMoved, mousePressed or mouseReleased."""
        button = "none" if kind == "mouseMoved" else "left"
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=1, clickCount=clicks)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.mouse("mouseMoved", *start)
        self.mouse("mousePressed", *start)
        self.mouse("mouseMoved", (start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        self.mouse("mouseMoved", *end)
        self.mouse("mouseReleased", *end)
        self.settle()

    def screenshot(self, path: Path | None = None, *, whole: bool = True) -> bytes:
        """PNG of the whole page, or of what is in view."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"])
        if path is not None:
            path.write_bytes(data)
        return data

    def pdf(self, *, height: float = 11.69) -> bytes:
        """The page printed on A4, or on Letter where `height` is 11 inches."""
        width = 8.27 if height > 11.5 else 8.5
        reply = self.call("Page.printToPDF", paperWidth=width, paperHeight=height, preferCSSPageSize=False)
        return base64.b64decode(reply["data"])

    def close(self) -> None:
        self.call("Page.close")


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that is gone afterwards."""
    browser = Browser()
    try:
        yield browser
    finally:
        browser.close()
