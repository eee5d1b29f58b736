"""Chromium without a window, driven over a pipe by its DevTools protocol: what a page looks like to
one who opens it."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any, Optional

_ANSWER_SECONDS = 60.0  # a machine under load
_ABOVE_THE_OTHERS = 64  # file descriptors: out of the way of 3 and 4


def program() -> Optional[str]:
    """Where Chromium is, or None where there is none."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One page at a time. Raises RuntimeError where Chromium does not do what it is asked."""

    def __init__(self, profile: Path) -> None:
        theirs_in, ours_out = (_moved(fd) for fd in os.pipe())
        ours_in, theirs_out = (_moved(fd) for fd in os.pipe())
        # Chromium reads commands from descriptor 3 and answers on 4. A guest may have no user
        # namespaces and little /dev/shm; no page of another's making is opened here.
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}', "bash", str(program()),
             "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
             "--no-first-run", "--disable-extensions", "--disable-background-networking",
             "--hide-scrollbars", f"--user-data-dir={profile}", "--remote-debugging-pipe"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            pass_fds=(theirs_in, theirs_out))
        os.close(theirs_in)
        os.close(theirs_out)
        self._in, self._out = ours_in, ours_out
        self._buffer = b""
        self._last = 0
        self._session: Optional[str] = None
        self.events: list[dict[str, Any]] = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        attached = self.ask("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def close(self) -> None:
        self._session = None
        try:
            self.ask("Browser.close")
        except (RuntimeError, OSError):
            self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command and waits for its answer; what happened meanwhile goes to `events`."""
        self._last += 1
        command: dict[str, Any] = {"id": self._last, "method": method, "params": parameters}
        if self._session is not None:
            command["sessionId"] = self._session
        data = json.dumps(command).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data):]
        while True:
            message = self._next()
            if message.get("id") != self._last:
                self.events.append(message)
            elif "error" in message:
                raise RuntimeError(f"{method}: {message['error']['message']}")
            else:
                result: dict[str, Any] = message["result"]
                return result

    def open(self, page: Path, width: int, height: int, scripts: bool = True,
             dark: bool = False) -> None:
        """Shows a page; `events` then begins with it."""
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.ask("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        self.events.clear()
        self.ask("Page.navigate", url=page.resolve().as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def tell(self, expression: str) -> Any:
        """The value of an expression in the page, also where the page's own scripts are off."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def complaints(self) -> list[str]:
        """What the console shows of the page, and failed requests."""
        shown = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded",
                 "Network.loadingFailed"}
        return [json.dumps(event) for event in self.events if event["method"] in shown]

    def requests(self) -> list[str]:
        """The addresses that were asked for."""
        return [str(event["params"]["request"]["url"]) for event in self.events
                if event["method"] == "Network.requestWillBeSent"]

    def picture(self, path: Path, top: float, width: float, height: float) -> None:
        """A part of the page as PNG, to look at."""
        answer = self.ask("Page.captureScreenshot", captureBeyondViewport=True, clip={
            "x": 0, "y": top, "width": width, "height": height, "scale": 1})
        path.write_bytes(base64.b64decode(answer["data"]))

    def _next(self) -> dict[str, Any]:
        deadline = time.monotonic() + _ANSWER_SECONDS
        while b"\0" not in self._buffer:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._in], [], [], left)[0]:
                raise RuntimeError(f"Chromium does not answer within {_ANSWER_SECONDS:g} s")
            data = os.read(self._in, 1 << 16)
            if not data:
                raise RuntimeError("Chromium has ended")
            self._buffer += data
        text, self._buffer = self._buffer.split(b"\0", 1)
        message: dict[str, Any] = json.loads(text)
        return message


def _moved(descriptor: int) -> int:
    """The same open file under a number that is out of the way."""
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _ABOVE_THE_OTHERS)
    os.close(descriptor)
    return moved
