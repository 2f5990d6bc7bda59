# browser.py: a real browser for tests: Chromium, headless, by the WebDriver protocol of chromedriver.
#
# Nothing but Python's own library. Names other than 127.0.0.1 do not resolve in it, so a page that
# asks for anything elsewhere fails, and what it asked for is in the log that requests() reads.
# SPDX-License-Identifier: Apache-2.0
import base64
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key of an element, by the standard
START_S = 30
WAIT_S = 20
TAB, ENTER = "\ue004", "\ue007"


class Failed(Exception):
    """What the browser, or a wait, was not able to do."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Browser:
    def __init__(self, width=1280, height=900):
        driver = shutil.which("chromedriver")
        if driver is None:
            raise Failed("there is no chromedriver: apt-get install chromium chromium-driver")
        self.folder = tempfile.mkdtemp(prefix="quorate-site-")
        self.port = free_port()
        self.process = subprocess.Popen(
            [driver, f"--port={self.port}", "--allowed-ips=127.0.0.1"], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = None
        try:
            self.until(self.is_ready, "chromedriver to answer", START_S)
            self.session = self.call("POST", "/session", self.wanted(width, height))["sessionId"]
        except BaseException:
            self.close()
            raise

    def wanted(self, width, height):
        arguments = ["--headless=new", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                     f"--window-size={width},{height}", f"--user-data-dir={self.folder}/profile",
                     "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
                     "--disable-background-networking", "--disable-component-update"]
        if os.geteuid() == 0:
            arguments.append("--no-sandbox")  # Chromium refuses to run as root with it
        return {"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": arguments},
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}}

    def close(self):
        if self.session is not None:
            try:
                self.call("DELETE", f"/session/{self.session}")
            except (Failed, OSError):
                pass
        self.process.terminate()
        self.process.wait(timeout=START_S)
        shutil.rmtree(self.folder, ignore_errors=True)

    def is_ready(self):
        try:
            return self.call("GET", "/status")["ready"]
        except OSError:
            if self.process.poll() is not None:
                raise Failed("chromedriver ended") from None
            return False

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            told = json.load(error)["value"]
            raise Failed(f"{told['error']}: {told['message'].splitlines()[0]}") from None

    def command(self, path, **body):
        return self.call("POST", f"/session/{self.session}{path}", body)

    def open(self, url):
        self.command("/url", url=url)

    def run(self, script, *arguments):
        """The body of a function of JavaScript; what it returns."""
        return self.command("/execute/sync", script=script, args=list(arguments))

    def devtools(self, command, **parameters):
        return self.command("/goog/cdp/execute", cmd=command, params=parameters)

    def size(self, width, height):
        """The size of the page as a phone, or as a desktop, has it."""
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=1, mobile=width < 800)

    def scheme(self, name):
        self.devtools("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": name}])

    def find(self, selector):
        return self.command("/element", using="css selector", value=selector)[ELEMENT]

    def type(self, selector, text):
        """Type into an element, key by key."""
        self.command(f"/element/{self.find(selector)}/value", text=text)

    def press(self, *keys):
        """Press keys, wherever the focus is."""
        actions = []
        for key in keys:
            actions += [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.command("/actions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def click(self, selector):
        self.command(f"/element/{self.find(selector)}/click")

    def until(self, condition, what, seconds=WAIT_S):
        """Wait until a condition gives something, and return that."""
        end = time.monotonic() + seconds
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > end:
                raise Failed(f"waited {seconds} s for {what}")
            time.sleep(0.05)

    def console(self):
        """What was written to the console since the last call: warnings and errors."""
        return [entry["message"] for entry in self.command("/se/log", type="browser")
                if entry["level"] in ("SEVERE", "WARNING")]

    def requests(self):
        """Since the last call: the addresses that were asked for, and [address] that failed."""
        asked = {}
        failed = []
        for entry in self.command("/se/log", type="performance"):
            message = json.loads(entry["message"])["message"]
            parameters = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                asked[parameters["requestId"]] = parameters["request"]["url"]
            elif message["method"] == "Network.loadingFailed" and not parameters.get("canceled"):
                failed.append(asked.get(parameters["requestId"], "?"))
            elif message["method"] == "Network.responseReceived" and \
                    parameters["response"]["status"] >= 400:
                failed.append(parameters["response"]["url"])
        return list(asked.values()), failed

    def screenshot(self, path):
        data = self.call("GET", f"/session/{self.session}/screenshot")
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))
