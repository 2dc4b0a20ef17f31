"""Debian's Chromium, driven through its own driver: nothing is downloaded, and only the page is asked for."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

# The programs that are needed, and Debian's packages that have them.
PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver"}

_ARGUMENTS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class Browser:
    """A browser with one page open."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        """Drive it."""
        self.driver = driver
        self._clock = ""

    def open(self, url: str, now: float | None = None, width: int = 1000, scheme: str = "light") -> None:
        """Open a page in a window of this width, at a time in seconds since 1970 (None: the real one)."""
        if self._clock:
            self.devtools("Page.removeScriptToEvaluateOnNewDocument", identifier=self._clock)
            self._clock = ""
        if now is not None:
            source = f"Date.now = () => {int(now * 1000)};"
            self._clock = self.devtools("Page.addScriptToEvaluateOnNewDocument", source=source)["identifier"]
        self.prefer(scheme)
        self.resize(width, 900)
        self.said()  # what earlier pages left
        self.driver.get(url)

    def said(self) -> list[str]:
        """Return what the console says that was not returned before."""
        return [line["message"] for line in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def prefer(self, scheme: str, media: str = "") -> None:
        """Emulate a user who prefers light or dark; or, as `media`, "print"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.devtools("Emulation.setEmulatedMedia", media=media, features=features)

    def resize(self, width: int, height: int) -> None:
        """Set the size of the window, in pixels."""
        self.devtools(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )

    def devtools(self, command: str, **parameters: Any) -> dict[str, Any]:
        """Do what only Chromium's own protocol can."""
        answer: dict[str, Any] = self.driver.execute_cdp_cmd(command, parameters)
        return answer

    def evaluate(self, script: str, *arguments: Any) -> Any:
        """Return what a script on the page returns."""
        return self.driver.execute_script(script, *arguments)

    def picture(self, width: int) -> bytes:
        """Return a PNG of the whole page."""
        self.resize(width, self.evaluate("return document.documentElement.scrollHeight"))
        return base64.b64decode(self.devtools("Page.captureScreenshot", format="png")["data"])


@contextmanager
def chromium(profile: Path) -> Iterator[Browser]:
    """Start a browser, with nothing in its profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
