"""A headless Chromium at the end of a pipe, driven by its DevTools protocol; the standard library only."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import subprocess
import time
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--hide-scrollbars",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)


class Browser:
    """One page. `problems`: exceptions, console errors and refused loads; `requests`: addresses asked for."""

    def __init__(self, program: str, profile: Path) -> None:
        (their_in, self._out), (self._in, their_out) = os.pipe(), os.pipe()
        # Chromium reads from 3 and writes to 4; numbers above keep the redirections from colliding.
        theirs = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (their_in, their_out)]
        shell = f'exec "$0" "$@" 3<&{theirs[0]} 4>&{theirs[1]}'
        self.process = subprocess.Popen(
            ["bash", "-c", shell, program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            pass_fds=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for fd in (their_in, their_out, *theirs):
            os.close(fd)
        self._count, self._buffer = 0, b""
        self._session = ""
        self.events: list[dict[str, Any]] = []
        self.downloads = profile / "downloads"
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        self._session = self.call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.downloads.mkdir(parents=True)
        # The browser's own method, outside of any page.
        where = {"behavior": "allow", "downloadPath": str(self.downloads), "eventsEnabled": True}
        self.call("Browser.setDownloadBehavior", **where)

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        os.close(self._in)
        os.close(self._out)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._count += 1
        message: dict[str, Any] = {"id": self._count, "method": method, "params": params}
        if self._session and not method.startswith(("Browser.", "Target.")):
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next(60)
            if answer.get("id") == self._count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self.events.append(answer)

    def _next(self, seconds: float) -> dict[str, Any]:
        end = time.monotonic() + seconds
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(end - time.monotonic(), 0))[0]:
                raise TimeoutError("the browser does not answer")
            chunk = os.read(self._in, 1 << 20)
            if not chunk:
                raise EOFError("the browser has ended")
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        return dict(json.loads(message))

    def wait_for(self, method: str, seconds: float = 30, **params: Any) -> dict[str, Any]:
        """The first event of that name, not yet waited for, with these parameters."""

        def wanted(event: dict[str, Any]) -> bool:
            return event.get("method") == method and params.items() <= event["params"].items()

        end = time.monotonic() + seconds
        while True:
            for place, event in enumerate(self.events):
                if wanted(event):
                    return dict(self.events.pop(place)["params"])
            self.events.append(self._next(end - time.monotonic()))

    def open(self, page: Path, width: int = 1180, height: int = 1500) -> float:
        """Load a page; seconds until it was loaded and its scripts have run."""
        self.resize(width, height)
        self.events.clear()
        start = time.monotonic()
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.wait_for("Page.loadEventFired", 60)
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        return time.monotonic() - start

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.call("Emulation.setDeviceMetricsOverride", **size)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, awaited if it is a promise."""
        options = {"awaitPromise": True, "returnByValue": True, "userGesture": True}
        answer = self.call("Runtime.evaluate", expression=script, **options)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description"))
        return answer["result"].get("value")

    def download(self, script: str) -> Path:
        """The file that a click, as an expression, saves."""
        self.run(script)
        name = self.wait_for("Browser.downloadWillBegin")["suggestedFilename"]
        self.wait_for("Browser.downloadProgress", state="completed")
        return self.downloads / name

    def picture(self, file: Path, whole: bool = False) -> None:
        """The screen, or the whole page, as PNG."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(found["data"]))

    @property
    def problems(self) -> list[str]:
        kinds = {"Runtime.exceptionThrown", "Log.entryAdded"}
        found = [json.dumps(e["params"]) for e in self.events if e.get("method") in kinds]
        spoken = [e["params"] for e in self.events if e.get("method") == "Runtime.consoleAPICalled"]
        return found + [json.dumps(p) for p in spoken if p["type"] in ("error", "warning", "assert")]

    @property
    def requests(self) -> list[str]:
        asked = [e["params"] for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [p["request"]["url"][:200] for p in asked]
