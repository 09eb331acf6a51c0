"""Debian's Chromium, headless, with what a page did in it: its console, its requests, its faults."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

AXE = "axe-core@4.10.3"
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu",
          "--disable-background-networking", "--no-first-run")  # fmt: skip


def tool(name: str) -> str:
    """The path of NAME; where it is missing, the test that needs it fails with a plain line."""
    found = shutil.which(name)
    if found is None:
        pytest.fail(
            f"{name}: not installed; as root, tests/install-tools has Debian install it",
            pytrace=False,
        )
    return found


class Browser:
    """One Chromium for a whole test module; each page is opened from disk."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = tool("chromium")
        for flag in _FLAGS:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(tool("chromedriver")))

    def close(self) -> None:
        self.driver.quit()

    def open(self, page: Path, *, width: int = 1280, dark: bool = False) -> None:
        """Show PAGE; what came before is forgotten."""
        driver = self.driver
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600},
        )
        driver.get("about:blank")
        self.console()
        self.requests()
        driver.get(page.absolute().as_uri())

    def console(self) -> list[str]:
        """What the console said since it was last asked; violations of the policy too."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses that were asked for since this was last asked."""
        messages = [
            json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")
        ]
        return [m["params"]["request"]["url"] for m in messages
                if m["method"] == "Network.requestWillBeSent"]  # fmt: skip

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(script, *arguments)

    def until(self, script: str, fits: Callable[[Any], bool]) -> Any:
        """What SCRIPT gives once it FITS; a drawing comes with the next frame."""
        for _ in range(200):
            value = self.run(script)
            if fits(value):
                return value
            time.sleep(0.05)
        raise AssertionError(f"{script} stays {value!r}")

    def texts(self, css: str) -> list[str]:
        """The texts of all elements that CSS fits, shown or not."""
        return self.run(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", css
        )

    def click(self, css: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", css)

    def type(self, css: str, text: str) -> None:
        self.run(
            "const e = document.querySelector(arguments[0]); e.value = arguments[1];"
            "e.dispatchEvent(new Event('input', {bubbles: true}))",
            css,
            text,
        )

    def pdf(self) -> bytes:
        printed = self.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
        return base64.b64decode(printed["data"])

    def faults(self, axe: str) -> list[str]:
        """What axe-core (its source) finds serious or critical, with where it is."""
        self.run(axe)
        found = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run().then(r => done(r.violations), e => done([{id: String(e), nodes: []}]))"
        )
        return [
            f"{one['id']}: {node['html']}"
            for one in found
            if one.get("impact") in ("serious", "critical", None)
            for node in one["nodes"] or [{"html": ""}]
        ]


def axe_source(folder: Path) -> str:
    """axe-core from npm, installed into FOLDER."""
    done = subprocess.run(
        [tool("npm"), "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, AXE],
        capture_output=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace")[-300:]
        pytest.fail(f"npm could not install {AXE}: {said}", pytrace=False)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
