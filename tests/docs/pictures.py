"""Takes the pictures in docs/pictures: of the reports of runs, and of the live page of a run that is under way."""

import contextlib
import signal
import subprocess
import tempfile

from selenium.webdriver.support.ui import WebDriverWait

from tests.report.browser import opened_browser, seen

_LIVE = ("callring", "+topology=chip8", "workload.repeat=10000", "live=true", "hydra.run.dir=watched")
_LIVE_HEIGHT = 1560
_LOOKED = 14
"""Messages that the page receives before the picture is taken: the timeline then shows ten seconds."""
_PATIENCE = 120


def take(pictures):
    """Takes pictures of reports.

    Args:
        pictures: the page, the file to write and the height of each.
    """
    with tempfile.TemporaryDirectory() as profile, opened_browser(profile) as browser:
        for page, picture, height in pictures:
            with seen(browser, height=height):
                browser.get(page.as_uri())
                assert browser.save_screenshot(str(picture))


def take_live(folder, environment, picture):
    """Takes a picture of the live page of a run in ``folder``, which is then interrupted."""
    enough = f"return recent.samples.length >= {_LOOKED}"
    with _running(folder, environment) as url, tempfile.TemporaryDirectory() as profile:
        with opened_browser(profile) as browser, seen(browser, height=_LIVE_HEIGHT):
            browser.get(url)
            WebDriverWait(browser, _PATIENCE).until(lambda page: page.execute_script(enough))
            assert browser.save_screenshot(str(picture))


@contextlib.contextmanager
def _running(folder, environment):
    """The address of the page of a run, which ends with the block."""
    with subprocess.Popen(_LIVE, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as run:
        try:
            yield next(line.split()[1] for line in run.stdout if line.startswith("live"))
        finally:
            run.send_signal(signal.SIGINT)
            run.communicate()
