"""A headless browser for tests of pages: fixtures that skip, with the reason, if there is no Chromium or driver."""

import contextlib
import shutil

import pytest

selenium = pytest.importorskip("selenium", reason="needs selenium: pip install '.[browser]'")

from selenium import webdriver  # noqa: E402
from selenium.webdriver.chrome.service import Service  # noqa: E402

_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1280,1600 --hide-scrollbars"
)
SCHEMES = ("light", "dark")


@contextlib.contextmanager
def opened_browser(profile):
    """A WebDriver without a network, with a folder of its own."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("needs a headless browser: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in [*_FLAGS.split(), f"--user-data-dir={profile}", "--proxy-server=127.0.0.1:9"]:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    try:
        yield opened
    finally:
        opened.quit()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """The browser of opened_browser(), shared by the tests of a module."""
    with opened_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@contextlib.contextmanager
def seen(browser, *, width=1280, height=1200, scheme="light", media=""):
    """Sets the size of pages, the preferred colour scheme, and screen or paper, for the duration of the block."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
