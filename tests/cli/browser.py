# SPDX-License-Identifier: BSD-3-Clause
"""A headless Chromium, driven by the WebDriver protocol over its own HTTP."""

import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request

FLAGS = [
    "--headless",
    "--no-sandbox",  # as root, in a container
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOST = "127.0.0.1"
TIME_LIMIT = 60  # seconds


def free_port():
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return probe.getsockname()[1]


# Never use a proxy of the environment: the driver is on this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Browser:
    """A browser session of its own. Use it with `with`."""

    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="flotilla_browser_")
        port = free_port()
        self.address = f"http://{HOST}:{port}"
        self.driver = subprocess.Popen(
            ["chromedriver", f"--port={port}"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.session = None

    def __enter__(self):
        deadline = time.monotonic() + TIME_LIMIT
        while not self._ready():
            if time.monotonic() > deadline:
                raise TimeoutError("chromedriver did not start")
            time.sleep(0.1)
        wanted = {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": [*FLAGS, f"--user-data-dir={self.profile}"]},
            "goog:loggingPrefs": {"browser": "ALL"},
        }
        self.session = self._post("/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]
        return self

    def __exit__(self, *_):
        if self.session is not None:
            request = urllib.request.Request(f"{self.address}/session/{self.session}", method="DELETE")
            OPENER.open(request, timeout=TIME_LIMIT).close()
        self.driver.terminate()
        self.driver.wait(timeout=TIME_LIMIT)
        shutil.rmtree(self.profile, ignore_errors=True)

    def open(self, path):
        self._post(f"/session/{self.session}/url", {"url": f"file://{path}"})

    def act_as_screen(self, width):
        """Gives the page a screen of this many CSS pixels; a narrow one is a telephone's."""
        screen = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        command = {"cmd": "Emulation.setDeviceMetricsOverride", "params": screen}
        self._post(f"/session/{self.session}/goog/cdp/execute", command)

    def run(self, script):
        """The result of a script in the page."""
        return self._post(f"/session/{self.session}/execute/sync", {"script": script, "args": []})

    def console(self):
        """The messages on the console so far: dictionaries with `level` and `message`."""
        return self._post(f"/session/{self.session}/se/log", {"type": "browser"})

    def _ready(self):
        try:
            with OPENER.open(f"{self.address}/status", timeout=5) as answer:
                return json.load(answer)["value"]["ready"]
        except OSError:
            return False

    def _post(self, path, body):
        request = urllib.request.Request(
            self.address + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with OPENER.open(request, timeout=TIME_LIMIT) as answer:
            return json.load(answer)["value"]
