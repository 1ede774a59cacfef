"""The real dashboard on a free port and one headless Chromium, for every browser test in this folder."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    expect,
    sync_playwright,
)

from inferplan.datasets.warehouse import Warehouse

FOLDER = Path(__file__).parent
START_LIMIT_S = 60
WIDE = {"width": 1360, "height": 900}
PHONE = {"width": 390, "height": 844}
OWN_DASHBOARD = [sys.executable, "-m", "inferplan.dashboard", "dashboard"]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
expect.set_options(timeout=20_000)
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def running_server(command: list[str], database: Path) -> Iterator[str]:
    """Yield the address of a Streamlit server started with ``command``, stopped afterwards."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    address = f"http://localhost:{port}"
    log = database.with_suffix(".log")
    flags = ("--server.port", str(port), "--server.headless", "true", "--server.fileWatcherType", "none")
    with log.open("w") as output:
        process = subprocess.Popen(
            [*command, *flags],
            env={**os.environ, "INFERPLAN_DB": str(database), "AWS_EC2_METADATA_DISABLED": "true"},
            cwd=database.parent,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait_until_healthy(address, process, log)
            yield address
        finally:
            process.terminate()
            process.wait(timeout=20)


def running_dashboard(database: Path) -> AbstractContextManager[str]:
    """Start our own dashboard on ``database``, not as a first start that brings the sample fleet."""
    Warehouse.open(database).close()
    return running_server(OWN_DASHBOARD, database)


def _wait_until_healthy(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/_stcore/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(f"The dashboard did not start:\n{log.read_text()}")


def chromium_path() -> str | None:
    """Return the Chromium that is installed here, if one is."""
    named = os.environ.get("INFERPLAN_CHROMIUM")
    return (
        named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    )


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Yield a headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(CHROMIUM_FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """One browser tab on the dashboard; remembers console errors and requests to other hosts."""

    def __init__(self, context: BrowserContext, address: str) -> None:
        self.address = address
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.errors: list[str] = []
        self.foreign_requests: list[str] = []
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self._note_request(request.url))

    def open(self, path: str = "") -> "Visit":
        """Go to a page by its address and wait until it is drawn."""
        self.page.goto(f"{self.address}/{path}")
        return self.settle()

    def settle(self) -> "Visit":
        """Wait until the script has run and nothing is stale."""
        self.page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
        expect(self.page.locator('[data-testid="stMain"] [data-testid="stHeading"]').first).to_be_visible()
        expect(self.page.locator('[data-stale="true"]')).to_have_count(0)
        return self

    def go(self, title: str) -> "Visit":
        """Switch to the page ``title`` through the navigation."""
        self.page.get_by_test_id("stTopNavLink").filter(has_text=title).click()
        self.page.wait_for_timeout(100)
        return self.settle()

    def field(self, label: str) -> Locator:
        """Return the input with that label."""
        return self.page.get_by_label(label, exact=True)

    def fill(self, label: str, value: str) -> "Visit":
        """Type a value into an input and leave it."""
        self.field(label).fill(value)
        self.field(label).press("Enter")
        self.page.wait_for_timeout(100)
        return self.settle()

    def choose(self, label: str, option: str) -> "Visit":
        """Pick an option of a select box by typing it."""
        box = self.page.get_by_test_id("stSelectbox").filter(has=self.page.get_by_text(label, exact=True))
        box.locator("input").click()
        box.locator("input").fill(option)
        self.page.get_by_role("option").filter(has_text=option).first.click()
        self.page.wait_for_timeout(100)
        return self.settle()

    def text(self) -> str:
        """Return what the main area shows."""
        return self.page.get_by_test_id("stMain").inner_text()

    def _note_message(self, message: ConsoleMessage) -> None:
        # Streamlit looks for its server beside the page's address first, and takes the root when that fails.
        probing = "/_stcore/" in message.location.get("url", "") and "404" in message.text
        if message.type == "error" and not probing:
            self.errors.append(f"{message.text} {message.location.get('url', '')}")

    def _note_request(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.netloc != urlsplit(self.address).netloc:
            self.foreign_requests.append(url)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker("browser")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if chromium_path() is None:
        reason = "no Chromium here: install it, or name one in INFERPLAN_CHROMIUM"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_dashboard(tmp_path_factory.mktemp("dashboard") / "warehouse.duckdb") as address:
        yield address


@pytest.fixture
def first_start() -> Callable[[Path], AbstractContextManager[str]]:
    """Start the dashboard on a database as a user does, whether there is one yet or not."""
    return lambda database: running_server(OWN_DASHBOARD, database)


@pytest.fixture(scope="module")
def foreign_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of somebody else's app that shows our pages beside its own."""
    script = str(FOLDER.parent / "foreign_host" / "dashboard.py")
    run = [sys.executable, "-m", "streamlit", "run", script, "--browser.gatherUsageStats", "false"]
    with running_server(run, tmp_path_factory.mktemp("host") / "warehouse.duckdb") as address:
        yield address


@pytest.fixture
def visit(chromium: Browser, dashboard: str) -> Iterator[Visit]:
    """A fresh visitor on a wide screen, who must see no console error and call no other host."""
    context = chromium.new_context(viewport=WIDE)
    visitor = Visit(context, dashboard)
    yield visitor
    context.close()
    assert visitor.errors == []
    assert visitor.foreign_requests == []


@pytest.fixture
def phone(chromium: Browser, dashboard: str) -> Iterator[Visit]:
    """A fresh visitor on a phone."""
    context = chromium.new_context(viewport=PHONE, device_scale_factor=2, is_mobile=True, has_touch=True)
    visitor = Visit(context, dashboard)
    yield visitor
    context.close()
    assert visitor.errors == []
    assert visitor.foreign_requests == []
